"""XEP-0133 by an administrator of a real cluster, and what its nodes announce beside what is claimed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
import pytest_asyncio

from integration.cluster_process import Cluster, wait_until
from integration.xmpp_raw import NS_STANZA_ERROR, RawClient, condition_of, register
from raftline.xmpp.catalog import all_modules

pytestmark = pytest.mark.timeout(120)

ADMIN = "http://jabber.org/protocol/admin"
INFO = "http://jabber.org/protocol/disco#info"
COMMANDS = "http://jabber.org/protocol/commands"
FIELD = "{jabber:x:data}field"
APPLIED_TIMEOUT_S = 10.0


@pytest_asyncio.fixture
async def cluster(cluster_folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """Three nodes whose administrator is anna, with a contact for abuse."""
    monkeypatch.setenv("RAFTLINE_XMPP__ADMINISTRATORS", '["anna@localhost"]')
    monkeypatch.setenv("RAFTLINE_CONTACTS__ABUSE", '["mailto:abuse@example.org"]')
    async with Cluster(cluster_folder) as running:
        yield running


async def log_in(cluster: Cluster, node_id: int, name: str, resource: str) -> RawClient:
    client = RawClient()
    await client.log_in(cluster.node(node_id).xmpp, name, f"secret-{name}", resource=resource)
    return client


async def command(client: RawClient, name: str, **fields: str) -> ET.Element:
    """Execute a command of the administrator's to the end."""
    node = f"node='{ADMIN}#{name}'"
    answer = await client.ask("set", f"<command xmlns='{COMMANDS}' {node}/>", "localhost")
    assert answer.get("type") == "result", ET.tostring(answer)
    if answer[0].get("status") == "completed":
        return answer
    written = "".join(
        f"<field var='{key.replace('_verify', '-verify')}'><value>{escape(value)}</value></field>"
        for key, value in {"FORM_TYPE": ADMIN, **fields}.items()
    )
    form = f"<x xmlns='jabber:x:data' type='submit'>{written}</x>"
    session = f"sessionid='{answer[0].get('sessionid')}'"
    return await client.ask("set", f"<command xmlns='{COMMANDS}' {node} {session}>{form}</command>", "localhost")


def is_completed(answer: ET.Element) -> bool:
    return answer.get("type") == "result" and answer[0].get("status") == "completed"


async def test_an_administrator_at_work_through_a_leader_kill(cluster: Cluster) -> None:
    """Accounts are made, thrown out and deleted for all nodes at once; the work goes on when the leader is killed."""
    for name in ("anna", "bert"):
        await register(cluster.node(1).xmpp, name, f"secret-{name}")
    leader = await cluster.leader()
    here, there = (node_id for node_id in (1, 2, 3) if node_id != leader)
    anna, bert = await log_in(cluster, here, "anna", "phone"), await log_in(cluster, there, "bert", "phone")
    async with anna, bert:
        refused = await bert.ask("set", f"<command xmlns='{COMMANDS}' node='{ADMIN}#add-user'/>", "localhost")
        assert condition_of(refused[-1], NS_STANZA_ERROR) == "forbidden"
        password = "secret-carol"
        assert is_completed(
            await command(anna, "add-user", accountjid="carol@localhost", password=password, password_verify=password)
        )
        phone, desk = await log_in(cluster, leader, "carol", "phone"), await log_in(cluster, there, "carol", "desk")
        async with phone, desk:

            async def throw_out() -> bool:  # refused as long as the nodes have not all told of their version
                return is_completed(await command(anna, "end-user-session", accountjids="carol@localhost/desk"))

            await wait_until("the desk to be thrown out", throw_out, APPLIED_TIMEOUT_S)
            assert await desk.wait_end(APPLIED_TIMEOUT_S) == "policy-violation"
            await cluster.kill(leader)
            assert is_completed(
                await command(anna, "change-user-password", accountjid="bert@localhost", password="new")
            )
            assert is_completed(await command(anna, "delete-user", accountjids="carol@localhost"))
            counted = await command(anna, "get-registered-users-num")
            assert [entry.findtext("{jabber:x:data}value") for entry in counted.iter(FIELD)] == [ADMIN, "2"]
        again = RawClient()
        await again.log_in(cluster.node(there).xmpp, "bert", "new", resource="tab")
        await again.close()


async def test_a_node_announces_what_is_claimed(cluster: Cluster) -> None:
    """Features of every declared XEP, and of extensions of ours, by a real node; and whom to turn to (XEP-0157)."""
    await register(cluster.node(1).xmpp, "anna", "secret-anna")
    modules = all_modules(wall_clock_ms=lambda: 0)
    declarations = modules.declarations
    async with await log_in(cluster, 2, "anna", "phone") as anna:
        for to, claimed in (
            ("localhost", {feature for entry in declarations for feature in entry.features}),
            ("", {feature for entry in declarations for feature in entry.account_features} | {*modules.extensions}),
        ):
            answer = await anna.ask("get", f"<query xmlns='{INFO}'/>", to)
            assert {feature.get("var") for feature in answer.iter(f"{{{INFO}}}feature")} == claimed
            fields = {entry.get("var"): entry.findtext("{jabber:x:data}value") for entry in answer.iter(FIELD)}
            assert fields.get("abuse-addresses") == ("mailto:abuse@example.org" if to else None)
