"""XEP-0463 MUC Affiliations Versioning, stanza by stanza; the rules are in machine/test_rooms_list_versions.py."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.xmpp.rooms.presence import VERSION_CHARACTERS_MAX
from xmpp_im.playbook import DOMAIN
from xmpp_im.rooms import CLIENT, ERRORS, INFO, ROOM, USER, iq, join, leave, make_room, take
from xmpp_im.service import Client, Service

MAV = "urn:xmpp:muc:affiliations:1"
ASKED = f"<mav xmlns='{MAV}'/>"
WHOIS = ("muc#roomconfig_whois", "anyone")


@pytest.fixture
def service() -> Service:
    return Service("alice", "bob", "carol")


@pytest.fixture
def alice(service: Service) -> Client:
    """The owner of a non-anonymous room, who is in it."""
    client = service.bind("alice")
    make_room(client, "owner", WHOIS)
    return client


@pytest.fixture
def bob(service: Service) -> Client:
    return service.bind("bob")


def since(version: str) -> str:
    return f"<mav xmlns='{MAV}' since='{version}'/>"


def mav_of(stanza: ET.Element) -> dict[str, str] | None:
    """Versions that a stanza tells; None where it tells none."""
    mav = stanza.find(f"{USER}x/{{{MAV}}}mav")
    return None if mav is None else dict(mav.attrib)


def items(message: ET.Element) -> dict[str, str]:
    """Names that a message lists, and their affiliations."""
    assert message.tag == f"{CLIENT}message"
    found = message.findall(f"{USER}x/{USER}item")
    return {(item.get("jid") or "").partition("@")[0]: item.get("affiliation") or "" for item in found}


def affiliate(owner: Client, name: str, affiliation: str) -> None:
    item = f"<item jid='{name}@{DOMAIN}' affiliation='{affiliation}'/>"
    answer = iq(owner, "set", f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>")
    assert answer.get("type") == "result"


def own_version(told: list[ET.Element]) -> str:
    """The version in the self-presence."""
    [own] = [stanza for stanza in told if stanza.find(f"{USER}x/{USER}status[@code='110']") is not None]
    versions = mav_of(own)
    assert versions is not None
    assert set(versions) == {"until"}
    return versions["until"]


class TestSection4Discovery:
    """Section 4."""

    def test_the_room_announces_it(self, alice: Client) -> None:
        """On its own address."""
        answer = iq(alice, "get", f"<query xmlns='{INFO}'/>")
        assert MAV in {feature.get("var") for feature in answer.iter(f"{{{INFO}}}feature")}


class TestSection51Request:
    """Section 5.1: the request is the room's alone."""

    def test_nobody_else_sees_it(self, alice: Client, bob: Client) -> None:
        """The presence that is passed on has no word of it, not even outside of its place."""
        take(alice)
        join(bob, "bob", since("secret"), also=f"<x xmlns='http://jabber.org/protocol/muc'>{since('secret')}</x>")
        [presence] = take(alice)
        assert b"secret" not in ET.tostring(presence)
        assert MAV.encode() not in ET.tostring(presence)


class TestSection521Joining:
    """Section 5.2.1."""

    def test_whole_lists(self, alice: Client, bob: Client) -> None:
        """First of all that a newcomer gets; each item with address and affiliation; the version is that of the end."""
        affiliate(alice, "carol", "member")
        told = join(bob, "bob", ASKED)
        message = told[0]
        assert (message.get("from"), message.get("to"), message.get("type")) == (ROOM, str(bob.jid), None)
        assert items(message) == {"alice": "owner", "carol": "member"}
        assert mav_of(message) == {"until": own_version(told)}

    def test_changes(self, alice: Client, bob: Client) -> None:
        """From the version that was named to the present one."""
        before = own_version(join(bob, "bob", ASKED))
        leave(bob, "bob")
        affiliate(alice, "carol", "admin")
        told = join(bob, "bob", since(before))
        assert items(told[0]) == {"carol": "admin"}
        assert mav_of(told[0]) == {"since": before, "until": own_version(told)}

    def test_the_current_version(self, alice: Client, bob: Client) -> None:
        """There is no message, only the version in the self-presence."""
        before = own_version(join(bob, "bob", ASKED))
        leave(bob, "bob")
        told = join(bob, "bob", since(before))
        assert own_version(told) == before
        assert [stanza.tag for stanza in told if mav_of(stanza)] == [f"{CLIENT}presence"]

    @pytest.mark.parametrize("version", ["ruz41312vw", "", "x" * VERSION_CHARACTERS_MAX, "x" * 100_000])
    def test_an_unknown_version(self, alice: Client, bob: Client, version: str) -> None:
        """Whole lists, without `since`, however long the version is."""
        told = join(bob, "bob", since(version))
        assert items(told[0]) == {"alice": "owner"}
        assert set(mav_of(told[0]) or ()) == {"until"}

    def test_another_namespace(self, alice: Client, bob: Client) -> None:
        """The version 0 of the protocol is another one."""
        told = join(bob, "bob", "<mav xmlns='urn:xmpp:muc:affiliations:0'/>")
        assert all(stanza.tag != f"{CLIENT}message" or mav_of(stanza) is None for stanza in told)


class TestSection522Changes:
    """Section 5.2.2."""

    def test_of_somebody_inside(self, alice: Client, bob: Client) -> None:
        """Presence with both versions, to all."""
        before = own_version(join(bob, "bob"))
        affiliate(alice, "bob", "member")
        told = [mav_of(stanza) for stanza in take(bob)]
        assert told == [{"since": before, "until": own_version(join(bob, "bob"))}]

    def test_of_somebody_outside(self, alice: Client, bob: Client) -> None:
        """A message with both versions."""
        before = own_version(join(bob, "bob"))
        affiliate(alice, "carol", "member")
        [message] = take(bob)
        assert items(message) == {"carol": "member"}
        assert mav_of(message) == {"since": before, "until": own_version(join(bob, "bob"))}


class TestSection523Errors:
    """Section 5.2.3."""

    def test_who_may_not_read(self, service: Service, bob: Client) -> None:
        """In a semi-anonymous room: a message of type error by the room; the rest of joining goes on."""
        make_room(service.bind("alice"))
        told = join(bob, "bob", ASKED)
        refusal = told[0]
        assert (refusal.tag, refusal.get("type"), refusal.get("from")) == (f"{CLIENT}message", "error", ROOM)
        error = refusal.find(f"{CLIENT}error")
        assert error is not None
        assert (error.get("by"), error.get("type")) == (ROOM, "auth")
        assert error.find(f"{ERRORS}forbidden") is not None
        assert own_version(told)
