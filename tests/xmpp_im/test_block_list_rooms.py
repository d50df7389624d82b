"""Block lists (XEP-0191) and rooms (XEP-0045): invitations, private messages, and rooms that are blocked themselves."""

from __future__ import annotations

import pytest

from xmpp_im.blocks import (
    ALICE,
    BOB,
    REFUSED_BY_CONTACT,
    REFUSED_BY_OWN_LIST,
    WAYS_TO_BLOCK_BOB,
    ask,
    block,
    change,
    device,
    unblock,
)
from xmpp_im.conversations import MESSAGE, archive, take
from xmpp_im.inbox import bookmark, inbox
from xmpp_im.rooms import HOST, INFO, MUC, ROOM, admin, condition, item, join, make_room, say
from xmpp_im.service import Client, Service

USER = f"{MUC}#user"
CARD = "<vCard xmlns='vcard-temp'/>"
OPEN_TO_ALL = ("muc#roomconfig_whois", "anyone")
MEMBERS_ONLY = ("muc#roomconfig_membersonly", "1")


def invite(client: Client, jid: str, kind: str = "invite") -> None:
    """Invite through the room, or decline."""
    client.write(f"<message to='{ROOM}' id='i'><x xmlns='{USER}'><{kind} to='{jid}'/></x></message>")


def whisper(client: Client, nick: str, content: str = "<body>psst</body>") -> None:
    client.write(f"<message to='{ROOM}/{nick}' type='chat' id='w'>{content}</message>")


def messages(client: Client) -> list[str | None]:
    """Texts of the messages that came since the last time."""
    return [stanza.findtext("{jabber:client}body") for stanza in take(client) if stanza.tag == MESSAGE]


@pytest.fixture
def people(service: Service) -> tuple[Client, Client]:
    """Alice and Bob, who is in a room of his, where others hide behind nicknames."""
    alice, bob = device(service, "alice"), device(service, "bob")
    make_room(bob, "b")
    bob.take()
    return alice, bob


@pytest.fixture
def inside(people: tuple[Client, Client]) -> tuple[Client, Client]:
    """Both are in the room, as `a` and `b`."""
    alice, bob = people
    join(alice, "a")
    bob.take()
    return alice, bob


@pytest.fixture
def seen(service: Service) -> tuple[Client, Client]:
    """Both are in a room in which everyone sees real addresses."""
    alice, bob = device(service, "alice"), device(service, "bob")
    make_room(bob, "b", OPEN_TO_ALL)
    join(alice, "a")
    bob.take()
    return alice, bob


class TestInvitations:
    """Section 7.8.2, and XEP-0249: who invites is who writes, whichever address the invitation comes from."""

    @pytest.mark.parametrize("way", WAYS_TO_BLOCK_BOB)
    def test_through_the_room(self, service: Service, people: tuple[Client, Client], way: str) -> None:
        """It reaches no device and no archive, now or later; who invites is told nothing of the account."""
        alice, bob = people
        desk = device(service, "alice", "desk")
        block(alice, way)
        invite(bob, ALICE)
        assert alice.take() + desk.take() + bob.take() == []
        assert archive(alice).ids == []
        unblock(alice, way)
        desk.take()
        invite(bob, ALICE)
        assert [len(take(client)) for client in (alice, desk)] == [1, 1]

    def test_another_resource_invites(self, service: Service, people: tuple[Client, Client]) -> None:
        """One resource of the contact is blocked; the invitation of another comes."""
        alice, bob = people
        laptop = device(service, "bob", "laptop")
        join(laptop, "b")
        block(alice, f"{BOB}/laptop")
        invite(laptop, ALICE)
        assert take(alice) == []
        invite(bob, ALICE)
        assert len(take(alice)) == 1

    @pytest.mark.parametrize("way", [ROOM, HOST])
    def test_into_a_room_that_is_blocked(self, people: tuple[Client, Client], carol: Client, way: str) -> None:
        """Whoever invites: it would come from the room."""
        alice, bob = people
        block(alice, way)
        invite(bob, ALICE)
        assert (take(alice), take(bob)) == ([], [])

    @pytest.mark.parametrize("way", WAYS_TO_BLOCK_BOB)
    def test_of_somebody_blocked(self, service: Service, way: str) -> None:
        """Who has blocked an account does not invite it, as nothing else of theirs goes there either."""
        bob, alice = device(service, "bob"), device(service, "alice")
        make_room(alice, "a", MEMBERS_ONLY)
        block(alice, way)
        invite(alice, BOB)
        refusals = [condition(reply) for reply in take(alice) if reply.get("type") == "error"]
        is_stopped = way != f"{BOB}/phone"  # a room writes to accounts
        assert refusals == [REFUSED_BY_OWN_LIST] * is_stopped
        assert [stanza.get("from") for stanza in take(bob)] == [ROOM] * (not is_stopped)

    def test_declining(self, people: tuple[Client, Client]) -> None:
        """Who has blocked the invited account gets no answer of it, and who has blocked the inviter sends none."""
        alice, bob = people
        invite(bob, ALICE)
        alice.take()
        block(bob, ALICE)
        invite(alice, BOB, "decline")
        assert take(bob) == []
        unblock(bob)
        block(alice, BOB)
        invite(alice, BOB, "decline")
        assert [condition(reply) for reply in take(alice)] == [REFUSED_BY_OWN_LIST]
        assert take(bob) == []

    def test_by_message(self, people: tuple[Client, Client]) -> None:
        """A direct invitation is a message like any other (XEP-0249)."""
        alice, bob = people
        block(alice, BOB)
        bob.write(f"<message to='{ALICE}' id='d'><x xmlns='jabber:x:conference' jid='{ROOM}'/></message>")
        assert take(alice) == []
        assert condition(take(bob)[-1]) == REFUSED_BY_CONTACT


class TestPrivateMessages:
    """Section 7.5: a message from one occupant to another."""

    def test_where_addresses_are_seen(self, seen: tuple[Client, Client]) -> None:
        """The block holds as it does outside, in both directions."""
        alice, bob = seen
        block(alice, BOB)
        whisper(bob, "a")
        assert take(alice) == []
        assert [condition(reply) for reply in take(bob)] == [REFUSED_BY_CONTACT]
        whisper(alice, "b")
        assert [condition(reply) for reply in take(alice)] == [REFUSED_BY_OWN_LIST]
        assert take(bob) == []
        unblock(alice)
        whisper(bob, "a")
        whisper(alice, "b")
        assert [messages(client) for client in (alice, bob)] == [["psst"], ["psst"]]

    def test_where_they_are_hidden(self, inside: tuple[Client, Client]) -> None:
        """
        The message vanishes without a word: an error would tell who is behind the nickname to whoever knows that
        they are blocked. For the same reason Alice is not told, and her message goes on.
        """
        alice, bob = inside
        block(alice, BOB)
        whisper(bob, "a")
        assert (take(alice), take(bob)) == ([], [])
        whisper(alice, "b")
        assert (messages(alice), messages(bob)) == ([], ["psst"])

    def test_one_resource(self, service: Service, seen: tuple[Client, Client]) -> None:
        """The one that writes counts."""
        alice, bob = seen
        block(alice, f"{BOB}/laptop")
        whisper(bob, "a")
        assert messages(alice) == ["psst"]
        laptop = device(service, "bob", "laptop")
        join(laptop, "b")
        alice.take()
        whisper(laptop, "a")
        assert take(alice) == []

    @pytest.mark.parametrize(
        "content", ["<body>x</body>", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"]
    )
    def test_an_occupants_address(self, inside: tuple[Client, Client], content: str) -> None:
        """It is blocked like any full JID, in both directions, and without a look at who is behind it."""
        alice, bob = inside
        block(alice, f"{ROOM}/b")
        whisper(bob, "a", content)
        assert take(alice) == []
        assert [condition(reply) for reply in take(bob)] == [REFUSED_BY_CONTACT]
        whisper(alice, "b", content)
        assert [condition(reply) for reply in take(alice)] == [REFUSED_BY_OWN_LIST]

    def test_what_is_said_to_everyone_is_the_rooms(self, inside: tuple[Client, Client]) -> None:
        """Who is blocked speaks in a room that both chose to be in; the message is from the room, to the room."""
        alice, bob = inside
        block(alice, BOB)
        say(bob, "hello all")
        assert messages(alice) == ["hello all"]


class TestRequests:
    """Section 16.4: requests to an occupant, and the card behind a nickname."""

    QUERY = "<query xmlns='jabber:iq:version'/>"

    @pytest.mark.parametrize("jid", [BOB, f"{ROOM}/b"])
    def test_where_addresses_are_seen(self, seen: tuple[Client, Client], jid: str) -> None:
        """By either address, in both directions."""
        alice, bob = seen
        block(alice, jid)
        assert ask(bob, f"{ROOM}/a", self.QUERY) == REFUSED_BY_CONTACT
        assert ask(alice, f"{ROOM}/b", self.QUERY) == REFUSED_BY_OWN_LIST
        assert alice.take() + bob.take() == []

    def test_where_they_are_hidden(self, inside: tuple[Client, Client]) -> None:
        """The address in the room alone: a refusal would tell who is behind a nickname, and nobody sees a request."""
        alice, bob = inside
        block(alice, BOB)
        bob.write(f"<iq to='{ROOM}/a' type='get' id='x'>{self.QUERY}</iq>")
        assert [stanza.get("from") for stanza in take(alice)] == [f"{ROOM}/b"]
        block(alice, f"{ROOM}/b")
        assert ask(bob, f"{ROOM}/a", self.QUERY) == REFUSED_BY_CONTACT
        assert take(alice) == []
        assert ask(alice, f"{ROOM}/b", self.QUERY) == REFUSED_BY_OWN_LIST

    @pytest.mark.parametrize("jid", [BOB, f"{ROOM}/b"])
    def test_the_card_behind_a_nickname(self, inside: tuple[Client, Client], jid: str) -> None:
        """To who is blocked it looks like that of somebody who has none."""
        alice, bob = inside
        alice.write("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>")
        for change_list, parts in ((block, 0), (unblock, 1)):
            change_list(alice, jid)
            bob.take()
            bob.write(f"<iq to='{ROOM}/a' type='get' id='c'>{CARD}</iq>")
            [reply] = take(bob)
            assert (reply.get("type"), len(reply[0])) == ("result", parts)


class TestBlockedRooms:
    """A room, or all rooms, on the list: nothing of it is delivered any more (XEP-0191 section 3.3)."""

    @pytest.mark.parametrize("way", [ROOM, HOST, "example.org"])
    def test_who_is_inside_leaves(self, service: Service, inside: tuple[Client, Client], way: str) -> None:
        """Every device of the account, as if it had left by itself; others see it go."""
        alice, bob = inside
        desk = device(service, "alice", "desk")
        join(desk, "a")
        bob.take()
        alice.take()
        change(desk, "block", way)
        for client in (alice, desk):
            [gone] = [stanza for stanza in take(client) if stanza.get("from") == f"{ROOM}/a"]
            assert (gone.get("type"), item(gone).get("role")) == ("unavailable", "none")
        [gone] = [stanza for stanza in take(bob) if stanza.get("type") == "unavailable"][-1:]
        assert gone.get("from") == f"{ROOM}/a"
        say(bob, "anyone here?")
        assert alice.take() + desk.take() == []
        alice.write(f"<message to='{ROOM}' type='groupchat' id='g'><body>x</body></message>")
        assert take(alice)[-1].get("type") == "error"
        assert messages(bob) == []

    def test_nobody_enters_a_room_that_they_have_blocked(self, people: tuple[Client, Client]) -> None:
        """Until it is unblocked."""
        alice, _bob = people
        block(alice, ROOM)
        assert [condition(stanza) for stanza in join(alice, "a")] == [REFUSED_BY_OWN_LIST]
        unblock(alice)
        assert [stanza.get("type") for stanza in join(alice, "a") if stanza.tag != MESSAGE] == [None, None]

    @pytest.mark.parametrize("way", [ROOM, HOST])
    def test_it_is_not_asked_for_anything(self, inside: tuple[Client, Client], way: str) -> None:
        """Neither what it is nor what was said there: the answer would be a stanza from it."""
        alice, _bob = inside
        block(alice, way)
        for payload in (f"<query xmlns='{INFO}'/>", CARD):
            assert ask(alice, ROOM, payload) == REFUSED_BY_OWN_LIST
        assert ask(alice, ROOM, "<query xmlns='urn:xmpp:mam:2'/>", "set") == REFUSED_BY_OWN_LIST

    def test_it_is_no_conversation(self, inside: tuple[Client, Client]) -> None:
        """What is said there meanwhile is not brought by the list of conversations (XEP-0430) either."""
        alice, bob = inside
        bookmark(alice, ROOM)
        say(bob, "before")
        assert [entry.jid for entry in inbox(alice).entries] == [ROOM]
        block(alice, ROOM)
        say(bob, "after")
        assert inbox(alice).entries == []
        unblock(alice)
        assert [entry.text for entry in inbox(alice).entries] == ["after"]

    def test_a_room_of_somebody_blocked(self, people: tuple[Client, Client]) -> None:
        """To put somebody on its list is no way to reach them; who has chosen the room stays in the conversation."""
        alice, bob = people
        admin(bob, f"<item jid='{ALICE}' affiliation='member'/>")
        say(bob, "hello")
        assert [entry.jid for entry in inbox(alice).entries] == [ROOM]
        block(alice, BOB)
        assert inbox(alice).entries == []
        bookmark(alice, ROOM)
        assert [entry.jid for entry in inbox(alice).entries] == [ROOM]

    def test_other_rooms_stay(self, inside: tuple[Client, Client]) -> None:
        """A room of a similar name, an occupant, and the account of somebody inside make nobody leave."""
        alice, bob = inside
        block(alice, f"coven2@{HOST}", f"{ROOM}/b", BOB)
        say(bob, "still there?")
        assert messages(alice) == ["still there?"]
