"""What rooms have beside XEP-0045: XEP-0249, 0313, 0410, 0421, 0425, 0486."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET

import pytest

from xmpp_im.playbook import DOMAIN
from xmpp_im.rooms import (
    CLIENT,
    HOST,
    INFO,
    MUC,
    ROOM,
    USER,
    admin,
    codes,
    condition,
    features,
    form_values,
    iq,
    join,
    make_room,
    one,
    owner_form,
    say,
    take,
)
from xmpp_im.service import Client, Service

MAM = "urn:xmpp:mam:2"
RSM = "{http://jabber.org/protocol/rsm}"
MESSAGE = f"{CLIENT}message"
BODY = f"{CLIENT}body"
OCCUPANT_ID = "{urn:xmpp:occupant-id:0}occupant-id"
PING = "<ping xmlns='urn:xmpp:ping'/>"


def occupant_id(stanza: ET.Element) -> str:
    """The occupant id of a stanza, which has exactly one."""
    [found] = stanza.findall(OCCUPANT_ID)
    return found.get("id", "")


def query(client: Client, *fields: tuple[str, str], paging: str = "", to: str = ROOM) -> list[ET.Element]:
    """Ask the archive; results, and the answer last."""
    inner = f"<field var='FORM_TYPE'><value>{MAM}</value></field>"
    inner += "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in fields)
    form = f"<x xmlns='jabber:x:data' type='submit'>{inner}</x>"
    take(client)
    client.write(f"<iq to='{to}' type='set' id='q'><query xmlns='{MAM}' queryid='f'>{form}{paging}</query></iq>")
    return take(client)


def said(results: list[ET.Element]) -> list[str | None]:
    """What the messages of a page say."""
    return [result.findtext(f".//{BODY}") for result in results[:-1]]


class TestXep0249:
    """XEP-0249 Direct MUC Invitations."""

    def test_goes_from_client_to_client(self, service: Service, alice: Client) -> None:
        """And is kept like a message with a body."""
        carol = service.bind("carol")
        carol.write("<presence/>")
        take(carol)
        alice.write(f"<message to='carol@{DOMAIN}'><x xmlns='jabber:x:conference' jid='{ROOM}'/></message>")
        told = one(carol)
        assert told.find("{jabber:x:conference}x") is not None
        assert told.find("{urn:xmpp:sid:0}stanza-id") is not None


class TestXep0313:
    """XEP-0313 Message Archive Management, of a room (sections 3.3.2, 6.1.2)."""

    def test_a_page(self, alice: Client, bob: Client) -> None:
        """From the room; the message inside without `to`, under the id that it had live."""
        live = say(bob, "one").find("{urn:xmpp:sid:0}stanza-id")
        assert live is not None
        result, answer = query(bob)
        assert (result.get("from"), result.get("to")) == (ROOM, f"bob@{DOMAIN}/phone")
        inside = result.find(f"{{{MAM}}}result")
        assert inside is not None
        assert (inside.get("queryid"), inside.get("id")) == ("f", live.get("id"))
        message = result.find(f".//{MESSAGE}")
        assert message is not None
        assert (message.get("from"), message.get("to"), message.get("type")) == (f"{ROOM}/b", None, "groupchat")
        assert answer.findtext(f".//{RSM}count") == "1"

    def test_pages(self, alice: Client) -> None:
        """XEP-0059, and the bounds of the form."""
        ids = []
        for text in ("one", "two", "three"):
            mark = say(alice, text).find("{urn:xmpp:sid:0}stanza-id")
            assert mark is not None
            ids.append(mark.get("id", ""))
        rsm = "<set xmlns='http://jabber.org/protocol/rsm'>{}</set>"
        assert said(query(alice, paging=rsm.format("<max>2</max>"))) == ["one", "two"]
        assert said(query(alice, paging=rsm.format(f"<max>2</max><after>{ids[1]}</after>"))) == ["three"]
        assert said(query(alice, paging=rsm.format("<max>1</max><before/>"))) == ["three"]
        assert said(query(alice, ("after-id", ids[0]), ("before-id", ids[2]))) == ["two"]
        assert said(query(alice, ("ids", ids[2]))) == ["three"]
        assert said(query(alice, ("end", "1970-01-01T00:00:00Z"))) == []
        assert condition(query(alice, ("ids", "7-1"))[-1]) == ("item-not-found", "cancel")

    def test_by_nickname_and_by_account(self, alice: Client, bob: Client) -> None:
        """4.1.1: the latter is for those who see real addresses."""
        say(alice, "one")
        say(bob, "two")
        assert said(query(bob, ("with", f"{ROOM}/b"))) == ["two"]
        assert said(query(bob, ("with", ROOM))) == ["one", "two"]
        assert said(query(alice, ("with", f"bob@{DOMAIN}"))) == ["two"]
        assert said(query(alice, ("with", f"nobody@{DOMAIN}"))) == []
        assert condition(query(bob, ("with", f"alice@{DOMAIN}"))[-1]) == ("forbidden", "auth")

    def test_whose_a_message_is(self, alice: Client, bob: Client) -> None:
        """6.1.2: said to moderators, and to everyone in a non-anonymous room."""
        say(bob, "one")

        def shown(client: Client) -> str | None:
            found = query(client)[0].find(f".//{USER}item")
            return None if found is None else found.get("jid")

        assert (shown(alice), shown(bob)) == (f"bob@{DOMAIN}", None)
        iq(alice, "set", owner_form(("muc#roomconfig_whois", "anyone")))
        assert shown(bob) == f"bob@{DOMAIN}"

    def test_who_may_read(self, service: Service, alice: Client) -> None:
        """Who may enter: everyone, members, those who know the password, never the banned."""
        say(alice, "one")
        carol = service.bind("carol")
        assert said(query(carol)) == ["one"]
        iq(alice, "set", owner_form(("muc#roomconfig_roomsecret", "x")))
        assert condition(query(carol)[-1]) == ("forbidden", "auth")
        join(carol, "c", "<password>x</password>")
        assert said(query(carol)) == ["one"]
        iq(alice, "set", owner_form(("muc#roomconfig_membersonly", "1")))
        for payload in (f"<query xmlns='{MAM}'/>", f"<metadata xmlns='{MAM}'/>"):
            assert condition(iq(carol, "get", payload)) == ("forbidden", "auth")
        admin(alice, f"<item affiliation='member' jid='carol@{DOMAIN}'/>")
        assert said(query(carol)) == ["one"]
        admin(alice, f"<item affiliation='outcast' jid='carol@{DOMAIN}'/>")
        assert condition(query(carol)[-1]) == ("forbidden", "auth")

    def test_a_room_without(self, alice: Client) -> None:
        """Says so, and announces none."""
        iq(alice, "set", owner_form(("muc#roomconfig_enablelogging", "0")))
        assert condition(query(alice)[-1]) == ("service-unavailable", "cancel")
        assert MAM not in features(iq(alice, "get", f"<query xmlns='{INFO}'/>"))
        assert condition(query(alice, to=f"x@{HOST}")[-1]) == ("item-not-found", "cancel")

    def test_form_and_ends(self, alice: Client) -> None:
        """4.1.5, 5: as for accounts."""
        assert {"with", "start", "ids"} <= form_values(iq(alice, "get", f"<query xmlns='{MAM}'/>")).keys()
        assert len(iq(alice, "get", f"<metadata xmlns='{MAM}'/>")[0]) == 0
        say(alice, "one")
        assert len(iq(alice, "get", f"<metadata xmlns='{MAM}'/>")[0]) == 2


class TestXep0410:
    """XEP-0410 MUC Self-Ping: answered by the room (section 3.3)."""

    def test_who_is_inside(self, alice: Client, bob: Client) -> None:
        """A result, though no client was asked."""
        assert iq(bob, "get", PING, f"{ROOM}/b").get("type") == "result"
        assert take(alice) == []

    def test_who_is_not(self, service: Service, alice: Client) -> None:
        """3.2: not-acceptable; no such room is item-not-found."""
        carol = service.bind("carol")
        assert condition(iq(carol, "get", PING, f"{ROOM}/b")) == ("not-acceptable", "cancel")
        assert condition(iq(carol, "get", PING, f"x@{HOST}/b")) == ("item-not-found", "cancel")

    def test_somebody_else(self, alice: Client, bob: Client) -> None:
        """Is asked."""
        bob.write(f"<iq to='{ROOM}/owner' type='get' id='p'>{PING}</iq>")
        assert one(alice).find("{urn:xmpp:ping}ping") is not None

    def test_is_announced(self, alice: Client) -> None:
        """4: by the room."""
        found = features(iq(alice, "get", f"<query xmlns='{INFO}'/>"))
        assert "http://jabber.org/protocol/muc#self-ping-optimization" in found


class TestXep0421:
    """XEP-0421 Occupant identifiers."""

    def test_is_stable(self, service: Service, alice: Client, bob: Client) -> None:
        """3, 5: the same for presence, messages, whispers, chat states, under any nickname and after coming back."""
        first = occupant_id(say(bob, "hi"))
        bob.write(f"<presence to='{ROOM}/bobby'/>")
        assert {occupant_id(stanza) for stanza in take(bob)} == {first}
        take(alice)
        bob.write(f"<message to='{ROOM}/owner' type='chat'><body>psst</body></message>")
        assert occupant_id(one(alice)) == first
        bob.write(
            f"<message to='{ROOM}' type='groupchat'><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
        )
        assert occupant_id(one(alice)) == first
        bob.write(f"<presence to='{ROOM}/bobby' type='unavailable'/>")
        desk = service.bind("bob", "desk")
        assert occupant_id(join(desk, "b")[1]) == first

    def test_tells_nothing_across_rooms(self, alice: Client, bob: Client) -> None:
        """5: another room knows the account by another id."""
        other = f"heath@{HOST}"
        make_room(alice, room=other)
        assert occupant_id(join(bob, "b", room=other)[1]) != occupant_id(say(bob, "hi", alice))

    def test_is_in_the_archive(self, bob: Client) -> None:
        """3.2."""
        live = occupant_id(say(bob, "hi"))
        found = query(bob)[0].find(f".//{MESSAGE}")
        assert found is not None
        assert occupant_id(found) == live

    def test_is_announced(self, alice: Client) -> None:
        """2: by rooms and, as none does without, by the service."""
        for to in (ROOM, HOST):
            assert "urn:xmpp:occupant-id:0" in features(iq(alice, "get", f"<query xmlns='{INFO}'/>", to))


class TestXep0425:
    """XEP-0425 Moderated Message Retraction."""

    def moderate(
        self, client: Client, stanza_id: str, what: str = "<retract xmlns='urn:xmpp:message-retract:1'/>"
    ) -> ET.Element:
        """Ask for a retraction; the answer."""
        inner = f"{what}<reason>rude</reason>"
        return iq(client, "set", f"<moderate id='{stanza_id}' xmlns='urn:xmpp:message-moderate:1'>{inner}</moderate>")

    def id_of(self, stanza: ET.Element) -> str:
        """The id in the room's archive."""
        found = stanza.find("{urn:xmpp:sid:0}stanza-id")
        assert found is not None
        return found.get("id", "")

    def test_a_retraction(self, alice: Client, bob: Client) -> None:
        """4.1, 5: told to everyone, and a tombstone for whoever asks later."""
        stanza_id = self.id_of(say(bob, "bad words"))
        assert self.moderate(alice, stanza_id).get("type") == "result"
        retract = take(bob)[-1].find("{urn:xmpp:message-retract:1}retract")
        assert retract is not None
        assert retract.get("id") == stanza_id
        moderated = retract.find("{urn:xmpp:message-moderate:1}moderated")
        assert moderated is not None
        assert moderated.get("by") == f"{ROOM}/owner"
        stone = query(bob)[0]
        assert stone.find(".//{urn:xmpp:message-retract:1}retracted") is not None
        assert b"bad words" not in ET.tostring(stone)

    def test_refusals(self, alice: Client, bob: Client) -> None:
        """4.2: forbidden to others, item-not-found for ids of nothing, bad-request for anything else."""
        stanza_id = self.id_of(say(bob, "hm"))
        assert condition(self.moderate(bob, stanza_id)) == ("forbidden", "auth")
        for wrong in ("x", "7-1", "8-" + stanza_id.partition("-")[2], f"7-{1 << 63}", "07-1"):
            assert condition(self.moderate(alice, wrong)) == ("item-not-found", "cancel")
        assert condition(self.moderate(alice, stanza_id, "<x xmlns='y'/>")) == ("bad-request", "modify")


class TestXep0424:
    """XEP-0424 Message Retraction, in rooms."""

    def test_a_tombstone(self, alice: Client, bob: Client) -> None:
        """5: by the id in the room's archive, announced, and with the id of what retracted it."""
        mark = say(bob, "typo").find("{urn:xmpp:sid:0}stanza-id")
        assert mark is not None
        retract = f"<retract xmlns='urn:xmpp:message-retract:1' id='{mark.get('id')}'/>"
        bob.write(f"<message to='{ROOM}' type='groupchat' id='r'>{retract}<body>retracted</body></message>")
        stone = query(alice)[0]
        retracted = stone.find(".//{urn:xmpp:message-retract:1}retracted")
        assert retracted is not None
        assert retracted.get("id") == "r"
        message = stone.find(f".//{MESSAGE}")
        assert message is not None
        assert (message.get("id"), message.find(BODY)) == ("m", None)
        found = features(iq(alice, "get", f"<query xmlns='{INFO}'/>"))
        assert "urn:xmpp:message-retract:1#tombstone" in found

    @pytest.mark.parametrize("stanza_id", ["", "x", "7-1", "8-655360"])
    def test_an_id_of_nothing(self, alice: Client, bob: Client, stanza_id: str) -> None:
        """Is passed on like anything else."""
        say(bob, "typo")
        retract = f"<retract xmlns='urn:xmpp:message-retract:1' id='{stanza_id}'/>"
        bob.write(f"<message to='{ROOM}' type='groupchat' id='r'>{retract}</message>")
        assert said(query(alice))[0] == "typo"


class TestXep0486:
    """XEP-0486 MUC Avatars."""

    CARD = "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>aGV\nsbG8=</BINVAL></PHOTO></vCard>"

    def test_set_found_and_taken_away(self, service: Service, alice: Client, bob: Client) -> None:
        """3.2 to 3.4."""
        assert iq(alice, "set", self.CARD).get("type") == "result"
        assert codes(one(bob)) == {104}
        carol = service.bind("carol")
        shown = form_values(iq(carol, "get", f"<query xmlns='{INFO}'/>"))
        assert shown["muc#roominfo_avatarhash"] == [hashlib.sha1(b"hello", usedforsecurity=False).hexdigest()]
        card = iq(carol, "get", "<vCard xmlns='vcard-temp'/>")
        assert card.findtext(".//{vcard-temp}TYPE") == "image/png"
        assert iq(alice, "set", "<vCard xmlns='vcard-temp'/>").get("type") == "result"
        assert condition(iq(carol, "get", "<vCard xmlns='vcard-temp'/>")) == ("item-not-found", "cancel")
        assert "muc#roominfo_avatarhash" not in form_values(iq(carol, "get", f"<query xmlns='{INFO}'/>"))

    def test_refusals(self, alice: Client, bob: Client) -> None:
        """Forbidden to others than owners; a picture that is none."""
        assert condition(iq(bob, "set", self.CARD)) == ("forbidden", "auth")
        broken = self.CARD.replace("aGV", "%%")
        assert condition(iq(alice, "set", broken)) == ("bad-request", "modify")
        assert MUC in features(iq(alice, "get", f"<query xmlns='{INFO}'/>"))
