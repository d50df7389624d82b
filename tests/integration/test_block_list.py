"""
Block lists (XEP-0191) between clients of a library on three nodes: every way round one, before and after the death of
the leader, and no way round it.

Bert tries all he can; what follows in his stream, once he may, shows that all of it has been decided. So what Anna has
by then is all that there will be.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from integration.archive import read_archive
from integration.cluster_process import Cluster, wait_until
from integration.person import Person
from integration.test_push import PASSWORD as APP_PASSWORD
from integration.test_push import AppServer, enabling
from integration.xmpp_client import CONNECT_TIMEOUT_S, Client
from integration.xmpp_raw import RawClient, register

pytestmark = pytest.mark.timeout(120)

PASSWORD = "leave-me-alone"
ANNA, BERT = "anna@localhost", "bert@localhost"
ROOM, OPEN_ROOM = "den@conference.localhost", "market@conference.localhost"
CALL = "<propose xmlns='urn:xmpp:jingle-message:0' id='{}'><description xmlns='urn:xmpp:jingle:apps:rtp:1'/></propose>"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


def seen_of(person: Person, account: str) -> list[str]:
    """What a device was sent of somebody: directly, by a room, or as a copy."""
    texts = [ET.tostring(stanza, "unicode") for stanza in person.seen]
    return [text for text in texts if account in text and "urn:xmpp:blocking" not in text]


async def arrive(cluster: Cluster, name: str, node_id: int) -> Person:
    """A device of somebody's on one node."""
    person = Person(name, PASSWORD, "xep_0045", "xep_0191", "xep_0249", "xep_0280", "xep_0012", "xep_0054")
    await person.log_in(cluster.node(node_id).xmpp)
    await person.plugin["xep_0280"].enable()
    return person


async def condition_of(request: Callable[[], object]) -> str:
    """The condition by which a request is refused; empty for a result."""
    try:
        await request()  # type: ignore[misc]
    except IqError as error:
        return str(error.condition)
    return ""


async def try_everything(bert: Person, device: str, tag: str) -> None:
    """Reach Anna in every way that there is; wait for what Bert is told of it."""
    refused = {
        f"text-{tag}": (ANNA, "<body>listen</body>"),
        f"device-{tag}": (device, "<body>listen</body>"),
        f"call-{tag}": (ANNA, CALL.format(tag)),
        f"receipt-{tag}": (ANNA, "<received xmlns='urn:xmpp:receipts' id='before'/>"),
        f"marker-{tag}": (ANNA, "<displayed xmlns='urn:xmpp:chat-markers:0' id='before'/>"),
        f"delete-{tag}": (ANNA, "<retract xmlns='urn:xmpp:message-retract:1' id='before'/>"),
        f"invitation-{tag}": (ANNA, f"<x xmlns='jabber:x:conference' jid='{ROOM}'/>"),
        f"whisper-{tag}": (f"{OPEN_ROOM}/anna", "<body>listen</body>"),
    }
    bert.write(ANNA, STATE, f"state-{tag}")
    bert.send_presence(pto=device, pstatus="here I am")
    bert.send_presence(pto=ANNA, ptype="probe")
    bert.send_presence_subscription(pto=ANNA, ptype="subscribe")
    bert.plugin["xep_0045"].invite(JID(ROOM), JID(ANNA), reason="come in")
    for message_id, (to, content) in refused.items():
        bert.write(to, content, message_id)
    for message_id in refused:
        assert await bert.refusal(message_id) == "service-unavailable", message_id
    requests = (
        lambda: bert.plugin["xep_0012"].get_last_activity(JID(ANNA), timeout=CONNECT_TIMEOUT_S),
        lambda: bert.plugin["xep_0054"].get_vcard(JID(ANNA), timeout=CONNECT_TIMEOUT_S),
        lambda: bert.plugin["xep_0030"].get_info(jid=JID(device), timeout=CONNECT_TIMEOUT_S),
    )
    for number, request in enumerate(requests):
        assert await condition_of(request) == "service-unavailable", number


async def test_no_way_round(cluster: Cluster) -> None:
    """
    By messages of every kind, calls, invitations, presence, requests, in rooms and by push, on all nodes.

    Another device blocks, so both are told; the leader dies in between; the account, then one resource.
    """
    for name in ("anna", "bert", "cleo"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    await register(cluster.node(1).xmpp, "maker", APP_PASSWORD)
    leader = await cluster.leader()
    first, second = (node_id for node_id in cluster.node_ids if node_id != leader)
    desk, phone = await arrive(cluster, "anna", leader), await arrive(cluster, "anna", first)
    bert, other = await arrive(cluster, "bert", second), await arrive(cluster, "bert", first)
    app = AppServer()
    await app.log_in(cluster.node(second).xmpp)
    await bert.open_room(ROOM)
    await bert.open_room(OPEN_ROOM, ("muc#roomconfig_whois", "anyone"))
    await phone.plugin["xep_0045"].join_muc_wait(JID(OPEN_ROOM), "anna", timeout=CONNECT_TIMEOUT_S)
    bert.say(ANNA, "before", "before")
    for device in (desk, phone):
        await device.wait_received("before")
        assert not (await device.plugin["xep_0191"].get_blocked())["blocklist"]["items"]

    assert (await desk.plugin["xep_0191"].block(BERT))["type"] == "result"
    for device in (desk, phone):
        await device.wait_seen("the change", lambda stanza: stanza.find("{urn:xmpp:blocking}block") is not None)
        device.seen.clear()
    device_jid = str(phone.boundjid)
    await try_everything(bert, device_jid, "1")
    assert seen_of(desk, "bert") == []
    await cluster.kill(leader)
    await try_everything(bert, device_jid, "2")
    phone.write(BERT, "<body>oh</body>", "own")
    assert await phone.refusal("own") == "not-acceptable blocked"
    phone.seen = [stanza for stanza in phone.seen if stanza.get("id") != "own"]
    assert seen_of(phone, "bert") == []

    await phone.plugin["xep_0191"].unblock(BERT)
    bert.say(ANNA, "again", "again")
    await phone.wait_received("again")
    assert [message.body for message in phone.received] == ["before", "again"]

    await phone.plugin["xep_0191"].block(str(bert.boundjid))
    bert.write(ANNA, "<body>one resource</body>", "one")
    assert await bert.refusal("one") == "service-unavailable"
    other.say(ANNA, "another resource", "other")
    await phone.wait_received("another resource")

    await only_others_are_told_by_push(cluster, phone, bert, app, second)
    async with RawClient() as reader:
        await reader.log_in(cluster.node(second).xmpp, "anna", PASSWORD, resource="reader")
        rows = [row.body for row in await read_archive(reader)]
    assert rows == ["before", "again", "another resource", "from cleo"]
    for person in (bert, other, app):
        await person.log_out()
    await cluster.start_node(leader)
    await cluster.wait_healthy()
    await cluster.wait_equal_hashes()


async def only_others_are_told_by_push(
    cluster: Cluster, phone: Person, bert: Person, app: AppServer, node_id: int
) -> None:
    """While Anna is away Bert writes, calls and invites, and then Cleo writes: her message alone is told."""
    await phone.ask("set", enabling(str(app.boundjid), "anna"))
    await phone.plugin["xep_0191"].block(BERT)
    await phone.log_out()
    for message_id, content in (("push", "<body>wake up</body>"), ("ring", CALL.format("p"))):
        bert.write(ANNA, content, message_id)
        assert await bert.refusal(message_id) == "service-unavailable"
    bert.plugin["xep_0045"].invite(JID(ROOM), JID(ANNA), reason="come in")
    cleo = Client("cleo", PASSWORD)
    await cleo.log_in(cluster.node(node_id).xmpp)
    cleo.say(ANNA, "from cleo", "from-cleo")
    await wait_until("the push", app.has_published, CONNECT_TIMEOUT_S, interval_s=0.02)
    assert len(app.published["anna"]) == 1
    assert BERT not in ET.tostring(app.last, "unicode")
    await cleo.log_out()
