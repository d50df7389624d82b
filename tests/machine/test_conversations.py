"""Lists of conversations as the machine computes them: what counts, slices, read marks, and that replicas agree."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from machine.rooms import ADDRESS, change_affiliation, enter, leave, open_room, raise_version, say
from machine.world import DOMAIN, Client, World
from raftline.base.ids import Epochs, Position
from raftline.base.limits import (
    CONVERSATION_SLICE_COUNT_MAX,
    CONVERSATION_SLICE_ROW_COUNT_MAX,
    LAST_MESSAGE_REACH_MAX,
    UNREAD_REACH_MAX,
)
from raftline.machine.commands import CreateAccount, DeleteAccount, decode_command
from raftline.machine.conversations.payloads import Kind, content_of, kind_of
from raftline.machine.conversations.queries import ConversationsOf, LastMessagesOf, MessageNamed, TicksWith
from raftline.machine.conversations.values import Conversation, ConversationSlice, Tick
from raftline.machine.message_commands import SendMessage, Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done
from raftline.machine.queries import ArchiveRow
from raftline.machine.rooms.commands import ChangeKind, ChangeOccupants, ConfigureRoom, OccupantChange
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.settings import RoomSettings
from raftline.machine.versions import FEATURES_SINCE

EPOCH = 3
BOB, CAROL = f"bob@{DOMAIN}", f"carol@{DOMAIN}"
REACTION = "<reactions xmlns='urn:xmpp:reactions:0' id='m'><reaction>x</reaction></reactions>"
CORRECTION = "<replace xmlns='urn:xmpp:message-correct:0' id='m'/>"
OMEMO = "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/>{}</encrypted>"


@pytest.fixture
def world(world: World) -> World:
    """Three accounts, under the version that knows read marks."""
    raise_version(world)
    return world


def slices(world: World, localpart: str = "alice", reach: int = UNREAD_REACH_MAX) -> list[ConversationSlice]:
    """All slices of a list."""
    found: list[ConversationSlice] = []
    after = None
    while not found or after is not None:
        part = world.machine.answer(ConversationsOf(localpart, Epochs(EPOCH), after, reach))
        assert isinstance(part, ConversationSlice)
        found.append(part)
        after = part.next
    return found


def conversations(world: World, localpart: str = "alice") -> dict[str, Conversation]:
    """All conversations by address; each comes once."""
    found = [conversation for part in slices(world, localpart) for conversation in part.conversations]
    assert len({conversation.jid for conversation in found}) == len(found)
    return {conversation.jid: conversation for conversation in found}


def unread(world: World, jid: str = BOB, localpart: str = "alice") -> int:
    """Unread messages of one conversation."""
    return conversations(world, localpart)[jid].unread


def tell(client: Client, to: str, inner: str = "<body>hi</body>", message_id: str = "m") -> Position:
    """Send a message; return its position."""
    stanza = f"<message from='{client.full_jid}' to='{to}@{DOMAIN}' type='chat' id='{message_id}'>{inner}</message>"
    return client.send(to, stanza=stanza.encode()).position


class TestWhatCounts:
    """payloads.py: which messages say something new."""

    @pytest.mark.parametrize(
        "inner",
        [
            "<body>hi</body>",
            "<body>urn:xmpp:reactions:0</body>",
            " <x xmlns='y'/><body xml:lang='en'>hi</body>",
            "<p:body xmlns:p='jabber:client'>hi</p:body>",
            "<body>fallback</body>" + OMEMO.format("<payload>x</payload>"),
            OMEMO.format("<payload>x</payload>"),
            "<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>",
            "<geoloc xmlns='http://jabber.org/protocol/geoloc'/>",
            "<x xmlns='jabber:x:conference' jid='r@c'/>",
            "<body>hi</body><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>",
            "<body>yes</body><reply xmlns='urn:xmpp:reply:0' id='m'/>",
        ],
    )
    def test_instant_messages(self, inner: str) -> None:
        """Text, files, places, invitations, encrypted or not, however they are written."""
        assert kind_of(f"<message from='a@b' id='m'>{inner}</message>".encode()) is Kind.INSTANT

    @pytest.mark.parametrize(
        "inner",
        [
            "",
            "<subject>s</subject>",
            "<received xmlns='urn:xmpp:receipts' id='m'/>",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>",
            REACTION,
            "<body>x</body>" + REACTION,
            "<body>gone</body><retract xmlns='urn:xmpp:message-retract:1' id='m'/>",
            "<retracted xmlns='urn:xmpp:message-retract:1' id='m' stamp='x'/>",
            "<body>x</body><apply-to xmlns='urn:xmpp:fasten:0' id='m'/>",
            "<sources xmlns='urn:xmpp:sfs:0' id='m'/>",
            OMEMO.format(""),
            "<body>I sent keys</body>" + OMEMO.format(""),
            "<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>",
            "<forwarded xmlns='urn:xmpp:forward:0'><message><body>hi</body></message></forwarded>",
            "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'/></html>",
        ],
    )
    def test_others(self, inner: str) -> None:
        """What refers to others, signals, keys alone, and bodies that are not the message's own."""
        assert kind_of(f"<message from='a@b' id='m'>{inner}</message>".encode()) is Kind.OTHER

    def test_corrections(self) -> None:
        """They are a kind of their own; one that retracts as well is none."""
        assert kind_of(f"<message><body>x</body>{CORRECTION}</message>".encode()) is Kind.CORRECTION
        both = f"<message><body>x</body>{CORRECTION}<retract xmlns='urn:xmpp:message-retract:1'/></message>"
        assert kind_of(both.encode()) is Kind.OTHER

    def test_a_start_tag_alone(self) -> None:
        """A message without children says nothing."""
        assert kind_of(b"<message from='a@b'/>") is Kind.OTHER

    def test_what_no_parser_reads(self) -> None:
        """It says nothing, and does no harm."""
        assert content_of(b"<message><x></message>").kind is Kind.OTHER


class TestUnread:
    """unread.py: back to where the user has read."""

    def test_far_back(self, world: World) -> None:
        """Counted up to the bound, and no further, whatever lies there."""
        alice, bob = world.online("alice"), world.online("bob")
        for _ in range(UNREAD_REACH_MAX + 2):
            bob.send("alice")
        assert unread(world) == UNREAD_REACH_MAX
        tell(bob, "alice", REACTION)
        assert unread(world) == UNREAD_REACH_MAX - 1
        alice.send("bob")
        assert unread(world) == 0

    def test_a_shorter_reach(self, world: World) -> None:
        """As it is asked for."""
        bob = world.online("bob")
        for _ in range(7):
            bob.send("alice")
        for reach, expected in ((1, 1), (6, 6), (7, 7), (8, 7)):
            [part] = slices(world, reach=reach)
            assert [conversation.unread for conversation in part.conversations] == [expected]

    def test_an_account_that_is_not_there(self, world: World) -> None:
        """It has no conversations."""
        assert slices(world, "nobody") == [ConversationSlice([], None)]
        assert world.machine.answer(LastMessagesOf("nobody", (BOB,))) == []

    def test_what_archives_do_not_keep(self, world: World) -> None:
        """What is not archived is on no list, though it waits."""
        world.bind("bob").send("alice", storage=int(Storage.OFFLINE))
        assert conversations(world) == {}


class TestReadMarks:
    """read_marks.py: markers to contacts."""

    def test_forward_only(self, world: World) -> None:
        """The furthest counts."""
        alice, bob = world.online("alice"), world.online("bob")
        positions = [tell(bob, "alice") for _ in range(3)]
        for marked, expected in ((positions[1], 1), (positions[0], 1), (positions[2], 0), (0, 0)):
            alice.send("bob", storage=0, marked=marked)
            assert unread(world) == expected
        assert world.count("read_mark") == 1

    def test_of_another_conversation(self, world: World) -> None:
        """A message that is not of it is ignored, and one that is nowhere."""
        alice, bob, carol = world.online("alice"), world.online("bob"), world.online("carol")
        tell(bob, "alice")
        elsewhere = tell(carol, "alice")
        for marked in (elsewhere, elsewhere + (1 << 20), 1):
            alice.send("bob", storage=0, marked=marked)
        assert (unread(world), unread(world, CAROL), world.count("read_mark")) == (1, 1, 0)

    def test_before_everybody_knows_them(self, new_world: Callable[..., World]) -> None:
        """Below the version that knows read marks nothing is written, so that older releases agree."""
        world = new_world()
        for name in ("alice", "bob"):
            world.account(name)
        world.do(RaiseVersion(FEATURES_SINCE - 1))
        alice, bob = world.online("alice"), world.online("bob")
        position = tell(bob, "alice")
        alice.send("bob", storage=0, marked=position)
        assert world.count("read_mark") == 0

    def test_a_message_that_is_refused(self, world: World) -> None:
        """A fault in what follows takes the mark back with the rest: it is part of the command."""
        alice, bob = world.online("alice"), world.online("bob")
        position = tell(bob, "alice")
        action = alice.message("bob", storage=0, marked=position, displayed=b"x" * (1 << 20))
        assert alice.do(action).outcome is not None
        assert world.count("read_mark") == 0

    def test_named_by_id(self, world: World) -> None:
        """The latest of the contact's under an id, by its start tag alone, within reach."""
        alice, bob = world.online("alice"), world.online("bob")
        query = MessageNamed("alice", BOB, b" id='m1'")
        assert world.machine.answer(query) is None
        first = tell(bob, "alice", message_id="m1")
        tell(alice, "bob", message_id="m1")
        tell(bob, "alice", "<body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='m1'/>", "m2")
        assert world.machine.answer(query) == first
        second = tell(bob, "alice", message_id="m1")
        assert world.machine.answer(query) == second
        for _ in range(UNREAD_REACH_MAX - 1):
            alice.send("bob")
        assert world.machine.answer(query) == second
        alice.send("bob")
        assert world.machine.answer(query) is None

    def test_named_by_nobody(self, world: World) -> None:
        """Neither account nor contact need exist."""
        assert world.machine.answer(MessageNamed("nobody", BOB, b" id='m'")) is None
        assert world.machine.answer(MessageNamed("alice", "x@nowhere", b" id='m'")) is None

    def test_a_deleted_account(self, world: World) -> None:
        """Its marks go in steps; a new one of the name has none."""
        alice, bob, carol = world.online("alice"), world.online("bob"), world.online("carol")
        for client, name in ((bob, "bob"), (carol, "carol")):
            alice.send(name, storage=0, marked=tell(client, "alice"))
        bob.send("alice", storage=0, marked=tell(alice, "bob"))
        world.do(DeleteAccount("alice"))
        while world.count("doomed"):
            world.apply_empty()
            world.apply()
        assert world.count("read_mark") == 1  # Bob's own
        world.do(CreateAccount("alice", ()))
        tell(bob, "alice")
        assert unread(world) == 1


class TestComingToARoom:
    """read_marks.py: what was said before somebody came is not for them to read."""

    def test_the_first_visit(self, world: World) -> None:
        """It begins there; later visits change nothing."""
        alice, bob = world.online("alice"), world.online("bob")
        open_room(bob)
        say(bob, "before")
        enter(alice, "ally")
        assert unread(world, ADDRESS) == 0
        say(bob, "after")
        leave(alice)
        enter(alice, "ally")
        assert unread(world, ADDRESS) == 1

    def test_a_new_member_who_is_away(self, world: World) -> None:
        """It begins where the room put them on its list, and begins anew if it does so again."""
        bob = world.online("bob")
        open_room(bob, members_only=True)
        for expected in (1, 1):
            say(bob, "before")
            change_affiliation(bob, "alice", Affiliation.MEMBER)
            assert unread(world, ADDRESS) == 0
            say(bob, "after")
            change_affiliation(bob, "alice", Affiliation.ADMIN)
            assert unread(world, ADDRESS) == expected
            change_affiliation(bob, "alice", Affiliation.NONE)
            assert ADDRESS not in conversations(world)

    def test_a_member_of_an_open_room(self, world: World) -> None:
        """Who could read there before has not read more for becoming a member."""
        alice, bob = world.online("alice"), world.online("bob")
        open_room(bob)
        enter(alice, "ally")
        say(bob, "hi")
        change_affiliation(bob, "alice", Affiliation.MEMBER)
        assert unread(world, ADDRESS) == 1

    def test_a_name_that_nobody_has(self, world: World) -> None:
        """Rooms list whom they like."""
        bob = world.online("bob")
        open_room(bob)
        marks = world.count("read_mark")
        change_affiliation(bob, "nobody", Affiliation.MEMBER)
        assert world.count("read_mark") == marks


class TestSlices:
    """listing.py: no slice is long."""

    def test_many_contacts(self, world: World) -> None:
        """Each comes once, whoever else is on the list."""
        bob = world.online("bob")
        count = CONVERSATION_SLICE_COUNT_MAX + 1
        for number in range(count):
            world.account(f"u{number}")
            bob.send(f"u{number}")
        parts = slices(world, "bob")
        assert [len(part.conversations) for part in parts] == [CONVERSATION_SLICE_COUNT_MAX, 1]
        assert set(conversations(world, "bob")) == {f"u{number}@{DOMAIN}" for number in range(count)}

    def test_many_unread_messages(self, world: World) -> None:
        """A slice ends with the conversation that makes it long."""
        alice, bob, carol = world.online("alice"), world.online("bob"), world.online("carol")
        for _ in range(CONVERSATION_SLICE_ROW_COUNT_MAX - 1):
            bob.send("alice")
        carol.send("alice")
        assert [len(part.conversations) for part in slices(world)] == [2, 0]
        alice.send("carol")
        bob.send("alice")
        carol.send("alice")
        assert [len(part.conversations) for part in slices(world)] == [1, 1]

    def test_rooms_that_list_somebody(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of those the ones made last count; one that the user has entered counts besides."""
        monkeypatch.setattr("raftline.machine.conversations.listing.CONVERSATION_ROOM_COUNT_MAX", 2)
        alice, bob = world.online("alice"), world.online("bob")
        names = [f"r{number}" for number in range(4)]
        for name in names:
            enter(bob, "bob", room=name)
            bob.do(ConfigureRoom(name, RoomSettings()))
            change = OccupantChange(ChangeKind.AFFILIATION, alice.jid, int(Affiliation.MEMBER))
            assert bob.do(ChangeOccupants(name, (change,))).outcome == Done()
        jids = [f"{name}@conference.{DOMAIN}" for name in names]
        assert list(conversations(world)) == jids[2:]
        enter(alice, "ally", room="r0")
        assert list(conversations(world)) == [jids[0], *jids[2:]]

    def test_rooms_in_slices(self, world: World) -> None:
        """They come behind contacts, each once."""
        alice, bob = world.online("alice"), world.online("bob")
        bob.send("alice")
        open_room(bob)
        enter(alice, "ally")
        for _ in range(CONVERSATION_SLICE_ROW_COUNT_MAX):
            say(bob, "hi")
        for number in range(3):
            enter(alice, "ally", room=f"r{number}")
        jids = [[conversation.jid for conversation in part.conversations] for part in slices(world)]
        rooms = [f"r{number}@conference.{DOMAIN}" for number in range(3)]
        assert jids == [[BOB, ADDRESS], rooms]


class TestLastMessages:
    """latest.py: what stands beside a conversation."""

    def last(self, world: World, *jids: str) -> list[ArchiveRow | None]:
        """The answer for some conversations of Alice's."""
        found = world.machine.answer(LastMessagesOf("alice", jids))
        assert isinstance(found, list)
        return found  # type: ignore[return-value]

    def test_its_reach(self, world: World) -> None:
        """Behind many reactions it is not found."""
        bob = world.online("bob")
        position = tell(bob, "alice")
        for _ in range(LAST_MESSAGE_REACH_MAX - 1):
            tell(bob, "alice", REACTION)
        [row] = self.last(world, BOB)
        assert row is not None
        assert row.position == position
        tell(bob, "alice", REACTION)
        assert self.last(world, BOB) == [None]

    def test_addresses_that_are_nobodys(self, world: World) -> None:
        """There is nothing beside them."""
        assert self.last(world, "nobody@nowhere", ADDRESS) == [None, None]

    def test_a_room_that_may_not_be_read(self, world: World) -> None:
        """What is said there is not shown."""
        bob = world.online("bob")
        open_room(bob, members_only=True)
        say(bob, "secret")
        assert self.last(world, ADDRESS) == [None]
        change_affiliation(bob, "alice", Affiliation.MEMBER)
        [row] = self.last(world, ADDRESS)
        assert row is not None
        assert b"secret" in row.stanza

    def test_a_correction_without_an_id(self, world: World) -> None:
        """A message without an id cannot be corrected."""
        bob = world.online("bob")
        stanza = f"<message from='{bob.full_jid}' to='alice@{DOMAIN}'><body>one</body></message>"
        position = bob.send("alice", stanza=stanza.encode()).position
        tell(bob, "alice", "<body>two</body><replace xmlns='urn:xmpp:message-correct:0'/>")
        [row] = self.last(world, BOB)
        assert row is not None
        assert row.position == position


def test_what_a_device_has_not_acknowledged(world: World) -> None:
    """A message is received when a device has taken it, be it one of several (ticks.py, XEP-0198)."""
    alice = world.online("alice")
    phone, desk = (world.online("bob", resource, managed=True) for resource in ("phone", "desk"))
    world.befriend(alice, phone)
    position = tell(alice, "bob")

    def is_received() -> bool:
        [tick] = world.machine.answer(TicksWith("alice", BOB, (position,)))  # type: ignore[misc,union-attr]
        assert isinstance(tick, Tick)
        assert not tick.is_read
        return tick.is_received

    assert not is_received()
    desk.acknowledge(position)
    assert is_received()
    phone.end()
    assert is_received()


def test_nothing_is_written_for_a_message(world: World) -> None:
    """A message of either kind costs the rows it did without lists of conversations, and asking costs none."""
    alice, bob = world.online("alice"), world.online("bob")
    open_room(bob)
    enter(alice, "ally")
    before = world.scrub()
    hashes = world.machine.state_hash
    conversations(world)
    world.machine.answer(LastMessagesOf("alice", (BOB, ADDRESS)))
    assert (world.scrub(), world.machine.state_hash) == (before, hashes)
    bob.send("alice")
    say(bob, "hi")
    changed = {table for table, digest in world.scrub().items() if digest != before[table]}
    assert changed == {"message", "archive", "progress"}


def test_replicas_agree(world: World, new_world: Callable[..., World]) -> None:
    """The same log gives the same marks, hash and list on another replica."""
    alice, bob = world.online("alice"), world.online("bob")
    open_room(bob)
    enter(alice, "ally")
    positions = [tell(bob, "alice") for _ in range(3)]
    say(bob, "ally?")
    alice.send("bob", storage=0, marked=positions[1])
    said = say(bob, "ally!").position
    say(bob, "ally?")
    say(alice, "", kept=False, marked=said, stanza=b"<message type='groupchat'/>")
    other = new_world()
    for payload in world.log:
        other.log.append(payload)
        assert payload is not None
        other.machine.apply(len(other.log), 1, payload)  # type: ignore[arg-type]
    assert other.machine.state_hash == world.machine.state_hash
    assert slices(other) == slices(world)
    assert (unread(other), conversations(other)[ADDRESS][2:]) == (1, (1, 1))


def test_commands_of_releases_without_marks(world: World) -> None:
    """They are read as they were: the mark is absent, which is none."""
    alice = world.bind("alice")
    fields = msgspec.msgpack.decode(world.command(alice.message("bob"), alice.origin()))
    *fields[-1], marked = fields[-1]
    assert marked == 0
    action = decode_command(msgspec.msgpack.encode(fields)).action
    assert isinstance(action, SendMessage)
    assert action.marked == 0
