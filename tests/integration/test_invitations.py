"""A cluster where registration is closed: people come by invitation, on whichever node, once (XEP-0401, XEP-0445)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio

from integration.cluster_process import Cluster, wait_until
from integration.xmpp_raw import NS_STANZA_ERROR, RawClient, condition_of

pytestmark = pytest.mark.timeout(120)

COMMANDS = "http://jabber.org/protocol/commands"
ROSTER = "{jabber:iq:roster}"
FIELD, VALUE = "{jabber:x:data}field", "{jabber:x:data}value"
UPGRADE_TIMEOUT_S = 10.0
PASSWORD = "pencil"


@pytest_asyncio.fixture
async def cluster(cluster_folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """Three nodes without open registration, once all of them know that all understand invitations."""
    monkeypatch.setenv("RAFTLINE_REGISTRATION__OPEN", "false")
    async with Cluster(cluster_folder) as running:
        for node_id in running.node_ids:
            await wait_until("invitations to be understood", lambda n=node_id: offers(running, n), UPGRADE_TIMEOUT_S)
        yield running


async def offers(cluster: Cluster, node_id: int) -> bool:
    """Whether a node offers to take tokens."""
    async with RawClient() as client:
        await client.connect(cluster.node(node_id).xmpp)
        return client.features.find("{urn:xmpp:ibr-token:0}register") is not None


async def log_in(cluster: Cluster, node_id: int, name: str) -> RawClient:
    client = RawClient()
    await client.log_in(cluster.node(node_id).xmpp, name, PASSWORD, resource="phone")
    return client


async def show(client: RawClient, link: str) -> ET.Element:
    """Show the token of a link before authentication; returns the answer."""
    found = re.search(r"preauth=([0-9a-f]{24})\b", link)
    assert found is not None, link
    client.write(f"<iq type='set' id='p' to='localhost'><preauth xmlns='urn:xmpp:pars:0' token='{found[1]}'/></iq>")
    return await client.read_element()


async def arrive(cluster: Cluster, node_id: int, link: str) -> RawClient:
    """Open a stream and show the token of a link, which is good."""
    client = RawClient()
    await client.connect(cluster.node(node_id).xmpp)
    answer = await show(client, link)
    assert answer.get("type") == "result", ET.tostring(answer)
    return client


def outcome_of(answer: ET.Element) -> str:
    return condition_of(answer[-1], NS_STANZA_ERROR) if answer.get("type") == "error" else "done"


async def invite(cluster: Cluster, *options: str) -> str:
    """Have the command line make a link."""
    told = await cluster.command("user", "invite", "--data", str(cluster.data), "--json", *options)
    assert told.returncode == 0, told.stderr
    link: str = json.loads(told.stdout)["uri"]
    return link


async def test_one_of_two_comes_in(cluster: Cluster) -> None:
    """A link of an operator is shown on two nodes at once; one account is opened, and the link is good no more."""
    async with RawClient() as stranger:
        await stranger.connect(cluster.node(1).xmpp)
        assert outcome_of(await stranger.register("mercutio", PASSWORD)) == "forbidden"
    link = await invite(cluster)
    assert link.startswith("xmpp:localhost?register;")
    names = ("juliet", "rosaline")
    two, three = await asyncio.gather(arrive(cluster, 2, link), arrive(cluster, 3, link))
    async with two, three:
        answers = await asyncio.gather(
            *(client.register(name, PASSWORD) for client, name in zip((two, three), names, strict=True))
        )
    outcomes = [outcome_of(answer) for answer in answers]
    assert sorted(outcomes) == ["done", "item-not-found"]
    winner = names[outcomes.index("done")]
    async with await log_in(cluster, 1, winner):
        pass
    async with RawClient() as late:
        await late.connect(cluster.node(1).xmpp)
        assert outcome_of(await show(late, link)) == "item-not-found"
    listed = await cluster.command("user", "list", "--data", str(cluster.data))
    assert [name for name in names if f"{name}@localhost" in listed.stdout] == [winner]

    link = await invite(cluster, "--name", "nurse", "--valid-for", "2h")
    assert link.startswith("xmpp:nurse@localhost?register;")
    taken = await cluster.command("user", "invite", "--data", str(cluster.data), "--name", "nurse")
    assert taken.returncode != 0
    async with await arrive(cluster, 3, link) as nurse:
        assert outcome_of(await nurse.register("peter", PASSWORD)) == "not-acceptable"
        assert outcome_of(await nurse.register("nurse", PASSWORD)) == "done"


async def test_invited_by_a_friend(cluster: Cluster) -> None:
    """A link made on one node opens an account on another after the leader was killed; both see each other at once."""
    added = await cluster.command(
        "user", "add", "romeo", "--data", str(cluster.data), "--password-stdin", stdin=f"{PASSWORD}\n"
    )
    assert added.returncode == 0, added.stderr
    leader = await cluster.leader()
    here, there = (node_id for node_id in cluster.node_ids if node_id != leader)
    async with await log_in(cluster, here, "romeo") as romeo:
        await romeo.ask("get", "<query xmlns='jabber:iq:roster'/>")
        romeo.send("<presence/>")
        asked = f"<command xmlns='{COMMANDS}' node='urn:xmpp:invite#invite' action='execute'/>"
        answer = await romeo.ask("set", asked, "localhost")
        told = {field.get("var"): field.findtext(VALUE) or "" for field in answer.iter(FIELD)}
        link = told["uri"]
        assert link.startswith("xmpp:romeo@localhost?roster;")
        assert link.endswith(";ibr=y")

        await cluster.kill(leader)
        async with await arrive(cluster, there, link) as newcomer:
            assert outcome_of(await newcomer.register("juliet", PASSWORD)) == "done"
        push = await romeo.wait_stanza(lambda stanza: stanza.find(f"{ROSTER}query/{ROSTER}item") is not None)
        item = push.find(f"{ROSTER}query/{ROSTER}item")
        assert item is not None
        assert item.attrib == {"jid": "juliet@localhost", "subscription": "both"}
        async with await log_in(cluster, there, "juliet") as juliet:
            juliet.send("<presence/>")
            await juliet.wait_stanza(lambda stanza: stanza.get("from") == "romeo@localhost/phone")
            await romeo.wait_stanza(lambda stanza: stanza.get("from") == "juliet@localhost/phone")
    listed = await cluster.command("user", "list", "--data", str(cluster.data))
    assert re.search(r"juliet@localhost.*romeo", listed.stdout), listed.stdout
    await cluster.start_node(leader)
    await cluster.wait_equal_hashes()
