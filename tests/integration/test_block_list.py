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
from slixmpp.xmlstream.stanzabase import StanzaBase

from integration.archive import read_archive
from integration.cluster_process import Cluster, wait_until
from integration.test_push import PASSWORD as APP_PASSWORD
from integration.test_push import AppServer, enabling
from integration.xmpp_client import CONNECT_TIMEOUT_S, Client
from integration.xmpp_raw import NS_CLIENT, RawClient, register

pytestmark = pytest.mark.timeout(120)

PASSWORD = "leave-me-alone"
ANNA, BERT = "anna@localhost", "bert@localhost"
ROOM, OPEN_ROOM = "den@conference.localhost", "market@conference.localhost"
MUC = "http://jabber.org/protocol/muc"
BLOCKED = "{urn:xmpp:blocking:errors}blocked"
CALL = "<propose xmlns='urn:xmpp:jingle-message:0' id='{}'><description xmlns='urn:xmpp:jingle:apps:rtp:1'/></propose>"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


class Person(Client):
    """
    A device of somebody's.

    Attributes:
        seen: Stanzas that it was sent since it looked last, as XML.
    """

    def __init__(self, username: str) -> None:
        super().__init__(username, PASSWORD)
        for name in ("xep_0045", "xep_0191", "xep_0249", "xep_0280", "xep_0012", "xep_0054"):
            self.register_plugin(name)
        self.seen: list[ET.Element] = []
        self.add_filter("in", self._note)

    def _note(self, stanza: StanzaBase) -> StanzaBase:
        self.seen.append(stanza.xml)
        return stanza

    async def wait_seen(self, what: str, accept: Callable[[ET.Element], bool]) -> ET.Element:
        """Wait for a stanza."""

        async def probe() -> ET.Element | None:
            return next((stanza for stanza in self.seen if accept(stanza)), None)

        return await wait_until(f"{self.boundjid} sees {what}", probe, CONNECT_TIMEOUT_S, interval_s=0.01)

    def seen_of(self, account: str) -> list[str]:
        """What it was sent of somebody: directly, by a room, or as a copy."""
        texts = [ET.tostring(stanza, "unicode") for stanza in self.seen]
        return [text for text in texts if account in text and "urn:xmpp:blocking" not in text]

    def message(self, to: str, content: str, message_id: str) -> None:
        """Send a message with any content."""
        self.send_raw(f"<message to='{to}' type='chat' id='{message_id}'>{content}</message>")

    async def refusal(self, message_id: str) -> str:
        """Wait for the error that a message comes back with, and return its condition."""
        answer = await self.wait_seen(
            f"the error for {message_id}",
            lambda stanza: stanza.get("id") == message_id and stanza.get("type") == "error",
        )
        error = answer.find(f"{{{NS_CLIENT}}}error")
        assert error is not None
        names = [child.tag.rpartition("}")[2] for child in error]
        return " ".join(name for name in names if name != "text")

    async def open_room(self, room: str, *fields: tuple[str, str]) -> None:
        """Enter a room that is made so."""
        await self.plugin["xep_0045"].join_muc_wait(JID(room), self.account, timeout=CONNECT_TIMEOUT_S)
        inner = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in fields)
        kind = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>" if fields else ""
        iq = self.make_iq_set(ito=room)
        form = f"<x xmlns='jabber:x:data' type='submit'>{kind}{inner}</x>"
        iq.append(ET.fromstring(f"<query xmlns='{MUC}#owner'>{form}</query>"))
        await iq.send(timeout=CONNECT_TIMEOUT_S)


async def arrive(cluster: Cluster, name: str, node_id: int) -> Person:
    """A device of somebody's on one node."""
    person = Person(name)
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
    bert.message(ANNA, STATE, f"state-{tag}")
    bert.send_presence(pto=device, pstatus="here I am")
    bert.send_presence(pto=ANNA, ptype="probe")
    bert.send_presence_subscription(pto=ANNA, ptype="subscribe")
    bert.plugin["xep_0045"].invite(JID(ROOM), JID(ANNA), reason="come in")
    for message_id, (to, content) in refused.items():
        bert.message(to, content, message_id)
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
    assert desk.seen_of("bert") == []
    await cluster.kill(leader)
    await try_everything(bert, device_jid, "2")
    phone.message(BERT, "<body>oh</body>", "own")
    assert await phone.refusal("own") == "not-acceptable blocked"
    phone.seen = [stanza for stanza in phone.seen if stanza.get("id") != "own"]
    assert phone.seen_of("bert") == []

    await phone.plugin["xep_0191"].unblock(BERT)
    bert.say(ANNA, "again", "again")
    await phone.wait_received("again")
    assert [message.body for message in phone.received] == ["before", "again"]

    await phone.plugin["xep_0191"].block(str(bert.boundjid))
    bert.message(ANNA, "<body>one resource</body>", "one")
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
    iq = phone.make_iq_set()
    iq.append(ET.fromstring(enabling(str(app.boundjid), "anna")))
    await iq.send(timeout=CONNECT_TIMEOUT_S)
    await phone.plugin["xep_0191"].block(BERT)
    await phone.log_out()
    for message_id, content in (("push", "<body>wake up</body>"), ("ring", CALL.format("p"))):
        bert.message(ANNA, content, message_id)
        assert await bert.refusal(message_id) == "service-unavailable"
    bert.plugin["xep_0045"].invite(JID(ROOM), JID(ANNA), reason="come in")
    cleo = Client("cleo", PASSWORD)
    await cleo.log_in(cluster.node(node_id).xmpp)
    cleo.say(ANNA, "from cleo", "from-cleo")
    await wait_until("the push", app.has_published, CONNECT_TIMEOUT_S, interval_s=0.02)
    assert len(app.published["anna"]) == 1
    assert BERT not in ET.tostring(app.last, "unicode")
    await cleo.log_out()
