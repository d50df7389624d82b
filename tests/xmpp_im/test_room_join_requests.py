"""Requests to join a room, and admins who answer them (XEP-0045 sections 7.10 and 9.9, docs/rooms.md)."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from xmpp_im.playbook import DOMAIN
from xmpp_im.room_commands import ROOMS, command, rows, submit
from xmpp_im.rooms import (
    CLIENT,
    INFO,
    MUC,
    ROOM,
    USER,
    admin,
    condition,
    form_values,
    iq,
    item,
    join,
    leave,
    make_room,
    one,
    take,
)
from xmpp_im.service import Client, Service

ASKING = (
    ("muc#roomconfig_membersonly", "1"),
    ("muc#roomconfig_persistentroom", "1"),
    ("{urn:raftline:rooms}join_requests", "1"),
)
REGISTER = "{jabber:iq:register}"
FORM = f"{MUC}#register"
JID = "{urn:raftline:rooms}jid"
BODY = f"{CLIENT}body"
DECISION = f"{{{ROOMS}}}join-request"


@pytest.fixture
def service() -> Service:
    return Service("alice", "bob", "carol")


@pytest.fixture
def alice(service: Service) -> Client:
    """Who owns a members-only room that takes requests."""
    client = service.bind("alice")
    make_room(client, "alice", *ASKING)
    take(client)
    return client


@pytest.fixture
def bob(service: Service) -> Client:
    client = service.bind("bob")
    client.write("<presence/>")
    take(client)
    return client


def fields(**values: str) -> str:
    written = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in values.items())
    return f"<field var='FORM_TYPE'><value>{FORM}</value></field>{written}"


def register(client: Client, nick: str) -> ET.Element:
    form = f"<x xmlns='jabber:x:data' type='submit'>{fields(**{'muc#register_roomnick': nick})}</x>"
    return iq(client, "set", f"<query xmlns='jabber:iq:register'>{form}</query>")


def answer(client: Client, kind: str = "submit", **values: str) -> list[ET.Element]:
    """Send the form of section 9.9 back; what the admin is told then."""
    named = {name if name.startswith("{") else f"muc#register_{name}": value for name, value in values.items()}
    take(client)
    form = f"<x xmlns='jabber:x:data' type='{kind}'>{fields(**named)}</x>"
    client.write(f"<message to='{ROOM}' id='a'>{form}</message>")
    return take(client)


class TestSection710Registering:
    """Section 7.10: what who asks sees."""

    def test_the_form(self, alice: Client, bob: Client) -> None:
        """It is shown though the room is for members alone, and says who decides."""
        shown = iq(bob, "get", "<query xmlns='jabber:iq:register'/>")
        assert "muc#register_roomnick" in form_values(shown)
        assert "admin" in (shown[0].findtext(f"{REGISTER}instructions") or "")
        assert register(bob, "bob").get("type") == "result"
        shown = iq(bob, "get", "<query xmlns='jabber:iq:register'/>")
        assert shown[0].find(f"{REGISTER}registered") is None
        assert "yet to answer" in (shown[0].findtext(f"{REGISTER}instructions") or "")

    def test_it_is_announced(self, service: Service, alice: Client, bob: Client) -> None:
        """A client finds in service discovery that it may ask; where it may not there is nothing."""
        assert form_values(iq(bob, "get", f"<query xmlns='{INFO}'/>"))["{urn:raftline:rooms}join_requests"] == ["1"]
        other = f"cave@{ROOM.partition('@')[2]}"
        make_room(alice, "alice", ("muc#roomconfig_membersonly", "1"), room=other)
        assert "{urn:raftline:rooms}join_requests" not in form_values(iq(bob, "get", f"<query xmlns='{INFO}'/>", other))
        assert condition(iq(bob, "get", "<query xmlns='jabber:iq:register'/>", other)) == ("not-allowed", "cancel")

    def test_refusals(self, alice: Client, bob: Client) -> None:
        """A nickname of somebody else is `conflict`, no form `bad-request`; who is banned is `not-allowed`."""
        assert condition(register(bob, "alice")) == ("conflict", "cancel")
        assert condition(iq(bob, "set", "<query xmlns='jabber:iq:register'/>")) == ("bad-request", "modify")
        admin(alice, f"<item jid='bob@{DOMAIN}' affiliation='outcast'/>")
        assert condition(register(bob, "bob")) == ("not-allowed", "cancel")

    def test_taken_back(self, alice: Client, bob: Client) -> None:
        """`<remove/>` takes a request back."""
        register(bob, "bob")
        assert iq(bob, "set", "<query xmlns='jabber:iq:register'><remove/></query>").get("type") == "result"
        assert rows(command(alice, "requests")) == []


class TestSection99Approving:
    """Section 9.9: what admins see and do."""

    def test_the_form(self, alice: Client, bob: Client) -> None:
        """It comes from the room, has the recommended fields, and says whose request it is."""
        register(bob, "bob")
        shown = one(alice)
        assert shown.get("from") == ROOM
        assert form_values(shown) == {
            "FORM_TYPE": [FORM],
            JID: [f"bob@{DOMAIN}"],
            "muc#register_roomnick": ["bob"],
            "muc#register_allow": ["0"],
        }

    @pytest.mark.parametrize("by_address", [True, False])
    def test_yes(self, alice: Client, bob: Client, by_address: bool) -> None:
        """A member, invited as any client understands; by the nickname where that is all that comes back."""
        register(bob, "bob")
        who = {JID: f"bob@{DOMAIN}"} if by_address else {}
        assert all(stanza.get("type") != "error" for stanza in answer(alice, roomnick="bob", allow="1", **who))
        mail = one(bob)
        assert mail.find(f"{USER}x/{USER}invite") is not None
        assert ROOM in (mail.findtext(BODY) or "")
        assert mail.find(DECISION).get("decision") == "approved"  # type: ignore[union-attr]  # it is there
        assert item(join(bob, "bob")[1]).get("affiliation") == "member"
        [refused] = answer(alice, roomnick="bob", allow="0", **who)
        assert condition(refused) == ("item-not-found", "cancel")

    def test_no(self, alice: Client, bob: Client) -> None:
        """A text that any client shows, and no invitation."""
        register(bob, "bob")
        answer(alice, roomnick="bob", allow="0", **{JID: f"bob@{DOMAIN}"})
        mail = one(bob)
        assert "declined" in (mail.findtext(BODY) or "")
        assert mail.find(f"{USER}x") is None
        [refused] = join(bob, "bob")
        assert condition(refused) == ("registration-required", "auth")

    def test_not_decided(self, alice: Client, bob: Client) -> None:
        """A form that is cancelled leaves the request; one without a decision, or two, is `bad-request`."""
        register(bob, "bob")
        assert answer(alice, "cancel") == []
        [refused] = answer(alice, roomnick="bob")
        assert condition(refused) == ("bad-request", "modify")
        [refused] = answer(alice, roomnick="nobody", allow="1")
        assert condition(refused) == ("item-not-found", "cancel")
        assert [row["jid"] for row in rows(command(alice, "requests"))] == [f"bob@{DOMAIN}"]

    def test_by_somebody_else(self, service: Service, alice: Client, bob: Client) -> None:
        """Who is no admin is `forbidden`."""
        register(bob, "bob")
        [refused] = answer(bob, allow="1", **{JID: f"bob@{DOMAIN}"})
        assert condition(refused) == ("forbidden", "auth")

    def test_who_was_away(self, service: Service, alice: Client, bob: Client) -> None:
        """An admin who enters is shown what waits; one who stays outside finds the list."""
        leave(alice, "alice")
        register(bob, "bob")
        assert take(alice) == []
        [listed] = rows(command(alice, "requests"))
        assert (listed["jid"], listed["nick"]) == (f"bob@{DOMAIN}", "bob")
        forms = [stanza for stanza in join(alice, "alice") if form_values(stanza).get("FORM_TYPE") == [FORM]]
        assert [form_values(form)[JID] for form in forms] == [[f"bob@{DOMAIN}"]]


class TestCommands:
    """The list and the decision as ad-hoc commands."""

    def test_for_admins(self, alice: Client, bob: Client) -> None:
        """Others are `forbidden`."""
        for name in ("requests", "decide"):
            assert condition(command(bob, name)) == ("forbidden", "auth")

    def test_decided(self, service: Service, alice: Client, bob: Client) -> None:
        """From outside the room, once."""
        register(bob, "bob")
        register(service.bind("carol"), "carol")
        assert [row["nick"] for row in rows(command(alice, "requests"))] == ["bob", "carol"]
        assert submit(alice, "decide", jid=f"bob@{DOMAIN}", allow="1").get("type") == "result"
        assert condition(submit(alice, "decide", jid=f"bob@{DOMAIN}", allow="0")) == ("item-not-found", "cancel")
        assert submit(alice, "decide", jid=f"carol@{DOMAIN}", allow="0").get("type") == "result"
        assert rows(command(alice, "requests")) == []
        listed = iq(alice, "get", f"<query xmlns='{MUC}#admin'><item affiliation='member'/></query>")
        assert [entry.get("jid") for entry in listed[0]] == [f"bob@{DOMAIN}"]

    @pytest.mark.parametrize(("jid", "allow"), [("@", "1"), (f"bob@{DOMAIN}", "perhaps"), ("", "1")])
    def test_fields(self, alice: Client, bob: Client, jid: str, allow: str) -> None:
        """What is no address or no decision is `bad-request`."""
        register(bob, "bob")
        assert condition(submit(alice, "decide", jid=jid, allow=allow)) == ("bad-request", "modify")
