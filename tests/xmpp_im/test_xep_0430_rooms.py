"""XEP-0430 Inbox: rooms, and our own additions (docs/conversations.md), on the real state machine."""

from __future__ import annotations

import pytest

from xmpp_im.conversations import say, take
from xmpp_im.inbox import OWN, bookmark, displayed, entry_of, inbox, settle
from xmpp_im.nodes import online
from xmpp_im.playbook import DOMAIN, EPOCH
from xmpp_im.rooms import ROOM, iq, join, leave, make_room
from xmpp_im.rooms import say as say_in_room
from xmpp_im.service import Client, Service

BOB, CAROL = f"bob@{DOMAIN}", f"carol@{DOMAIN}"
ALICE = f"alice@{DOMAIN}"
PINNED = "<pinned xmlns='urn:xmpp:bookmarks-pinning:0'/>"
ARCHIVED = f"<archived xmlns='{OWN}'/>"


def notify(*levels: str) -> str:
    """Notification settings (XEP-0492)."""
    return f"<notify xmlns='urn:xmpp:notification-settings:1'>{''.join(levels)}</notify>"


@pytest.fixture
def bob(service: Service) -> Client:
    return online(service, "bob")


class TestRooms:
    """2.2: for group chats the address is the room's."""

    @pytest.fixture
    def room(self, bob: Client, phone: Client) -> str:
        """Bob's room, in which Alice is."""
        make_room(bob, "bob")
        join(phone, "ally")
        return ROOM

    def test_a_room_one_is_in(self, phone: Client, desk: Client, bob: Client, room: str) -> None:
        """What others say is unread until the user has answered; what stands beside it comes from the room."""
        say_in_room(bob, "one")
        say_in_room(bob, "two")
        entry = entry_of(desk, room)
        assert (entry.unread, entry.text, entry.state) == (2, "two", {})
        say_in_room(phone, "three")
        assert (entry_of(desk, room).unread, entry_of(bob, room).unread) == (0, 1)
        assert entry_of(desk, room).id == entry_of(desk, room).result_id

    def test_a_displayed_state(self, phone: Client, desk: Client, bob: Client, room: str) -> None:
        """In a room the room gives the ids."""
        say_in_room(bob, "one")
        first = entry_of(phone, room).id
        assert first is not None
        say_in_room(bob, "two")
        displayed(phone, room, first)  # by the account, which gives no ids there
        assert entry_of(desk, room).unread == 2
        displayed(phone, room, first, by=room)
        assert entry_of(desk, room).unread == 1

    def test_a_marker(self, phone: Client, desk: Client, bob: Client, room: str) -> None:
        """It names the room's id, and is found in its archive; one that names nothing is ignored."""
        say_in_room(bob, "one")
        first = entry_of(phone, room).id
        say_in_room(bob, "two")
        for marked, unread in (("rubbish", 2), (f"{EPOCH}-1", 2), (first, 1)):
            marker = f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{marked}'/>"
            phone.write(f"<message to='{room}' type='groupchat'>{marker}</message>")
            assert entry_of(desk, room).unread == unread
        assert entry_of(bob, room).unread == 0  # a marker is no message

    def test_members_who_are_away(self, bob: Client, carol: Client) -> None:
        """A member has the room on the list without ever having been there."""
        make_room(bob, "bob", ("muc#roomconfig_membersonly", "1"))
        item = f"<item affiliation='member' jid='{CAROL}'/>"
        iq(bob, "set", f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>")
        say_in_room(bob, "welcome")
        assert [(entry.jid, entry.unread, entry.text) for entry in inbox(carol).entries if entry.jid == ROOM] == [
            (ROOM, 1, "welcome")
        ]

    def test_a_bookmark(self, phone: Client, bob: Client, room: str) -> None:
        """A room that the user has left stays on the list as long as it is bookmarked."""
        bookmark(phone, room)
        leave(phone, "ally")
        say_in_room(bob, "one")
        assert entry_of(phone, room).unread == 1

    def test_a_room_that_was_left(self, phone: Client, bob: Client, room: str) -> None:
        """Without a bookmark it goes."""
        leave(phone, "ally")
        assert inbox(phone).entries == []

    @pytest.mark.parametrize(
        "fields",
        [
            (("muc#roomconfig_membersonly", "1"),),
            (("muc#roomconfig_passwordprotectedroom", "1"), ("muc#roomconfig_roomsecret", "x")),
        ],
    )
    def test_a_bookmark_of_a_closed_room(self, phone: Client, bob: Client, fields: tuple[tuple[str, str], ...]) -> None:
        """A bookmark opens no door: neither what was said nor that something was."""
        make_room(bob, "bob", *fields)
        say_in_room(bob, "secret")
        bookmark(phone, ROOM)
        assert inbox(phone).entries == []

    def test_inside_a_room_with_a_password(self, phone: Client, bob: Client) -> None:
        """Who has entered may read, as long as they are there."""
        fields = (("muc#roomconfig_passwordprotectedroom", "1"), ("muc#roomconfig_roomsecret", "x"))
        make_room(bob, "bob", *fields)
        join(phone, "ally", "<password>x</password>")
        bookmark(phone, ROOM)
        say_in_room(bob, "secret")
        assert entry_of(phone, ROOM).text == "secret"
        leave(phone, "ally")
        assert inbox(phone).entries == []

    def test_an_outcast(self, phone: Client, bob: Client, room: str) -> None:
        """Who is banned does not see the room any more."""
        say_in_room(bob, "one")
        bookmark(phone, room)
        item = f"<item affiliation='outcast' jid='{ALICE}'/>"
        iq(bob, "set", f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>")
        assert inbox(phone).entries == []

    def test_a_room_without_an_archive(self, phone: Client, bob: Client) -> None:
        """It is there, with nothing in it."""
        make_room(bob, "bob", ("muc#roomconfig_enablelogging", "0"))
        join(phone, "ally")
        say_in_room(bob, "one")
        entry = entry_of(phone, ROOM)
        assert (entry.id, entry.unread, entry.text) == (None, 0, None)

    def test_bookmarks_of_nothing(self, phone: Client) -> None:
        """Rooms that do not exist, or elsewhere, are left out."""
        for jid in (f"nowhere@conference.{DOMAIN}", "room@elsewhere.example", "nonsense"):
            bookmark(phone, jid)
        assert inbox(phone).entries == []

    def test_an_invitation(self, phone: Client, bob: Client) -> None:
        """It makes an entry of its own, until the user is in the room."""
        make_room(bob, "bob")
        invite = f"<x xmlns='http://jabber.org/protocol/muc#user'><invite to='{ALICE}'/></x>"
        bob.write(f"<message to='{ROOM}'>{invite}</message>")
        assert [entry.jid for entry in inbox(phone).entries] == [ROOM]
        join(phone, "ally")
        say_in_room(bob, "hello")
        assert [(entry.jid, entry.text) for entry in inbox(phone).entries] == [(ROOM, "hello")]

    def test_a_destroyed_room(self, phone: Client, bob: Client, room: str) -> None:
        """It is gone, however many have it bookmarked."""
        bookmark(phone, room)
        iq(bob, "set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>")
        assert inbox(phone).entries == []


class TestMentions:
    """Our own attribute: how many of the unread messages of a room mention the user."""

    @pytest.fixture
    def room(self, bob: Client, phone: Client) -> str:
        """Bob's room, in which Alice is as ally."""
        make_room(bob, "bob")
        join(phone, "ally")
        return ROOM

    @pytest.mark.parametrize(
        ("body", "extra"),
        [
            ("look", f"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:{ALICE}'/>"),
            ("look", f"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:{ROOM}/ally?x'/>"),
            ("look", f"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:{ROOM}/%61lly'/>"),
            ("look", f"<reply xmlns='urn:xmpp:reply:0' to='{ROOM}/ally' id='x'/>"),
            ("look", f"<reply xmlns='urn:xmpp:reply:0' to='{ALICE}/phone' id='x'/>"),
            ("hey Ally, look", ""),
            ("@ally", ""),
        ],
    )
    def test_mentions(self, phone: Client, bob: Client, room: str, body: str, extra: str) -> None:
        """By reference to either address, by a reply, by nickname as a word in the text."""
        say_in_room(bob, body, extra=extra)
        say_in_room(bob, "and so on")
        entry = entry_of(phone, room)
        assert (entry.unread, entry.state) == (2, {"mentions": "1"})

    @pytest.mark.parametrize(
        ("body", "extra"),
        [
            ("rally, really", ""),
            ("look", f"<reference xmlns='urn:xmpp:reference:0' type='data' uri='xmpp:{ALICE}'/>"),
            ("look", f"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:{CAROL}'/>"),
            ("look", f"<reply xmlns='urn:xmpp:reply:0' to='{ROOM}/bob' id='x'/>"),
        ],
    )
    def test_no_mentions(self, phone: Client, bob: Client, room: str, body: str, extra: str) -> None:
        """Parts of words, other references, replies to others."""
        say_in_room(bob, body, extra=extra)
        assert entry_of(phone, room).state == {}

    def test_what_is_read_mentions_nobody(self, phone: Client, bob: Client, room: str) -> None:
        """The count is of unread messages alone; a correction does not count again."""
        say_in_room(bob, "ally!")
        say_in_room(bob, "ally?", extra="<replace xmlns='urn:xmpp:message-correct:0' id='m'/>")
        assert entry_of(phone, room).state == {"mentions": "1"}
        say_in_room(phone, "yes")
        assert entry_of(phone, room).state == {}

    def test_nicknames_of_one_who_is_away(self, phone: Client, bob: Client, room: str) -> None:
        """That of the bookmark, and the one that was spoken under last."""
        bookmark(phone, room, nick="A &amp; L")
        say_in_room(phone, "bye")
        leave(phone, "ally")
        for text in ("where is ally?", "A &amp; L, I said", "ALLY", "and nobody else"):
            say_in_room(bob, text)
        assert entry_of(phone, room).state == {"mentions": "3"}

    def test_conversations_with_contacts(self, phone: Client, bob: Client) -> None:
        """There, everything is for the user."""
        say(bob, ALICE, "ally", inner=f"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:{ALICE}'/>")
        assert entry_of(phone, BOB).state == {}


class TestSettings:
    """Our own attributes: what the devices have settled on (XEP-0402, XEP-0469, XEP-0492, docs/conversations.md)."""

    def test_of_contacts(self, phone: Client, desk: Client, bob: Client, carol: Client) -> None:
        """They stand in items of a node of our own."""
        say(bob, ALICE, "one")
        say(carol, ALICE, "two")
        settle(phone, BOB, PINNED + notify("<never/>"))
        settle(phone, CAROL, ARCHIVED)
        assert entry_of(desk, BOB).state == {"pinned": "true", "muted": "true"}
        assert entry_of(desk, CAROL).state == {"archived": "true"}
        settle(phone, BOB, "")
        assert entry_of(desk, BOB).state == {}

    def test_of_rooms(self, phone: Client, desk: Client, bob: Client) -> None:
        """They stand among the extensions of bookmarks."""
        make_room(bob, "bob")
        bookmark(phone, ROOM, PINNED + ARCHIVED + notify("<never/>"))
        assert entry_of(desk, ROOM).state == {"pinned": "true", "archived": "true", "muted": "true"}

    @pytest.mark.parametrize(
        "levels",
        [
            ("<always/>",),
            ("<on-mention/>",),
            ("<never identity-category='client' identity-type='pc'/>", "<always/>"),
            (),
        ],
    )
    def test_not_muted(self, phone: Client, bob: Client, levels: tuple[str, ...]) -> None:
        """What is said to one kind of client alone does not mute a conversation (XEP-0492 section 2.2)."""
        say(bob, ALICE, "one")
        settle(phone, BOB, notify(*levels))
        assert entry_of(phone, BOB).state == {}

    def test_somebody_elses_items(self, phone: Client, bob: Client) -> None:
        """An item that is something else says nothing."""
        say(bob, ALICE, "one")
        phone.write(
            f"<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{OWN}'>"
            f"<item id='{BOB}'><other xmlns='x'>{PINNED}</other></item></publish></pubsub></iq>"
        )
        take(phone)
        assert entry_of(phone, BOB).state == {}

    def test_many(self, service: Service) -> None:
        """Each conversation of a page has its own, also where an answer of the node is cut short."""
        names = [f"s{number}" for number in range(24)]
        crowd = Service("alice", *names)
        alice = online(crowd, "alice")
        filler = f"<filler xmlns='x'>{'x' * 60_000}</filler>"
        for name in names:
            say(alice, f"{name}@{DOMAIN}", "hi")
            settle(alice, f"{name}@{DOMAIN}", filler + PINNED)
        assert [entry.state for entry in inbox(alice).entries] == [{"pinned": "true"}] * 24
