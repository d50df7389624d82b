"""XEP-0045 Multi-User Chat as moderators, admins and owners see it (sections 8 to 10)."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from xmpp_im.playbook import DOMAIN
from xmpp_im.rooms import (
    CLIENT,
    DATA,
    HOST,
    INFO,
    MUC,
    ROOM,
    USER,
    admin,
    codes,
    condition,
    form_values,
    iq,
    item,
    join,
    one,
    owner_form,
    take,
)
from xmpp_im.service import Client, Service

RSM = "http://jabber.org/protocol/rsm"
SUBJECT = f"{CLIENT}subject"
BODY = f"{CLIENT}body"


class TestSections8And9Administration:
    """8. Moderator use cases, 9. Admin use cases: lists and changes."""

    def test_a_kick(self, alice: Client, bob: Client) -> None:
        """8.2."""
        assert admin(alice, "<item nick='b' role='none'><reason>rude</reason></item>").get("type") == "result"
        own = one(bob)
        assert (own.get("type"), codes(own)) == ("unavailable", {307, 110})
        assert item(own).findtext(f"{USER}reason") == "rude"
        actor = item(own).find(f"{USER}actor")
        assert actor is not None
        assert actor.get("nick") == "owner"

    def test_lists(self, service: Service, alice: Client, bob: Client) -> None:
        """8.5, 9.2, 9.5, 9.8, 10.5: by role and by affiliation."""
        admin(alice, f"<item affiliation='outcast' jid='carol@{DOMAIN}'><reason>spam</reason></item>")
        admin(alice, f"<item affiliation='member' jid='bob@{DOMAIN}' nick='bobby'/>")

        def listed(client: Client, attribute: str) -> ET.Element:
            return iq(client, "get", f"<query xmlns='{MUC}#admin'><item {attribute}/></query>")

        [outcast] = listed(alice, "affiliation='outcast'")[0]
        assert (outcast.get("jid"), outcast.findtext(f"{{{MUC}#admin}}reason")) == (f"carol@{DOMAIN}", "spam")
        [member] = listed(alice, "affiliation='member'")[0]
        assert (member.get("jid"), member.get("nick")) == (f"bob@{DOMAIN}", "bobby")
        [participant] = listed(alice, "role='participant'")[0]
        assert (participant.get("nick"), participant.get("affiliation")) == ("b", "member")
        for attribute in ("affiliation='outcast'", "affiliation='member'", "role='participant'"):
            assert condition(listed(bob, attribute)) == ("forbidden", "auth")
        iq(alice, "set", owner_form(("muc#roomconfig_whois", "anyone")))
        assert len(listed(bob, "affiliation='member'")[0]) == 1
        assert condition(listed(service.bind("carol"), "affiliation='member'")) == ("forbidden", "auth")
        iq(alice, "set", owner_form(("muc#roomconfig_getmemberlist", "moderator")))
        assert condition(listed(bob, "affiliation='member'")) == ("forbidden", "auth")

    def test_somebody_who_is_not_there(self, alice: Client, bob: Client) -> None:
        """9.3: those who see real addresses are told, by a message from the room."""
        change = f"<item affiliation='member' jid='carol@{DOMAIN}' nick='carla'/>"
        alice.write(f"<iq to='{ROOM}' type='set' id='q'><query xmlns='{MUC}#admin'>{change}</query></iq>")
        [told] = [stanza for stanza in take(alice) if stanza.get("id") != "q"]
        assert (told.get("from"), item(told).get("jid")) == (ROOM, f"carol@{DOMAIN}")
        assert (item(told).get("affiliation"), item(told).get("nick")) == ("member", "carla")
        assert take(bob) == []
        iq(alice, "set", owner_form(("muc#roomconfig_whois", "anyone")))
        take(bob)
        admin(alice, f"<item affiliation='none' jid='carol@{DOMAIN}'/>")
        assert item(one(bob)).get("affiliation") == "none"

    @pytest.mark.parametrize(
        ("items", "expected"),
        [
            ("", ("bad-request", "modify")),
            ("<item nick='b'/>", ("bad-request", "modify")),
            ("<item nick='b' role='king'/>", ("bad-request", "modify")),
            ("<item nick='b' role='none' affiliation='none'/>", ("bad-request", "modify")),
            ("<item affiliation='member'/>", ("bad-request", "modify")),
            ("<item role='visitor'/>", ("bad-request", "modify")),
            ("<item affiliation='member' jid='@'/>", ("jid-malformed", "modify")),
            ("<item nick='x' role='none'/>", ("item-not-found", "cancel")),
        ],
    )
    def test_items_that_make_no_sense(self, alice: Client, bob: Client, items: str, expected: tuple[str, str]) -> None:
        """An item names one role or affiliation, and whose."""
        assert condition(admin(alice, items)) == expected

    @pytest.mark.parametrize("items", ["", "<item role='x'/>", "<item role='none'/><item role='none'/>"])
    def test_lists_that_are_none(self, alice: Client, items: str) -> None:
        """One list at a time."""
        answer = iq(alice, "get", f"<query xmlns='{MUC}#admin'>{items}</query>")
        assert condition(answer) == ("bad-request", "modify")


class TestSection10Owners:
    """10. Owner use cases."""

    def test_an_instant_room(self, service: Service) -> None:
        """10.1.2: 201 on entering, an empty form, and it is open."""
        alice, bob = service.bind("alice"), service.bind("bob")
        assert 201 in codes(join(alice, "a")[0])
        assert condition(join(bob, "b")[0]) == ("item-not-found", "cancel")
        assert condition(iq(bob, "get", f"<query xmlns='{INFO}'/>")) == ("item-not-found", "cancel")
        assert iq(alice, "set", owner_form()).get("type") == "result"
        assert len(join(bob, "b")) == 3

    def test_the_form_and_back(self, alice: Client) -> None:
        """10.2: what is submitted is what is shown then; the rest stays."""
        before = form_values(iq(alice, "get", f"<query xmlns='{MUC}#owner'/>"))
        changes = {
            "muc#roomconfig_roomname": "Cave",
            "muc#roomconfig_maxusers": "50",
            "muc#roomconfig_allowpm": "moderators",
            "muc#roomconfig_presencebroadcast": "moderator",
            "muc#roomconfig_whois": "anyone",
            "muc#maxhistoryfetch": "7",
            "muc#roomconfig_roomsecret": "x",
        }
        assert iq(alice, "set", owner_form(*changes.items(), ("unknown", "x"))).get("type") == "result"
        after = form_values(iq(alice, "get", f"<query xmlns='{MUC}#owner'/>"))
        expected = {**before, **{name: [value] for name, value in changes.items()}}
        assert after == {**expected, "muc#roomconfig_passwordprotectedroom": ["1"]}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("muc#roomconfig_maxusers", "0"),
            ("muc#roomconfig_maxusers", "4097"),
            ("muc#roomconfig_maxusers", "many"),
            ("muc#roomconfig_publicroom", "perhaps"),
            ("muc#roomconfig_whois", "nobody"),
            ("muc#roomconfig_allowpm", "x"),
            ("muc#roomconfig_presencebroadcast", "king"),
            ("muc#maxhistoryfetch", "101"),
            ("muc#roomconfig_passwordprotectedroom", "1"),
            ("muc#roomconfig_passwordprotectedroom", "x"),
            ("muc#roomconfig_roomname", "x" * 1025),
            ("muc#roomconfig_roomdesc", "x" * 1025),
            ("muc#roomconfig_roomsecret", "x" * 257),
        ],
    )
    def test_settings_that_cannot_be(self, alice: Client, name: str, value: str) -> None:
        """10.1.3: not-acceptable."""
        assert condition(iq(alice, "set", owner_form((name, value)))) == ("not-acceptable", "modify")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("muc#roomconfig_maxusers", "4096"),
            ("muc#roomconfig_maxusers", "none"),
            ("muc#maxhistoryfetch", "100"),
            ("muc#roomconfig_roomname", "x" * 1024),
            ("muc#roomconfig_roomdesc", "x" * 1024),
            ("muc#roomconfig_roomsecret", "x" * 256),
            ("muc#roomconfig_presencebroadcast", "visitor"),
        ],
    )
    def test_settings_that_just_can(self, alice: Client, name: str, value: str) -> None:
        """The other side of each limit."""
        assert iq(alice, "set", owner_form((name, value))).get("type") == "result"

    def test_everyone_is_told(self, alice: Client, bob: Client) -> None:
        """10.2.1."""
        iq(alice, "set", owner_form(("muc#roomconfig_enablelogging", "0")))
        notice = one(bob)
        assert (notice.get("from"), notice.get("type"), codes(notice)) == (ROOM, "groupchat", {104, 171})

    def test_owners_alone(self, alice: Client, bob: Client) -> None:
        """Forbidden to others, and a request that asks for nothing is bad."""
        assert condition(iq(bob, "get", f"<query xmlns='{MUC}#owner'/>")) == ("forbidden", "auth")
        assert condition(iq(bob, "set", owner_form())) == ("forbidden", "auth")
        assert condition(iq(alice, "set", f"<query xmlns='{MUC}#owner'/>")) == ("bad-request", "modify")

    def test_cancelled(self, service: Service) -> None:
        """10.1.3: the room goes, with a farewell."""
        alice = service.bind("alice")
        join(alice, "a")
        cancel = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='cancel'/></query>"
        alice.write(f"<iq to='{ROOM}' type='set' id='q'>{cancel}</iq>")
        farewell, result = sorted(take(alice), key=lambda stanza: stanza.get("id") == "q")
        assert farewell.find(f"{USER}x/{USER}destroy") is not None
        assert result.get("type") == "result"

    def test_destroyed(self, alice: Client, bob: Client) -> None:
        """10.9."""
        ending = f"<destroy jid='new@{HOST}'><reason>dark</reason><password>p</password></destroy>"
        assert iq(alice, "set", f"<query xmlns='{MUC}#owner'>{ending}</query>").get("type") == "result"
        told = one(bob)
        destroy = told.find(f"{USER}x/{USER}destroy")
        assert destroy is not None
        assert (told.get("type"), destroy.get("jid")) == ("unavailable", f"new@{HOST}")
        assert (destroy.findtext(f"{USER}reason"), destroy.findtext(f"{USER}password")) == ("dark", "p")
        answer = iq(alice, "set", f"<query xmlns='{MUC}#owner'><destroy/></query>")
        assert condition(answer) == ("item-not-found", "cancel")

    def test_the_other_room_has_an_address(self, alice: Client) -> None:
        """jid-malformed."""
        answer = iq(alice, "set", f"<query xmlns='{MUC}#owner'><destroy jid='@'/></query>")
        assert condition(answer) == ("jid-malformed", "modify")


def test_data_forms_are_of_their_type(alice: Client) -> None:
    """XEP-0068: another FORM_TYPE is bad-request."""
    form = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>x</value></field></x>"
    assert condition(iq(alice, "set", f"<query xmlns='{MUC}#owner'>{form}</query>")) == ("bad-request", "modify")
    assert DATA == "{jabber:x:data}"
