"""XEP-0280 Message Carbons: what is eligible, the switch, and copies as clients get them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.commands import SetCarbons
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.outcomes import CarbonCopied, Done
from raftline.xmpp.effects import Propose
from raftline.xmpp.messages import storage_of, traits_of
from raftline.xmpp.xeps.xep_0280_carbons import handle_disable, handle_enable, render_copy
from xmpp_im.playbook import FakeContext, Playbook, stanza, tree
from xmpp_im.service import Client, Service

CARBONS = "{urn:xmpp:carbons:2}"
FORWARDED = "{urn:xmpp:forward:0}forwarded"
MESSAGE = "{jabber:client}message"
BODY = "<body>hi</body>"
RECEIPT = "<received xmlns='urn:xmpp:receipts' id='m'/>"
MARKER = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
PRIVATE = "<private xmlns='urn:xmpp:carbons:2'/>"
NO_COPY = "<no-copy xmlns='urn:xmpp:hints'/>"
SENT = (
    "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
    f"<message>{BODY}</message></forwarded></sent>"
)
ENABLE = "<iq type='set' id='e'><enable xmlns='urn:xmpp:carbons:2'/></iq>"


def copied(kind: MessageKind, inner: str) -> bool:
    """Whether such a message is eligible."""
    traits, _ = traits_of(stanza(f"<message to='b@example.org'>{inner}</message>").element)
    return bool((storage_of(kind, traits) or 0) & Storage.COPY)


@pytest.mark.parametrize(
    ("kind", "inner", "expected"),
    [
        (MessageKind.CHAT, BODY, True),
        (MessageKind.CHAT, "<event xmlns='urn:example:unknown'/>", True),
        (MessageKind.CHAT, RECEIPT, True),
        (MessageKind.NORMAL, BODY, True),
        (MessageKind.NORMAL, RECEIPT, True),
        (MessageKind.NORMAL, MARKER, True),
        (MessageKind.NORMAL, "<x xmlns='jabber:x:conference' jid='r@conference.example.org'/>", True),
        (MessageKind.NORMAL, "<event xmlns='urn:example:unknown'/>", False),
        (MessageKind.HEADLINE, BODY, False),
        (MessageKind.GROUPCHAT, BODY, False),
        (MessageKind.ERROR, BODY, False),
        (MessageKind.CHAT, BODY + PRIVATE, False),
        (MessageKind.CHAT, BODY + NO_COPY, False),
        (MessageKind.NORMAL, BODY + PRIVATE, False),
        (MessageKind.CHAT, SENT, False),
        (MessageKind.CHAT, STATE, False),
        (MessageKind.CHAT, BODY + "<x xmlns='http://jabber.org/protocol/muc#user'/>", True),
    ],
)
def test_eligible_messages(kind: MessageKind, inner: str, expected: bool) -> None:
    """6.1: by type and content; 9: never what is private; never a copy of a copy."""
    assert copied(kind, inner) is expected


class TestSwitch:
    """4 and 5."""

    @pytest.mark.parametrize("to", ["", "to='alice@example.org'"])
    def test_on_and_off(self, to: str) -> None:
        """A command each, an empty result."""
        book = Playbook()
        for handler, name, enabled in ((handle_enable, "enable", True), (handle_disable, "disable", False)):
            request = stanza(f"<iq type='set' id='1' {to}><{name} xmlns='urn:xmpp:carbons:2'/></iq>")
            assert book.play(handler(book.context, request), (Propose(SetCarbons(enabled)), Done())) is None

    def test_of_somebody_else(self) -> None:
        """Forbidden."""
        book = Playbook()
        for handler, name in ((handle_enable, "enable"), (handle_disable, "disable")):
            request = stanza(f"<iq type='set' id='1' to='bob@example.org'><{name} xmlns='urn:xmpp:carbons:2'/></iq>")
            assert book.refusal(handler(book.context, request)) == ("forbidden", "auth")


def event(message: bytes, *, owner: str = "", delayed_ms: int | None = None, direction: str = "sent") -> CarbonCopied:
    position = Position(9)
    return CarbonCopied(NodeId(1), SessionId(1), position, message, direction, owner, position, delayed_ms)


class TestRendering:
    """7 and 8."""

    def test_a_copy_whole(self) -> None:
        """From the account, to the resource, under the type of the original, which stands inside as it was."""
        context = FakeContext()
        message = b"<message from='alice@example.org/desk' to='bob@example.org' type='chat' id='1'><body/></message>"
        assert render_copy(context, event(message)) == (
            b"<message from='alice@example.org' to='alice@example.org/phone' type='chat'>"
            b"<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
            b"<message xmlns='jabber:client' from='alice@example.org/desk' to='bob@example.org' type='chat' id='1'>"
            b"<body/></message></forwarded></sent></message>"
        )

    def test_type_normal(self) -> None:
        """The type is that of the message, not of something inside it."""
        message = b"<message from='a@b'><x xmlns='urn:x' type='chat'/></message>"
        assert "type" not in tree(render_copy(FakeContext(), event(message))).attrib

    def test_archive_id_and_delay(self) -> None:
        """The id in the archive stands in the copied message, the delay beside it (XEP-0297 section 3)."""
        copy = tree(render_copy(FakeContext(), event(b"<message/>", owner="alice@example.org", delayed_ms=1500)))
        forwarded = copy.find(f"{CARBONS}sent/{FORWARDED}")
        assert forwarded is not None
        delay, message = forwarded
        assert delay.attrib == {"from": "example.org", "stamp": "1970-01-01T00:00:01.500Z"}
        assert message.tag == MESSAGE
        assert message[0].attrib == {"by": "alice@example.org", "id": "7-9"}


class TestDevices:
    """Several devices of both sides, through handlers, state machine and rendering."""

    @pytest.fixture
    def service(self) -> Service:
        return Service("alice", "bob")

    def copies(self, client: Client, direction: str) -> list[ET.Element]:
        found = [tree(data).find(f"{CARBONS}{direction}/{FORWARDED}/{MESSAGE}") for data in client.take()]
        return [message for message in found if message is not None]

    def test_both_sides_of_a_conversation(self, service: Service) -> None:
        """Alice's desk sees what her phone writes and gets, under ids that her archive knows."""
        phone, desk = service.bind("alice"), service.bind("alice", "desk")
        bob = service.bind("bob")
        for client in (phone, desk):
            client.write(ENABLE)
            client.write("<presence/>")
        desk.write("<presence><priority>-1</priority></presence>")
        bob.write("<presence/>")
        desk.take()
        phone.write(f"<message to='bob@example.org' type='chat' id='1'>{BODY}</message>")
        bob.write("<message to='alice@example.org/phone' type='chat' id='2'><body>ho</body></message>")
        received = desk.take()
        desk.sent[:] = received
        [sent] = self.copies(desk, "sent")
        desk.sent[:] = received
        [got] = self.copies(desk, "received")
        desk.write("<iq type='set' id='h'><query xmlns='urn:xmpp:mam:2'/></iq>")
        archived = [tree(data).find("{urn:xmpp:mam:2}result") for data in desk.take()]
        ids = [result.get("id") for result in archived if result is not None]
        assert [message.find("{urn:xmpp:sid:0}stanza-id").get("id") for message in (sent, got)] == ids  # type: ignore[union-attr]

    def test_private_messages_lose_the_mark(self, service: Service) -> None:
        """9: no copies, and the recipient is not told."""
        phone, desk, bob = service.bind("alice"), service.bind("alice", "desk"), service.bind("bob")
        desk.write(ENABLE)
        bob.write("<presence/>")
        desk.take()
        bob.take()
        phone.write(f"<message to='bob@example.org' type='chat'>{BODY}{PRIVATE}{NO_COPY}</message>")
        assert desk.take() == []
        [message] = [tree(data) for data in bob.take()]
        assert [child.tag for child in message][:2] == ["{jabber:client}body", "{urn:xmpp:hints}no-copy"]
        assert message.find(f"{CARBONS}private") is None

    def test_a_copy_that_bounces_is_the_devices_own_affair(self, service: Service) -> None:
        """10.3: whoever wrote the message hears nothing of it, whatever the bounce contains, and no device either."""
        phone, desk, bob = service.bind("alice"), service.bind("alice", "desk"), service.bind("bob")
        for client in (phone, desk):
            client.write(ENABLE)
            client.write("<presence/>")
        bob.write(f"<message to='alice@example.org/phone' type='chat' id='1'>{BODY}</message>")
        [copy] = [tree(data) for data in desk.take() if b"urn:xmpp:forward:0" in data]
        for client in (phone, bob):
            client.take()
        assert copy.get("from") == "alice@example.org"
        for inner in (SENT, ""):
            desk.write(f"<message to='{copy.get('from')}' type='error' id='1'>{inner}<error type='cancel'/></message>")
        assert [client.take() for client in (phone, desk, bob)] == [[], [], []]

    def test_switching_twice_is_no_error(self, service: Service) -> None:
        """10.1: on and off as often as a client likes, and each once more."""
        desk = service.bind("alice", "desk")
        for switch in (
            ENABLE,
            ENABLE,
            ENABLE.replace("enable", "disable"),
            ENABLE.replace("enable", "disable"),
            ENABLE,
        ):
            desk.write(switch)
            assert [tree(data).get("type") for data in desk.take()] == ["result"]
