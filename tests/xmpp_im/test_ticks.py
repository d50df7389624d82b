"""Ticks, an extension of our own (docs/conversations.md), on the real state machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import READER_COUNT_MAX, READER_REACH_MAX, READER_SLICE_COUNT_MAX, TICKS_MESSAGE_COUNT_MAX
from xmpp_im.conversations import archive, say, take
from xmpp_im.inbox import entry_of
from xmpp_im.nodes import INFO, befriend, online
from xmpp_im.playbook import DOMAIN, EPOCH
from xmpp_im.rooms import ROOM, admin, condition, join, leave, make_room
from xmpp_im.rooms import say as say_in_room
from xmpp_im.service import Client, Service

TICKS = "urn:raftline:ticks:0"
ALICE, BOB, CAROL = f"alice@{DOMAIN}", f"bob@{DOMAIN}", f"carol@{DOMAIN}"
STORE = "<store xmlns='urn:xmpp:hints'/>"
MEMBERS_ONLY = ("muc#roomconfig_membersonly", "1")
NON_ANONYMOUS = ("muc#roomconfig_whois", "anyone")


@pytest.fixture
def bob(service: Service) -> Client:
    return online(service, "bob")


def ask(client: Client, jid: str, *ids: str, attributes: str = "", to: str = "") -> ET.Element:
    """Ask about messages; the reply."""
    take(client)
    inner = "".join(f"<message id='{stanza_id}'/>" for stanza_id in ids)
    client.write(f"<iq type='get' id='t' {to}><ticks xmlns='{TICKS}' with='{jid}' {attributes}>{inner}</ticks></iq>")
    return take(client)[-1]


def ticks(client: Client, jid: str, *ids: str) -> list[tuple[str | None, ...]]:
    """Counts of messages: received, read, of how many."""
    reply = ask(client, jid, *ids)
    assert reply.get("type") == "result", ET.tostring(reply)
    messages = reply[0].findall(f"{{{TICKS}}}message")
    assert [message.get("id") for message in messages] == list(ids)
    return [tuple(message.get(name) for name in ("received", "read", "of")) for message in messages]


def readers(client: Client, jid: str, stanza_id: str) -> list[dict[str, str]]:
    """Who has read a message of a room."""
    reply = ask(client, jid, stanza_id, attributes="readers='true'")
    return [dict(reader.attrib) for reader in reply[0].findall(f"{{{TICKS}}}reader")]


def last_id(client: Client) -> str:
    """Id of the last message in the own archive."""
    return archive(client).ids[-1]


def mark(client: Client, to: str, message_id: str, kind: str = "chat", extra: str = "") -> None:
    """Send a marker."""
    marker = f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{message_id}'/>"
    client.write(f"<message to='{to}' type='{kind}'>{marker}{extra}</message>")


def receipt(client: Client, to: str, message_id: str, extra: str = "") -> None:
    """Send a receipt."""
    client.write(
        f"<message to='{to}' type='chat'><received xmlns='urn:xmpp:receipts' id='{message_id}'/>{extra}</message>"
    )


class TestContacts:
    """Of a contact: sent, received, read."""

    def test_discovery(self, phone: Client) -> None:
        """It is announced on the account."""
        phone.write(f"<iq type='get' id='d'><query xmlns='{INFO}'/></iq>")
        assert TICKS.encode() in b"".join(phone.take())

    def test_sent(self, phone: Client, bob: Client) -> None:
        """What a stranger's device was given is not told: it would tell that a device is there."""
        say(phone, BOB, "hello", "m1")
        assert ticks(phone, BOB, last_id(phone)) == [("0", "0", "1")]

    @pytest.mark.one_process(reason="real devices acknowledge in their own time")
    def test_received_by_a_device(self, service: Service, phone: Client, bob: Client) -> None:
        """Who sees the contact's presence is told when a device has taken it."""
        befriend(phone, bob)
        bob.end()
        say(phone, BOB, "hello", "m1")
        sent = last_id(phone)
        assert ticks(phone, BOB, sent) == [("0", "0", "1")]
        online(service, "bob")
        assert ticks(phone, BOB, sent) == [("1", "0", "1")]

    @pytest.mark.one_process(reason="real devices acknowledge in their own time")
    def test_a_contact_who_blocks_later(self, phone: Client, bob: Client) -> None:
        """What was received stays so: nothing changes by which somebody would know that they are blocked."""
        befriend(phone, bob)
        say(phone, BOB, "hello", "m1")
        sent = last_id(phone)
        for _ in range(2):
            assert ticks(phone, BOB, sent) == [("1", "0", "1")]
            bob.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{ALICE}'/></block></iq>")

    @pytest.mark.one_process(reason="real devices acknowledge in their own time")
    def test_a_message_that_came_back(self, phone: Client, bob: Client) -> None:
        """Who is blocked is told nothing, and what never arrived was not received."""
        befriend(phone, bob)
        bob.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{ALICE}'/></block></iq>")
        say(phone, BOB, "hello", "m1")
        assert ticks(phone, BOB, last_id(phone)) == [("0", "0", "1")]

    @pytest.mark.one_process(reason="real devices acknowledge in their own time")
    def test_a_receipt_in_the_archive(self, phone: Client, bob: Client) -> None:
        """What a contact's device has told, presence or not (XEP-0184)."""
        say(phone, BOB, "one", "m1")
        first = last_id(phone)
        say(phone, BOB, "two", "m2")
        second = last_id(phone)
        receipt(bob, ALICE, "m2", STORE)
        assert ticks(phone, BOB, first, second) == [("0", "0", "1"), ("1", "0", "1")]

    @pytest.mark.one_process(reason="real devices acknowledge in their own time")
    def test_a_receipt_for_an_earlier_message(self, phone: Client, bob: Client) -> None:
        """One that came before a message is not for it, even under the same id."""
        say(phone, BOB, "one", "m1")
        first = last_id(phone)
        receipt(bob, ALICE, "m1", STORE)
        say(phone, BOB, "two", "m1")
        second = last_id(phone)
        assert ticks(phone, BOB, second) == [("0", "0", "1")]
        assert ticks(phone, BOB, first) == [("1", "0", "1")]

    def test_an_own_receipt(self, phone: Client, bob: Client) -> None:
        """It is about the contact's messages, even under the same id."""
        say(phone, BOB, "one", "m1")
        sent = last_id(phone)
        receipt(phone, BOB, "m1", STORE)
        assert ticks(phone, BOB, sent) == [("0", "0", "1")]

    @pytest.mark.parametrize("extra", ["", STORE])
    @pytest.mark.one_process(reason="real devices acknowledge in their own time")
    def test_read(self, phone: Client, bob: Client, extra: str) -> None:
        """A marker counts for its message and all before, archived or not (XEP-0333)."""
        ids = []
        for number in range(3):
            say(phone, BOB, "text", f"m{number}")
            ids.append(last_id(phone))
        mark(bob, ALICE, "m1", extra=extra)
        assert ticks(phone, BOB, *ids) == [("1", "1", "1"), ("1", "1", "1"), ("0", "0", "1")]

    def test_displayed_states_are_private(self, phone: Client, bob: Client) -> None:
        """What a contact tells their own devices alone is not told to anybody else (XEP-0490)."""
        say(phone, BOB, "hello", "m1")
        sent = last_id(phone)
        state = (
            f"<displayed xmlns='urn:xmpp:mds:displayed:0'><stanza-id xmlns='urn:xmpp:sid:0' by='{BOB}' id='{sent}'/>"
        )
        publish = f"<publish node='urn:xmpp:mds:displayed:0'><item id='{ALICE}'>{state}</displayed></item></publish>"
        bob.write(f"<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub></iq>")
        assert entry_of(bob, ALICE).unread == 0
        assert ticks(phone, BOB, sent) == [("0", "0", "1")]

    @pytest.mark.one_process(reason="real devices acknowledge in their own time")
    def test_notes_to_oneself(self, phone: Client) -> None:
        """They are received by whom they are for."""
        say(phone, ALICE, "milk", "m1")
        assert ticks(phone, ALICE, last_id(phone)) == [("1", "0", "1")]


class TestRefusals:
    """What is refused, and how."""

    def test_messages_that_are_not_the_users(self, phone: Client, bob: Client) -> None:
        """Those of the contact, of another conversation, of nobody."""
        say(bob, ALICE, "hello", "m1")
        theirs = last_id(phone)
        say(phone, CAROL, "hello", "m1")
        elsewhere = last_id(phone)
        for stanza_id in (theirs, elsewhere, f"{EPOCH}-1", f"{EPOCH + 1}-1", "nonsense", ""):
            assert condition(ask(phone, BOB, stanza_id)) == ("item-not-found", "cancel")

    def test_contacts_that_are_nobody(self, phone: Client) -> None:
        """Accounts that do not exist, and domains elsewhere."""
        for jid in (f"nobody@{DOMAIN}", "x@elsewhere.example"):
            assert condition(ask(phone, jid, f"{EPOCH}-1")) == ("item-not-found", "cancel")

    def test_a_deleted_contact(self, service: Service, phone: Client) -> None:
        """Messages to somebody who is gone stay as they were."""
        say(phone, f"nobody@{DOMAIN}", "hello", "m1")
        assert ticks(phone, f"nobody@{DOMAIN}", last_id(phone)) == [("0", "0", "1")]

    def test_no_conversation_and_no_messages(self, phone: Client) -> None:
        """Both have to be said."""
        assert condition(ask(phone, "", f"{EPOCH}-1")) == ("jid-malformed", "modify")
        assert condition(ask(phone, BOB)) == ("bad-request", "modify")

    def test_too_many(self, phone: Client, bob: Client) -> None:
        """There is a bound."""
        say(phone, BOB, "hello")
        sent = last_id(phone)
        assert len(ticks(phone, BOB, *([sent] * TICKS_MESSAGE_COUNT_MAX))) == TICKS_MESSAGE_COUNT_MAX
        assert condition(ask(phone, BOB, *([sent] * (TICKS_MESSAGE_COUNT_MAX + 1)))) == ("policy-violation", "modify")

    def test_somebody_elses(self, phone: Client, bob: Client) -> None:
        """Nobody asks for another account."""
        assert condition(ask(bob, BOB, f"{EPOCH}-1", to=f"to='{ALICE}'")) == ("forbidden", "auth")

    def test_rooms_that_may_not_be_read(self, phone: Client, bob: Client) -> None:
        """They are refused like those that do not exist."""
        make_room(bob, "bob", MEMBERS_ONLY)
        said = say_in_room(bob, "secret")[-1].get("id", "")
        for room in (ROOM, f"nowhere@conference.{DOMAIN}"):
            assert condition(ask(phone, room, said or f"{EPOCH}-1")) == ("forbidden", "auth")


class TestRooms:
    """Of a room: read by how many, of how many."""

    @pytest.fixture
    def carol(self, service: Service) -> Client:
        return online(service, "carol")

    @pytest.fixture
    def said(self, phone: Client, bob: Client, carol: Client) -> list[str]:
        """Alice has said three things in her room, where Bob and Carol are: ids of them."""
        make_room(phone, "ally")
        join(bob, "bob")
        join(carol, "carol")
        return [self.say(phone, text) for text in ("one", "two", "three")]

    def say(self, client: Client, text: str) -> str:
        """Say something; its id."""
        mark = say_in_room(client, text).find("{urn:xmpp:sid:0}stanza-id")
        assert mark is not None
        return mark.get("id", "")

    def test_nobody_yet(self, phone: Client, said: list[str]) -> None:
        """The author does not count."""
        assert ticks(phone, ROOM, *said) == [(None, "0", "2")] * 3

    def test_markers(self, phone: Client, bob: Client, carol: Client, said: list[str]) -> None:
        """Each counts for its message and all before; the furthest of each person."""
        mark(bob, ROOM, said[1], "groupchat")
        mark(carol, ROOM, said[2], "groupchat")
        mark(carol, ROOM, said[0], "groupchat")
        assert [count for _, count, _ in ticks(phone, ROOM, *said)] == ["2", "2", "1"]

    def test_an_answer(self, phone: Client, bob: Client, said: list[str]) -> None:
        """Who has said something since has read it; who has reacted has not said so."""
        bob.write(
            f"<message to='{ROOM}' type='groupchat'><reactions xmlns='urn:xmpp:reactions:0' id='{said[2]}'/></message>"
        )
        assert ticks(phone, ROOM, said[2]) == [(None, "0", "2")]
        answer = self.say(bob, "yes")
        assert ticks(phone, ROOM, said[2], answer) == [(None, "1", "2"), (None, "0", "2")]

    def test_markers_of_nothing(self, phone: Client, bob: Client, said: list[str]) -> None:
        """What is not in the room marks nothing."""
        say(phone, BOB, "elsewhere", "m1")
        for marked in (last_id(phone), "nonsense", f"{EPOCH}-99999999999"):
            mark(bob, ROOM, marked, "groupchat")
        assert ticks(phone, ROOM, said[0]) == [(None, "0", "2")]

    def test_members_who_are_away(self, phone: Client, bob: Client, carol: Client, said: list[str]) -> None:
        """They count; who left and is no member does not."""
        assert admin(phone, f"<item affiliation='member' jid='{BOB}'/>").get("type") == "result"
        mark(bob, ROOM, said[2], "groupchat")
        leave(bob, "bob")
        leave(carol, "carol")
        assert ticks(phone, ROOM, said[2]) == [(None, "1", "1")]

    def test_many_reactions_since(self, phone: Client, bob: Client, said: list[str]) -> None:
        """What somebody has said is looked for among their last messages alone."""
        self.say(bob, "yes")
        reaction = f"<reactions xmlns='urn:xmpp:reactions:0' id='{said[2]}'/>"
        for expected in [*["1"] * (READER_REACH_MAX - 1), "0"]:
            bob.write(f"<message to='{ROOM}' type='groupchat'>{reaction}</message>")
            assert ticks(phone, ROOM, said[2])[0][1] == expected

    def test_who_came_later(self, phone: Client, bob: Client, carol: Client) -> None:
        """They count for what was said since, not for what was said before, whether they are there or away."""
        make_room(phone, "ally")
        join(bob, "bob")
        before = self.say(phone, "before")
        assert admin(phone, f"<item affiliation='member' jid='{CAROL}'/>").get("type") == "result"
        after = self.say(phone, "after")
        assert ticks(phone, ROOM, before, after) == [(None, "0", "1"), (None, "0", "2")]
        join(carol, "carol")
        assert [reader["jid"] for reader in readers(phone, ROOM, before)] == [ALICE]
        mark(carol, ROOM, after, "groupchat")
        assert ticks(phone, ROOM, before, after) == [(None, "0", "1"), (None, "1", "2")]

    @pytest.mark.one_process(reason="a limit is made small")
    def test_markers_in_a_crowd(
        self, phone: Client, bob: Client, carol: Client, said: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They are remembered, neither sent nor archived; one that says more is a message like any other."""
        monkeypatch.setattr("raftline.machine.rooms.speaking.ROOM_STATE_AUDIENCE_MAX", 2)
        before = entry_of(phone, ROOM).id
        take(phone)
        mark(bob, ROOM, said[2], "groupchat")
        assert take(phone) == []
        assert entry_of(phone, ROOM).id == before
        assert ticks(phone, ROOM, said[2]) == [(None, "1", "2")]
        assert entry_of(bob, ROOM).unread == 0
        take(phone)
        mark(carol, ROOM, said[1], "groupchat", STORE)
        assert len(take(phone)) == 1
        mark(carol, ROOM, said[2], "groupchat", "<body>seen</body>")
        assert [message.findtext("{jabber:client}body") for message in take(phone)] == ["seen"]
        monkeypatch.setattr("raftline.machine.rooms.speaking.ROOM_STATE_AUDIENCE_MAX", 3)
        mark(bob, ROOM, said[2], "groupchat")
        assert len(take(phone)) == 1

    def test_a_marker_that_is_not_to_be_kept(self, phone: Client, bob: Client, said: list[str]) -> None:
        """A hint against storage counts for what is remembered, too (XEP-0334 section 4.2)."""
        mark(bob, ROOM, said[2], "groupchat", "<no-store xmlns='urn:xmpp:hints'/>")
        assert ticks(phone, ROOM, said[2]) == [(None, "0", "2")]

    def test_readers(self, phone: Client, bob: Client, carol: Client, said: list[str]) -> None:
        """They are named as the room names them, with addresses to those who see them."""
        mark(bob, ROOM, said[1], "groupchat")
        found, author = sorted(readers(phone, ROOM, said[0]), key=lambda reader: reader["up-to"])
        assert (found["jid"], found["up-to"]) == (BOB, said[1])
        assert (author["jid"], author["up-to"]) == (ALICE, said[2])
        assert found | {"jid": ""} in [reader | {"jid": ""} for reader in readers(carol, ROOM, said[0])]
        assert not any("jid" in reader for reader in readers(carol, ROOM, said[0]))
        assert [reader["jid"] for reader in readers(phone, ROOM, said[2])] == [ALICE]
        assert ask(phone, ROOM, said[2])[0].find(f"{{{TICKS}}}reader") is None
        occupant = say_in_room(bob, "hi").find("{urn:xmpp:occupant-id:0}occupant-id")
        assert occupant is not None
        assert found["occupant-id"] == occupant.get("id")

    def test_addresses_where_everyone_sees_them(self, phone: Client, bob: Client) -> None:
        """In a room that hides nobody, they are told to everyone."""
        make_room(phone, "ally", NON_ANONYMOUS)
        join(bob, "bob")
        said = self.say(phone, "hi")
        mark(bob, ROOM, said, "groupchat")
        assert {reader["jid"] for reader in readers(bob, ROOM, said)} == {ALICE, BOB}

    def test_what_is_not_in_the_room(self, phone: Client, bob: Client, said: list[str]) -> None:
        """It is refused."""
        say(phone, BOB, "elsewhere")
        assert condition(ask(phone, ROOM, last_id(phone))) == ("item-not-found", "cancel")

    @pytest.mark.one_process(reason="hundreds of clients")
    def test_a_crowd(self) -> None:
        """Everyone is counted, however many slices that takes; some are named."""
        names = [f"u{number:03}" for number in range(READER_SLICE_COUNT_MAX * 2 + 2)]
        service = Service("alice", *names)
        alice = online(service, "alice")
        make_room(alice, "ally")
        crowd = [service.bind(name) for name in names]
        for client in crowd:
            join(client, client.jid.local)
        said = self.say(alice, "hello, all")
        for client in crowd:
            mark(client, ROOM, said, "groupchat")
            client.take()
        assert ticks(alice, ROOM, said) == [(None, str(len(names)), str(len(names)))]
        assert len(names) > READER_COUNT_MAX
        assert len(readers(alice, ROOM, said)) == READER_COUNT_MAX
