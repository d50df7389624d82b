"""Pinned messages, an extension of our own (docs/pins.md), on the real state machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from xmpp_im.conversations import archive, say, take
from xmpp_im.nodes import INFO, online
from xmpp_im.playbook import DOMAIN
from xmpp_im.polls import SID, request
from xmpp_im.rooms import ROOM, condition, features, iq
from xmpp_im.rooms import say as say_in_room
from xmpp_im.service import Client, Service

PINS = "urn:raftline:pins:0"
OWN = ""
ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


def pin(client: Client, stanza_id: str, *, partner: str = "", name: str = "pin") -> ET.Element:
    """Pin a message of the room, or of a chat, or take the pin away; the answer."""
    named = f"with='{partner}'" if partner else ""
    payload = f"<{name} xmlns='{PINS}' id='{stanza_id}' {named}/>"
    return request(client, "set", payload, OWN if partner else ROOM)


def pins(client: Client, partner: str = "") -> list[str | None]:
    """Ids of the messages that are pinned."""
    named = f"with='{partner}'" if partner else ""
    reply = request(client, "get", f"<pins xmlns='{PINS}' {named}/>", OWN if partner else ROOM)
    assert reply.get("type") == "result", ET.tostring(reply)
    assert all(shown.get("at") for shown in reply[0])
    return [shown.get("id") for shown in reply[0]]


def said(client: Client) -> str:
    """Say something in the room; its id."""
    found = say_in_room(client, "hello").find(SID)
    assert found is not None
    return found.get("id", "")


class TestRooms:
    """Moderators pin, everyone is told."""

    def test_discovery(self, alice: Client) -> None:
        """Rooms announce it."""
        assert PINS in features(iq(alice, "get", f"<query xmlns='{INFO}'/>"))

    def test_pinned_and_unpinned(self, alice: Client, bob: Client) -> None:
        """Those who are there are told by a message that nobody keeps."""
        stanza_id = said(alice)
        take(bob)
        for name, listed in (("pin", [stanza_id]), ("unpin", [])):
            assert pin(alice, stanza_id, name=name).get("type") == "result"
            [told] = take(bob)
            assert (told.get("from"), told.get("type")) == (ROOM, "groupchat")
            assert told[0].attrib == {"id": stanza_id}
            assert told[0].tag == f"{{{PINS}}}{name}ned"
            assert pins(bob) == listed
        assert len(archive(alice).ids) == 0

    def test_refused(self, alice: Client, bob: Client, carol: Client) -> None:
        """To others than moderators, for what is not there, to who takes no part."""
        stanza_id = said(alice)
        assert condition(pin(bob, stanza_id)) == ("forbidden", "auth")
        assert condition(pin(carol, stanza_id)) == ("forbidden", "auth")
        assert condition(request(carol, "get", f"<pins xmlns='{PINS}'/>")) == ("forbidden", "auth")
        for name in ("", "x", "7-1"):
            assert condition(pin(alice, name)) == ("item-not-found", "cancel")


class TestChats:
    """Either of the two pins."""

    def test_both_sides(self, service: Service, phone: Client) -> None:
        """The list is the same for both; news come from the own account."""
        bob = online(service, "bob")
        say(phone, BOB, "hello")
        stanza_id = archive(phone).ids[-1]
        take(bob)
        assert pin(phone, stanza_id, partner=BOB).get("type") == "result"
        [told] = take(bob)
        assert (told.get("from"), told.get("type")) == (BOB, "headline")
        assert told[0].attrib == {"id": stanza_id, "with": ALICE}
        assert pins(bob, ALICE) == pins(phone, BOB) == [stanza_id]

    @pytest.mark.parametrize(("partner", "expected"), [("@", "jid-malformed"), ("bob@elsewhere.org", "item-not-found")])
    def test_no_contact(self, phone: Client, partner: str, expected: str) -> None:
        """Whose chat?"""
        assert condition(pin(phone, "7-1", partner=partner))[0] == expected

    def test_at_another_account(self, phone: Client, carol: Client) -> None:
        """Of another account nothing is told."""
        phone.write(f"<iq to='carol@example.org' type='get' id='q'><pins xmlns='{PINS}' with='{BOB}'/></iq>")
        assert condition(take(phone)[-1]) == ("forbidden", "auth")
