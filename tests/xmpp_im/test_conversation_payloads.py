"""
What devices see of each payload of a conversation: XEP-0085, 0184, 0308, 0333, 0353, 0444, 0461, and hints (XEP-0334).

Alice writes from her phone, and her desk wants copies. Bob has a phone that is there and a desk that wants copies but
takes no messages; or he is away and comes back.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import NamedTuple

import pytest

from xmpp_im.conversations import archive, error_of, take
from xmpp_im.service import Client, Service

ALICE, BOB = "alice@example.org", "bob@example.org"
HINT = "<{} xmlns='urn:xmpp:hints'/>"
CALL = "<{} xmlns='urn:xmpp:jingle-message:0' id='c1'/>"
BODY = "<body>hi</body>"


class Reached(NamedTuple):
    """Who was given a message while Bob was there, and what is in both archives."""

    phone: bool
    bobs_desk: bool
    alices_desk: bool
    archived: bool


def with_copies(client: Client) -> Client:
    """Turn copies on."""
    client.write("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
    client.take()
    return client


def written(inner: str, kind: str = "chat", to: str = BOB) -> str:
    """Write a message."""
    return f"<message to='{to}' type='{kind}' id='m1'>{inner}</message>"


def reach(inner: str, kind: str = "chat", to: str = BOB) -> Reached:
    """Send a message while everybody is there."""
    service = Service("alice", "bob")
    alice, desk = service.bind("alice"), with_copies(service.bind("alice", "desk"))
    phone, bobs_desk = service.bind("bob"), with_copies(service.bind("bob", "desk"))
    phone.write("<presence/>")
    bobs_desk.write("<presence><priority>-1</priority></presence>")
    for client in (alice, desk, phone, bobs_desk):
        client.take()
    alice.write(written(inner, kind, to))
    assert alice.take() == []
    given = [bool(client.take()) for client in (phone, bobs_desk, desk)]
    held = {len(archive(client).ids) for client in (alice, phone)}
    assert len(held) == 1, "both archives hold it, or neither"
    return Reached(*given, archived=held == {1})


def late(inner: str, kind: str = "chat") -> list[ET.Element]:
    """Send a message while Bob is away; what he is given when he comes back."""
    service = Service("alice", "bob")
    service.bind("alice").write(written(inner, kind))
    bob = service.bind("bob")
    bob.write("<presence/>")
    return [found for found in take(bob) if found.tag.endswith("}message")]


EVERYWHERE = Reached(phone=True, bobs_desk=True, alices_desk=True, archived=True)
NOT_ARCHIVED = EVERYWHERE._replace(archived=False)
AT_ONCE = Reached(phone=True, bobs_desk=False, alices_desk=False, archived=False)


class TestXep0085:
    """Chat State Notifications."""

    @pytest.mark.parametrize("name", ["active", "composing", "paused", "inactive", "gone"])
    def test_section_5_6(self, name: str) -> None:
        """5.6: a state alone is passed on and never kept; with its thread as well (5.5)."""
        state = f"<{name} xmlns='http://jabber.org/protocol/chatstates'/>"
        for inner in (state, f"<thread>t</thread>{state}"):
            assert reach(inner) == AT_ONCE
            assert late(inner) == []
        assert reach(state + BODY) == EVERYWHERE


class TestXep0184:
    """Message Delivery Receipts."""

    RECEIVED = "<received xmlns='urn:xmpp:receipts' id='m0'/>"

    def test_section_5(self) -> None:
        """A receipt reaches every device, later too; it is archived when its sender asks for that."""
        assert reach(self.RECEIVED) == NOT_ARCHIVED
        assert len(late(self.RECEIVED)) == 1
        assert reach(self.RECEIVED + HINT.format("store")) == EVERYWHERE

    def test_section_5_1(self) -> None:
        """The server gives none: a request is an affair of clients."""
        assert reach(BODY + "<request xmlns='urn:xmpp:receipts'/>") == EVERYWHERE


class TestXep0308:
    """Last Message Correction."""

    def test_section_4(self) -> None:
        """A correction is a message of its own, beside what it corrects."""
        replace = "<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>"
        assert reach(BODY + replace) == EVERYWHERE
        assert len(late(BODY + replace)) == 1


class TestXep0333:
    """Displayed Markers."""

    @pytest.mark.parametrize("name", ["displayed", "received", "acknowledged"])
    def test_section_4_2(self, name: str) -> None:
        """A marker reaches every device, later too; it is archived when its sender asks for that."""
        marker = f"<{name} xmlns='urn:xmpp:chat-markers:0' id='m0'/>"
        assert reach(marker) == reach(marker, "normal") == NOT_ARCHIVED
        assert len(late(marker)) == 1
        assert reach(marker + HINT.format("store")) == EVERYWHERE


class TestXep0334:
    """Message Processing Hints."""

    def test_section_4_1(self) -> None:
        """no-permanent-store: no archive, but it may wait."""
        inner = BODY + HINT.format("no-permanent-store")
        assert reach(inner) == NOT_ARCHIVED
        assert len(late(inner)) == 1

    def test_section_4_2(self) -> None:
        """no-store: to who is there, and to nobody else; its sender hears of it when nobody is."""
        inner = BODY + HINT.format("no-store")
        assert reach(inner) == AT_ONCE
        service = Service("alice", "bob")
        alice = service.bind("alice")
        alice.write(written(inner))
        assert error_of(alice) == "service-unavailable"

    def test_section_4_3(self) -> None:
        """no-copy: not to devices that it was not for; the rules for bare addresses stay."""
        inner = BODY + HINT.format("no-copy")
        expected = EVERYWHERE._replace(bobs_desk=False, alices_desk=False)
        assert reach(inner) == reach(inner, to=f"{BOB}/phone") == expected

    def test_section_4_4(self) -> None:
        """store: what would not be archived is."""
        assert reach(HINT.format("store")) == EVERYWHERE
        assert len(late(HINT.format("store"))) == 1

    def test_section_5(self) -> None:
        """Hints of an error are those of the message that failed."""
        error = "<error type='cancel'/>" + BODY + HINT.format("store")
        assert reach(error, "error", f"{BOB}/phone") == AT_ONCE


class TestXep0353:
    """Jingle Message Initiation."""

    @pytest.mark.parametrize("name", ["propose", "retract", "proceed", "ringing", "reject", "finish"])
    def test_section_3(self, name: str) -> None:
        """What rings, answers and ends reaches all devices of both sides, by bare and by full address; and archives."""
        for inner in (CALL.format(name), CALL.format(name) + HINT.format("store")):
            assert reach(inner) == reach(inner, to=f"{BOB}/phone") == EVERYWHERE

    def test_section_6(self) -> None:
        """Whoever comes back finds the call, and how it ended, in order."""
        service = Service("alice", "bob")
        alice = service.bind("alice")
        for name in ("propose", "retract"):
            alice.write(written(CALL.format(name)))
        bob = service.bind("bob")
        bob.write("<presence/>")
        given = [message[0].tag for message in take(bob) if message.tag.endswith("}message")]
        assert given == [f"{{urn:xmpp:jingle-message:0}}{name}" for name in ("propose", "retract")]
        assert [message[0].tag for message in archive(bob).messages] == given


class TestXep0444:
    """Message Reactions."""

    @pytest.mark.parametrize("hint", ["", HINT.format("store")])
    def test_section_4(self, hint: str) -> None:
        """A reaction is archived with or without the hint, and so is taking it back."""
        for reaction in ("<reaction>x</reaction>", ""):
            inner = f"<reactions xmlns='urn:xmpp:reactions:0' id='m0'>{reaction}</reactions>{hint}"
            assert reach(inner) == EVERYWHERE
            assert len(late(inner)) == 1


class TestXep0461:
    """Message Replies."""

    def test_section_3(self) -> None:
        """A reply goes the way of its text, with what it quotes for other clients."""
        reply = f"<reply xmlns='urn:xmpp:reply:0' to='{BOB}' id='m0'/><fallback xmlns='urn:xmpp:fallback:0'/>"
        assert reach(reply + BODY) == EVERYWHERE
        assert len(late(reply + BODY)) == 1
