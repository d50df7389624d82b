"""XEP-0045 Multi-User Chat as clients see it; the rules behind it are tested in tests/machine/test_rooms_*."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import ROOM_STATE_AUDIENCE_MAX
from xmpp_im.playbook import DOMAIN
from xmpp_im.rooms import (
    CLIENT,
    HOST,
    INFO,
    ITEMS,
    MUC,
    ROOM,
    USER,
    admin,
    codes,
    condition,
    features,
    form_values,
    iq,
    item,
    join,
    leave,
    make_room,
    one,
    owner_form,
    say,
    take,
)
from xmpp_im.service import Client, Service

RSM = "http://jabber.org/protocol/rsm"
SUBJECT = f"{CLIENT}subject"
BODY = f"{CLIENT}body"


class TestHosts:
    """How a stanza gets to a service below the domain (dispatch.py)."""

    def test_the_server_lists_it(self, alice: Client) -> None:
        """XEP-0030 section 4.1: among the server's items."""
        found = iq(alice, "get", f"<query xmlns='{ITEMS}'/>", DOMAIN)
        assert (HOST, "Rooms") in [(entry.get("jid"), entry.get("name")) for entry in found[0]]

    @pytest.mark.parametrize("domain", ["unknown." + DOMAIN, "conference.example.net", f"a.{HOST}"])
    @pytest.mark.parametrize("kind", ["message", "presence", "iq"])
    def test_another_domain(self, alice: Client, domain: str, kind: str) -> None:
        """Is still not found."""
        inside = "<body>hi</body>" if kind == "message" else "<q xmlns='x'/>"
        of_type = "type='get' id='q'" if kind == "iq" else ""
        alice.write(f"<{kind} to='x@{domain}/y' {of_type}>{inside}</{kind}>")
        assert condition(one(alice)) == ("remote-server-not-found", "cancel")

    def test_what_it_does_not_know(self, alice: Client) -> None:
        """service-unavailable, for the host, a room and a request without a payload bad-request."""
        assert condition(iq(alice, "get", "<q xmlns='x'/>", HOST)) == ("service-unavailable", "cancel")
        assert condition(iq(alice, "get", "<q xmlns='x'/>")) == ("service-unavailable", "cancel")
        assert condition(iq(alice, "get", "")) == ("bad-request", "modify")

    def test_the_host_takes_no_messages(self, alice: Client) -> None:
        """And no presence."""
        alice.write(f"<message to='{HOST}'><body>hi</body></message>")
        assert condition(one(alice)) == ("service-unavailable", "cancel")
        alice.write(f"<presence to='{HOST}'/>")
        assert take(alice) == []

    def test_an_answer_that_nobody_asked_for(self, alice: Client, bob: Client) -> None:
        """Is dropped."""
        bob.write(f"<iq to='{ROOM}/owner' type='result' id='x'/>")
        bob.write(f"<iq to='{ROOM}' type='result' id='1.x'/>")
        bob.write(f"<iq to='{ROOM}/owner' type='result' id='99.x'/>")
        assert take(alice) == take(bob) == []


class TestSection6Discovery:
    """6. Entity use cases."""

    def test_the_service(self, alice: Client) -> None:
        """6.2: identity and features."""
        found = iq(alice, "get", f"<query xmlns='{INFO}'/>", HOST)
        identity = found.find(f".//{{{INFO}}}identity")
        assert identity is not None
        assert (identity.get("category"), identity.get("type")) == ("conference", "text")
        assert {MUC, "vcard-temp", "urn:xmpp:occupant-id:0"} <= features(found)

    def test_it_answers_pings(self, alice: Client) -> None:
        """XEP-0199 section 4.2."""
        assert iq(alice, "get", "<ping xmlns='urn:xmpp:ping'/>", HOST).get("type") == "result"

    def test_rooms(self, service: Service, alice: Client) -> None:
        """6.3: public ones that are open."""
        make_room(alice, "a", ("muc#roomconfig_publicroom", "0"), room=f"hidden@{HOST}")
        make_room(alice, "a", ("muc#roomconfig_roomname", "Heath"), room=f"heath@{HOST}")
        join(alice, "a", room=f"locked@{HOST}")
        found = iq(service.bind("carol"), "get", f"<query xmlns='{ITEMS}'/>", HOST)
        assert [(entry.get("jid"), entry.get("name")) for entry in found[0]] == [
            (ROOM, "coven"),
            (f"heath@{HOST}", "Heath"),
        ]

    def test_rooms_page_by_page(self, alice: Client) -> None:
        """6.3, XEP-0059: forward, backward, and a count."""
        for name in ("a", "b", "d"):
            make_room(alice, "a", room=f"{name}@{HOST}")

        def page(inner: str) -> tuple[list[str], ET.Element]:
            found = iq(alice, "get", f"<query xmlns='{ITEMS}'><set xmlns='{RSM}'>{inner}</set></query>", HOST)
            names = [entry.get("jid", "").partition("@")[0] for entry in found.iter(f"{{{ITEMS}}}item")]
            summary = found.find(f".//{{{RSM}}}set")
            assert summary is not None
            return names, summary

        assert page("<max>2</max>")[0] == ["a", "b"]
        assert page(f"<max>2</max><after>b@{HOST}</after>")[0] == ["coven", "d"]
        names, summary = page("<max>1</max><before/>")
        assert (names, summary.findtext(f"{{{RSM}}}count")) == (["d"], "4")
        assert page(f"<max>1</max><before>b@{HOST}</before>")[0] == ["a"]
        found = iq(alice, "get", f"<query xmlns='{ITEMS}'><set xmlns='{RSM}'><after>x</after></set></query>", HOST)
        assert condition(found) == ("item-not-found", "cancel")

    def test_a_room(self, alice: Client) -> None:
        """6.4: kind and details."""
        iq(alice, "set", owner_form(("muc#roomconfig_roomdesc", "Witches"), ("muc#roomconfig_lang", "en")))
        alice.write(f"<message to='{ROOM}' type='groupchat'><subject>Spells</subject></message>")
        found = iq(alice, "get", f"<query xmlns='{INFO}'/>")
        assert {
            MUC,
            "muc_open",
            "muc_public",
            "muc_semianonymous",
            "muc_temporary",
            "muc_unmoderated",
            "muc_unsecured",
            "urn:xmpp:mam:2",
            "http://jabber.org/protocol/muc#stable_id",
        } <= features(found)
        values = form_values(found)
        assert values["muc#roominfo_description"] == ["Witches"]
        assert values["muc#roominfo_subject"] == ["Spells"]
        assert values["muc#roominfo_occupants"] == ["1"]

    @pytest.mark.parametrize(
        ("name", "value", "feature"),
        [
            ("membersonly", "1", "muc_membersonly"),
            ("publicroom", "0", "muc_hidden"),
            ("moderatedroom", "1", "muc_moderated"),
            ("whois", "anyone", "muc_nonanonymous"),
            ("roomsecret", "x", "muc_passwordprotected"),
            ("persistentroom", "1", "muc_persistent"),
        ],
    )
    def test_kinds_of_rooms(self, alice: Client, name: str, value: str, feature: str) -> None:
        """15.3."""
        iq(alice, "set", owner_form((f"muc#roomconfig_{name}", value)))
        assert feature in features(iq(alice, "get", f"<query xmlns='{INFO}'/>"))

    def test_no_such_room(self, alice: Client) -> None:
        """item-not-found, and for a node that is none."""
        for payload in (f"<query xmlns='{INFO}'/>", f"<query xmlns='{ITEMS}'/>"):
            assert condition(iq(alice, "get", payload, f"x@{HOST}")) == ("item-not-found", "cancel")
        for to in (ROOM, HOST):
            answer = iq(alice, "get", f"<query xmlns='{INFO}' node='x'/>", to)
            assert condition(answer) == ("item-not-found", "cancel")

    def test_occupants(self, service: Service, alice: Client, bob: Client) -> None:
        """6.5: to those inside."""
        found = iq(bob, "get", f"<query xmlns='{ITEMS}'/>")
        assert [entry.get("jid") for entry in found[0]] == [f"{ROOM}/owner", f"{ROOM}/b"]
        assert len(iq(service.bind("carol"), "get", f"<query xmlns='{ITEMS}'/>")[0]) == 0

    def test_an_occupant_from_outside(self, service: Service, alice: Client) -> None:
        """6.6: bad-request."""
        answer = iq(service.bind("carol"), "get", f"<query xmlns='{INFO}'/>", f"{ROOM}/owner")
        assert condition(answer) == ("bad-request", "modify")


class TestSection7Occupants:
    """7. Occupant use cases."""

    def test_the_order_of_events(self, service: Service, alice: Client) -> None:
        """7.1: others, oneself, history, subject."""
        say(alice, "one")
        told = join(service.bind("bob"), "b")
        assert [stanza.tag.removeprefix(CLIENT) for stanza in told] == ["presence", "presence", "message", "message"]
        assert [stanza.get("from") for stanza in told] == [f"{ROOM}/owner", f"{ROOM}/b", f"{ROOM}/owner", ROOM]
        assert codes(told[1]) == {110, 170}
        delay = told[2].find("{urn:xmpp:delay}delay")
        assert delay is not None
        assert delay.get("from") == ROOM
        assert told[3].find(SUBJECT) is not None
        assert told[3].find(BODY) is None
        assert {stanza.get("to") for stanza in told} == {f"bob@{DOMAIN}/phone"}

    def test_presence_goes_on(self, alice: Client, bob: Client) -> None:
        """7.7: as it was written, less what the room alone may say."""
        forged = f"<x xmlns='{MUC}#user'><item affiliation='owner'/></x><occupant-id xmlns='urn:xmpp:occupant-id:0'/>"
        bob.write(f"<presence to='{ROOM}/b'><show>dnd</show>{forged}</presence>")
        seen = one(alice)
        assert seen.findtext(f"{CLIENT}show") == "dnd"
        assert item(seen).get("affiliation") == "none"
        assert len(seen.findall("{urn:xmpp:occupant-id:0}occupant-id")) == 1

    @pytest.mark.parametrize("to", [ROOM, f"{ROOM}"])
    def test_without_a_nickname(self, alice: Client, to: str) -> None:
        """7.2.1: jid-malformed."""
        alice.write(f"<presence to='{to}'><x xmlns='{MUC}'/></presence>")
        assert condition(one(alice)) == ("jid-malformed", "modify")

    @pytest.mark.parametrize("kind", ["subscribe", "probe", "error"])
    def test_other_presence(self, alice: Client, kind: str) -> None:
        """A room has no roster."""
        alice.write(f"<presence to='{ROOM}' type='{kind}'/>")
        assert take(alice) == []

    @pytest.mark.parametrize("history", ["maxstanzas='x'", "since='yesterday'", "seconds='-1'", "maxchars=''"])
    def test_history_that_is_none(self, service: Service, alice: Client, history: str) -> None:
        """bad-request."""
        [answer] = join(service.bind("bob"), "b", f"<history {history}/>")
        assert condition(answer) == ("bad-request", "modify")

    @pytest.mark.parametrize(
        ("history", "count"),
        [("maxstanzas='1'", 1), ("maxchars='0'", 0), ("seconds='0'", 0), ("since='1970-01-01T00:00:00Z'", 2)],
    )
    def test_history_as_wished(self, service: Service, alice: Client, history: str, count: int) -> None:
        """7.2.14."""
        say(alice, "one")
        say(alice, "two")
        told = join(service.bind("bob"), "b", f"<history {history}/>")
        assert len([stanza for stanza in told if stanza.find(BODY) is not None]) == count

    def test_refusals_come_from_the_occupants_address(self, service: Service, alice: Client) -> None:
        """7.2.8."""
        [answer] = join(service.bind("bob"), "owner")
        assert condition(answer) == ("conflict", "cancel")
        assert (answer.get("from"), answer.get("type")) == (f"{ROOM}/owner", "error")
        mark = answer.find(f"{{{MUC}}}x")
        assert mark is not None, "clients know by it what failed"
        assert len(mark) == 0

    def test_a_password(self, service: Service, alice: Client) -> None:
        """7.2.5."""
        iq(alice, "set", owner_form(("muc#roomconfig_roomsecret", "cauldronburn")))
        carol = service.bind("carol")
        assert condition(join(carol, "c")[0]) == ("not-authorized", "auth")
        assert join(carol, "c", "<password>cauldronburn</password>")[-2].get("type") is None

    def test_everyone_hears(self, alice: Client, bob: Client) -> None:
        """7.4: the sender too, under the same id, with the id in the room's archive and who said it."""
        heard = say(bob, "hi")
        [other] = take(alice)
        for stanza in (heard, other):
            assert (stanza.get("from"), stanza.get("type"), stanza.get("id")) == (f"{ROOM}/b", "groupchat", "m")
            assert stanza.findtext(BODY) == "hi"
        ids = [stanza.find("{urn:xmpp:sid:0}stanza-id") for stanza in (heard, other)]
        assert ids[0] is not None
        assert ids[1] is not None
        assert ids[0].get("by") == ROOM
        assert ids[0].get("id") == ids[1].get("id")

    def test_what_the_room_alone_may_say(self, alice: Client, bob: Client) -> None:
        """XEP-0313 section 6.1.2, XEP-0359 section 3, XEP-0421 section 4: forgeries are taken out."""
        forged = (
            f"<x xmlns='{MUC}#user'><item jid='eve@{DOMAIN}'/></x>"
            "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='x'/>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='x'/>"
            "<stanza-id xmlns='urn:xmpp:sid:0' by='other@example.net' id='y'/>"
        )
        heard = say(bob, "hi", extra=forged)
        assert heard.find(f"{USER}x") is None
        assert [entry.get("id") != "x" for entry in heard.findall("{urn:xmpp:occupant-id:0}occupant-id")] == [True]
        assert {entry.get("by") for entry in heard.findall("{urn:xmpp:sid:0}stanza-id")} == {ROOM, "other@example.net"}
        assert b"eve" not in ET.tostring(heard)

    def test_chat_states(self, service: Service, alice: Client, bob: Client) -> None:
        """Stay off the log: those inside hear them now, and nobody later."""
        bob.write(
            f"<message to='{ROOM}' type='groupchat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        )
        assert one(alice).get("from") == f"{ROOM}/b"
        assert one(bob).find("{urn:xmpp:occupant-id:0}occupant-id") is not None
        assert len(join(service.bind("carol"), "c")) == 4

    @pytest.mark.one_process(reason="a limit is made small")
    @pytest.mark.parametrize("extra", [0, 1])
    def test_chat_states_in_a_crowd(
        self, service: Service, alice: Client, bob: Client, extra: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both sides of the limit: nobody watches who is typing among so many."""
        assert ROOM_STATE_AUDIENCE_MAX > 2
        monkeypatch.setattr("raftline.xmpp.rooms.messages.ROOM_STATE_AUDIENCE_MAX", 2)
        if extra:
            join(service.bind("carol"), "c")
            take(alice)
            take(bob)
        bob.write(
            f"<message to='{ROOM}' type='groupchat'><paused xmlns='http://jabber.org/protocol/chatstates'/></message>"
        )
        assert len(take(alice)) == 1 - extra

    def test_from_outside(self, service: Service, alice: Client) -> None:
        """7.4: not-acceptable; item-not-found where there is no room."""
        carol = service.bind("carol")
        for inner in ("<body>hi</body>", "<active xmlns='http://jabber.org/protocol/chatstates'/>"):
            carol.write(f"<message to='{ROOM}' type='groupchat'>{inner}</message>")
            assert condition(one(carol)) == ("not-acceptable", "modify")
            carol.write(f"<message to='x@{HOST}' type='groupchat'>{inner}</message>")
            assert condition(one(carol)) == ("item-not-found", "cancel")

    def test_a_whisper(self, alice: Client, bob: Client) -> None:
        """7.5: to one, and of type groupchat to nobody."""
        bob.write(f"<message to='{ROOM}/owner' type='chat' id='w'><body>psst</body></message>")
        heard = one(alice)
        assert (heard.get("from"), heard.findtext(BODY)) == (f"{ROOM}/b", "psst")
        assert heard.find(f"{USER}x") is not None
        assert take(bob) == []
        bob.write(f"<message to='{ROOM}/owner' type='groupchat'><body>psst</body></message>")
        assert condition(one(bob)) == ("bad-request", "modify")

    def test_other_messages(self, alice: Client, bob: Client) -> None:
        """A room is nobody to chat with; errors are dropped."""
        bob.write(f"<message to='{ROOM}' type='chat'><body>hi</body></message>")
        assert condition(one(bob)) == ("service-unavailable", "cancel")
        bob.write(f"<message to='{ROOM}' type='error'/>")
        assert take(bob) == take(alice) == []

    def test_another_nickname(self, alice: Client, bob: Client) -> None:
        """7.6: 303, and the new one named."""
        bob.write(f"<presence to='{ROOM}/bobby'/>")
        gone, here = take(alice)
        assert (gone.get("type"), codes(gone), item(gone).get("nick")) == ("unavailable", {303}, "bobby")
        assert here.get("from") == f"{ROOM}/bobby"
        assert codes(take(bob)[0]) == {303, 110}

    def test_leaving(self, alice: Client, bob: Client) -> None:
        """7.14."""
        [own] = leave(bob, "b")
        assert (own.get("type"), codes(own), item(own).get("role")) == ("unavailable", {110}, "none")
        assert one(alice).get("from") == f"{ROOM}/b"

    def test_an_invitation_and_its_refusal(self, service: Service, alice: Client, bob: Client) -> None:
        """7.8.2, 7.9: through the room, with a conversation that goes on there."""
        carol = service.bind("carol")
        carol.write("<presence/>")
        alice.write("<presence/>")
        take(carol)
        take(alice)
        bob.write(
            f"<message to='{ROOM}'><x xmlns='{MUC}#user'><invite to='carol@{DOMAIN}'><reason>come</reason>"
            "<continue thread='t1'/></invite></x></message>"
        )
        told = one(carol)
        invite = told.find(f"{USER}x/{USER}invite")
        assert invite is not None
        assert (told.get("from"), invite.get("from"), invite.findtext(f"{USER}reason")) == (ROOM, f"{ROOM}/b", "come")
        continued = invite.find(f"{USER}continue")
        assert continued is not None
        assert continued.get("thread") == "t1"
        carol.write(
            f"<message to='{ROOM}'><x xmlns='{MUC}#user'><decline to='alice@{DOMAIN}'><reason>no</reason></decline></x>"
            "</message>"
        )
        decline = one(alice).find(f"{USER}x/{USER}decline")
        assert decline is not None
        assert (decline.get("from"), decline.findtext(f"{USER}reason")) == (f"carol@{DOMAIN}", "no")

    @pytest.mark.parametrize(
        ("invites", "expected"),
        [
            (f"<invite to='carol@{DOMAIN}'/><invite to='bob@{DOMAIN}'/>", ("bad-request", "modify")),
            ("<invite to='x@example.net'/>", ("remote-server-not-found", "cancel")),
            ("<invite to='@'/>", ("jid-malformed", "modify")),
            ("<invite/>", ("jid-malformed", "modify")),
        ],
    )
    def test_invitations_that_cannot_be(self, alice: Client, invites: str, expected: tuple[str, str]) -> None:
        """One at a time, to an account of this domain."""
        alice.write(f"<message to='{ROOM}'><x xmlns='{MUC}#user'>{invites}</x></message>")
        assert condition(one(alice)) == expected

    def test_registering(self, alice: Client, bob: Client) -> None:
        """7.10, 7.12: a form, a nickname that is kept, and what is known of it."""
        form = iq(bob, "get", "<query xmlns='jabber:iq:register'/>")
        assert "muc#register_roomnick" in form_values(form)
        submitted = (
            "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"
            f"<field var='FORM_TYPE'><value>{MUC}#register</value></field>"
            "<field var='muc#register_roomnick'><value>bobby</value></field></x></query>"
        )
        assert iq(bob, "set", submitted).get("type") == "result"
        assert item(one(alice)).get("affiliation") == "member"
        again = iq(bob, "get", "<query xmlns='jabber:iq:register'/>")
        assert again.findtext(".//{jabber:iq:register}username") == "bobby"
        node = iq(bob, "get", f"<query xmlns='{INFO}' node='x-roomuser-item'/>")
        identity = node.find(f".//{{{INFO}}}identity")
        assert identity is not None
        assert identity.get("name") == "bobby"
        assert condition(iq(alice, "set", submitted)) == ("conflict", "cancel")
        assert iq(bob, "set", "<query xmlns='jabber:iq:register'><remove/></query>").get("type") == "result"

    def test_registering_badly(self, alice: Client, bob: Client) -> None:
        """7.10: bad-request without a form, not-allowed where members are made."""
        assert condition(iq(bob, "set", "<query xmlns='jabber:iq:register'/>")) == ("bad-request", "modify")
        admin(alice, f"<item affiliation='member' jid='bob@{DOMAIN}'/>")
        iq(alice, "set", owner_form(("muc#roomconfig_membersonly", "1")))
        admin(alice, f"<item affiliation='none' jid='bob@{DOMAIN}'/>")
        assert condition(iq(bob, "get", "<query xmlns='jabber:iq:register'/>")) == ("not-allowed", "cancel")

    def test_voice(self, alice: Client, bob: Client) -> None:
        """7.13, 8.6: asked for by a form, granted by another."""
        admin(alice, "<item nick='b' role='visitor'/>")
        take(bob)
        head = f"<field var='FORM_TYPE'><value>{MUC}#request</value></field>"
        role = "<field var='muc#role'><value>participant</value></field>"
        bob.write(f"<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'>{head}{role}</x></message>")
        asked = form_values(one(alice))
        assert (asked["muc#roomnick"], asked["muc#jid"]) == (["b"], [f"bob@{DOMAIN}/phone"])
        for allowed, count in (("false", 0), ("true", 1)):
            answer = (
                f"{head}{role}<field var='muc#roomnick'><value>b</value></field>"
                f"<field var='muc#request_allow'><value>{allowed}</value></field>"
            )
            alice.write(f"<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'>{answer}</x></message>")
            assert len(take(alice)) == count
        assert item(one(bob)).get("role") == "participant"
        other = "<field var='muc#role'><value>moderator</value></field>"
        bob.write(f"<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'>{head}{other}</x></message>")
        assert condition(one(bob)) == ("bad-request", "modify")


class TestSection16Iq:
    """16.4 IQ between occupants."""

    def test_there_and_back(self, service: Service, alice: Client, bob: Client) -> None:
        """Under the addresses of the room; the answer reaches the session that asked."""
        desk = service.bind("bob", "desk")
        join(desk, "b")
        for client in (alice, bob):
            take(client)
        bob.write(f"<iq to='{ROOM}/owner' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>")
        asked = one(alice)
        assert (asked.get("from"), asked.get("type")) == (f"{ROOM}/b", "get")
        alice.write(f"<iq to='{ROOM}/b' type='result' id='{asked.get('id')}'><query xmlns='jabber:iq:version'/></iq>")
        answer = one(bob)
        assert (answer.get("from"), answer.get("id"), answer.get("type")) == (f"{ROOM}/owner", "v", "result")
        assert take(desk) == []

    def test_nobody_there(self, service: Service, alice: Client, bob: Client) -> None:
        """item-not-found; from outside not-acceptable."""
        query = "<query xmlns='jabber:iq:version'/>"
        assert condition(iq(bob, "get", query, f"{ROOM}/x")) == ("item-not-found", "cancel")
        assert condition(iq(service.bind("carol"), "get", query, f"{ROOM}/b")) == ("not-acceptable", "cancel")

    @pytest.mark.one_process(reason="a session that is lost on the way")
    def test_a_session_that_is_gone(self, service: Service, alice: Client, bob: Client) -> None:
        """service-unavailable when no node holds it."""
        del service.clients[alice.bound.session_id]
        answer = iq(bob, "get", "<query xmlns='jabber:iq:version'/>", f"{ROOM}/owner")
        assert condition(answer) == ("service-unavailable", "cancel")

    def test_the_card_behind_a_nickname(self, alice: Client, bob: Client) -> None:
        """XEP-0054 through the room: the account's, or an empty one."""
        assert len(iq(bob, "get", "<vCard xmlns='vcard-temp'/>", f"{ROOM}/owner")[0]) == 0
        alice.write("<iq type='set' id='s'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>")
        card = iq(bob, "get", "<vCard xmlns='vcard-temp'/>", f"{ROOM}/owner")
        assert card.findtext(".//{vcard-temp}FN") == "Alice"
