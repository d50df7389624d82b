"""Timers of the log (machine/timers): messages that disappear (XEP-0466), by cluster time, on every replica alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from machine.rooms import configure, enter, manage, open_room
from machine.rooms import say as speak
from machine.world import DOMAIN, Client, World, arrivals
from raftline.base.ids import CURSOR_START, NodeId, Position
from raftline.base.limits import EPHEMERAL_TIMER_S_MAX, EPHEMERAL_TIMER_S_MIN, EXPIRED_MESSAGE_COUNT_MAX
from raftline.machine.commands import (
    CarryOutDue,
    Command,
    DeleteAccount,
    DetachSession,
    EnableManagement,
    decode_command,
    encode_command,
)
from raftline.machine.database import checkpoint
from raftline.machine.history.commands import Retraction
from raftline.machine.history.queries import SearchArchive
from raftline.machine.message_commands import SendEphemeral, Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import CommandResult, Done, Rejected
from raftline.machine.queries import ArchivePage, InboxPage, NextExpiry
from raftline.machine.rooms.commands import SpeakInRoom, WhisperInRoom
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.machine.timers import due
from raftline.machine.versions import FEATURES_SINCE

SECRET = "nevermoreseen"
MINUTE_S = 60


@pytest.fixture
def world(world: World) -> World:
    """Three accounts, under the version that knows timers."""
    world.do(RaiseVersion(FEATURES_SINCE))
    return world


def element(timer_s: int) -> str:
    """Write the element of XEP-0466."""
    return f"<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='{timer_s}'/>"


def ephemeral(client: Client, to: str, timer_s: int = MINUTE_S, text: str = SECRET, **changes: object) -> SendEphemeral:
    """Write the command of a message that disappears."""
    stanza = (
        f"<message from='{client.full_jid}' to='{to}@{DOMAIN}' id='m1'><body>{text}</body>{element(timer_s)}</message>"
    )
    message = client.message(to, stanza=stanza.encode(), **changes)
    return SendEphemeral(*(getattr(message, name) for name in message.__struct_fields__), timer_s=timer_s)


def send(client: Client, to: str, timer_s: int = MINUTE_S, text: str = SECRET, **changes: object) -> Position:
    """Send a message that disappears; return its position."""
    result = client.do(ephemeral(client, to, timer_s, text, **changes))
    assert result.outcome == Done()
    return result.position


def pass_time(world: World, seconds: float) -> CommandResult:
    """Let time pass, and what is due happen."""
    world.time_ms += round(1000 * seconds)
    return world.do(CarryOutDue())


def holds(world: World, text: str = SECRET) -> bool:
    """Whether a text is in any row of a message."""
    world.machine._context.rows.flush()
    sql = "SELECT EXISTS (SELECT 1 FROM message WHERE instr(stanza, ?))"
    return bool(world.machine._database.execute(sql, (text.encode(),)).fetchone()[0])


def archived(world: World, owner: str) -> list[bytes]:
    """The stanzas of an archive."""
    return [row.stanza for row in world.machine.answer(ArchivePage(owner, limit=100)).rows]


class TestDisappearing:
    """The content of a message is gone when its time is over, wherever it was."""

    def test_what_remains(self, world: World) -> None:
        """The start tag, and the timer: in both archives, at the same place."""
        alice = world.bind("alice")
        send(alice, "bob")
        before, after = alice.send("bob", "before"), pass_time(world, MINUTE_S)
        assert (before.outcome, after.outcome, after.events) == (Done(), Done(), [])
        remains = f"<message from='alice@{DOMAIN}/r' to='bob@{DOMAIN}' id='m1'>{element(MINUTE_S)}</message>".encode()
        assert archived(world, "alice")[0] == archived(world, "bob")[0] == remains
        assert len(archived(world, "bob")) == 2
        assert world.count("message_timer") == 0
        assert world.machine.take_faults() == []

    def test_to_the_millisecond_of_cluster_time(self, world: World) -> None:
        """Not before the time of an entry has come to it; nor by a command alone."""
        alice = world.bind("alice")
        due_ms = world.time_ms + 1000 * MINUTE_S
        send(alice, "bob")
        assert world.machine.answer(NextExpiry()) == due_ms
        pass_time(world, MINUTE_S - 0.001)
        assert holds(world)
        pass_time(world, 0.001)
        assert not holds(world)
        assert world.machine.answer(NextExpiry()) is None

    def test_nothing_else(self, world: World) -> None:
        """Neither a message without a timer nor one whose time has not come changes by a byte."""
        alice = world.bind("alice")
        alice.send("bob", "stays")
        send(alice, "bob", 2 * MINUTE_S, "later")
        kept = archived(world, "bob")
        send(alice, "bob")
        pass_time(world, MINUTE_S)
        assert archived(world, "bob")[:2] == kept

    def test_what_devices_are_owed(self, world: World) -> None:
        """A device that comes back late, and one that was away, are given what remains."""
        alice, bob = world.bind("alice"), world.online("bob", managed=True)
        send(alice, "bob")
        send(alice, "carol")
        pass_time(world, MINUTE_S)
        carol = world.bind("carol")
        late = arrivals(carol.present(), carol)
        owed = world.machine.answer(InboxPage(bob.session_id, CURSOR_START))
        assert [len(events) for events in (late, owed)] == [1, 1]
        for event in (*late, *owed):
            assert SECRET.encode() not in event.stanza
            assert element(MINUTE_S).encode() in event.stanza

    def test_what_no_archive_keeps(self, world: World) -> None:
        """It disappears from where it waits."""
        alice = world.bind("alice")
        send(alice, "bob", storage=int(Storage.OFFLINE))
        pass_time(world, MINUTE_S)
        assert not holds(world)
        bob = world.bind("bob")
        assert len(arrivals(bob.present(), bob)) == 1
        assert world.count("message") == 0

    def test_what_is_gone_before(self, world: World) -> None:
        """A message that its last holder has let go, and an account that is deleted, leave nothing to be done."""
        alice, bob = world.bind("alice"), world.online("bob", managed=True)
        position = send(alice, "bob", storage=int(Storage.OFFLINE))
        bob.acknowledge(position)
        send(alice, "carol")
        for localpart in ("alice", "carol"):
            world.do(DeleteAccount(localpart))
        assert world.count("message") == 0
        assert world.count("message_timer") == 2
        assert pass_time(world, MINUTE_S).outcome == Done()
        assert world.count("message_timer") == 0

    def test_to_nobody(self, world: World) -> None:
        """A message that nobody keeps has no timer."""
        send(world.bind("alice"), "nobody", storage=0)
        assert world.count("message_timer") == 0

    def test_taken_back_before(self, world: World) -> None:
        """A tombstone says more than that a message has disappeared, so it stays one."""
        alice = world.bind("alice")
        position = send(alice, "bob")
        alice.send("bob", "taken back", retraction=Retraction((position,), b"<retracted stamp='", b"'/>"))
        tombstone = archived(world, "bob")[0]
        assert b"<retracted" in tombstone
        assert world.count("message_timer") == 0
        pass_time(world, MINUTE_S)
        assert archived(world, "bob")[0] == tombstone

    def test_words_of_the_index(self, world: World) -> None:
        """A message that was found by a word is found no more."""
        alice = world.bind("alice")
        send(alice, "bob")
        world.machine.index_some(100)
        query = SearchArchive(ArchivePage("bob"), SECRET)
        assert len(world.machine.answer(query).rows) == 1
        pass_time(world, MINUTE_S)
        assert world.machine.answer(query).rows == []


class TestLimits:
    """Bounds of a timer, of a step, and of versions."""

    @pytest.mark.parametrize("timer_s", [EPHEMERAL_TIMER_S_MIN, EPHEMERAL_TIMER_S_MAX])
    def test_shortest_and_longest(self, world: World, timer_s: int) -> None:
        """They count to the second."""
        alice = world.bind("alice")
        send(alice, "bob", timer_s)
        pass_time(world, timer_s - 1)
        assert holds(world)
        pass_time(world, 1)
        assert not holds(world)

    @pytest.mark.parametrize("timer_s", [EPHEMERAL_TIMER_S_MIN - 1, EPHEMERAL_TIMER_S_MAX + 1])
    def test_beyond(self, world: World, timer_s: int) -> None:
        """No proposer writes that, so the command is refused as a whole and nothing is kept."""
        result = world.bind("alice").do(ephemeral(world.bind("alice", "s"), "bob", timer_s))
        assert isinstance(result.outcome, Rejected)
        assert not holds(world)

    @pytest.mark.parametrize("timer_s", [-1, EPHEMERAL_TIMER_S_MAX + 1])
    def test_beyond_in_rooms(self, world: World, timer_s: int) -> None:
        """Nor in rooms, be it to all or to one."""
        alice = world.bind("alice")
        open_room(alice)
        for action in (
            SpeakInRoom(
                "den", b"<message/>", is_subject=False, kept=True, origin_id="", fingerprint=b"", timer_s=timer_s
            ),
            WhisperInRoom("den", "owner", b"<message/>", timer_s),
        ):
            assert isinstance(alice.do(action).outcome, Rejected)
            alice.number -= 1
        assert isinstance(configure(alice, message_timer_s=timer_s).outcome, Rejected)

    def test_so_many_at_once(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """One command takes so many, the longest overdue first; the next takes the rest."""
        [kind] = [kind for kind in due.KINDS if kind.table(world.machine._context).definition.name == "message_timer"]
        assert kind.count_max == EXPIRED_MESSAGE_COUNT_MAX
        monkeypatch.setattr(due, "KINDS", (kind._replace(count_max=2),))
        alice = world.bind("alice")
        for number in (3, 1, 2):
            send(alice, "bob", number, f"text {number}")
        assert world.machine.answer(NextExpiry()) == world.time_ms + 1000
        pass_time(world, 3)
        assert [holds(world, f"text {number}") for number in (1, 2, 3)] == [False, False, True]
        pass_time(world, 0)
        assert not holds(world, "text")

    def test_it_counts_from_its_version_on(self, new_world: Callable[..., World]) -> None:
        """Before all members know it, it is refused as older releases refuse it: nothing is kept that was to go."""
        world = new_world()
        for localpart in ("alice", "bob"):
            world.account(localpart)
        alice = world.bind("alice")
        assert isinstance(alice.do(ephemeral(alice, "bob")).outcome, Rejected)
        assert not holds(world)

    def test_it_travels(self, world: World) -> None:
        """The command reads back as it was written, and is a message with one field more."""
        alice = world.bind("alice")
        action = ephemeral(alice, "bob")
        command = Command(NodeId(1), 1, 1, b"s" * 16, alice.origin(), action)
        assert decode_command(encode_command(command)).action == action

    def test_kinds_together(self, world: World) -> None:
        """Sessions and messages that are due go by one command; the next is what is due first."""
        alice, bob = world.bind("alice"), world.bind("bob")
        world.do(EnableManagement(bob.session_id, bob.epoch, 0, b"t" * 16, 30))
        world.do(DetachSession(bob.session_id, bob.epoch))
        send(alice, "carol")
        assert world.machine.answer(NextExpiry()) == world.time_ms + 30_000
        pass_time(world, MINUTE_S)
        assert (world.count("session"), world.count("message_timer")) == (1, 0)


class TestRooms:
    """In rooms the sender sets a time, or the room does."""

    @pytest.fixture
    def alice(self, world: World) -> Client:
        """The owner of a room."""
        return world.online("alice")

    def say(self, client: Client, timer_s: int, **changes: object) -> CommandResult:
        """Say something that disappears."""
        stanza = f"<message type='groupchat'><body>{SECRET}</body>{element(timer_s)}</message>".encode()
        return speak(client, "", stanza=stanza, timer_s=timer_s, **changes)

    def archive(self, world: World) -> list[bytes]:
        """The messages that are there."""
        world.machine._context.rows.flush()
        return [row[0] for row in world.machine._database.execute("SELECT stanza FROM message ORDER BY position")]

    def test_what_remains(self, world: World, alice: Client) -> None:
        """Speaker, occupant id and timer, in the room's archive and for who is owed it."""
        open_room(alice)
        bob = world.online("bob", managed=True)
        enter(bob, "bob")
        self.say(alice, MINUTE_S)
        pass_time(world, MINUTE_S)
        [remains] = self.archive(world)
        assert remains.startswith(f"<message from='den@conference.{DOMAIN}/owner' type='groupchat'>".encode())
        assert element(MINUTE_S).encode() + b"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='" in remains
        owed = world.machine.answer(InboxPage(bob.session_id, CURSOR_START))
        assert remains in [event.stanza for event in owed]
        assert not holds(world)

    def test_without_an_archive(self, world: World, alice: Client) -> None:
        """What each is owed alone disappears as well."""
        open_room(alice, archived=False)
        manage(alice)
        self.say(alice, MINUTE_S)
        assert holds(world)
        pass_time(world, MINUTE_S)
        assert not holds(world)
        assert len(self.archive(world)) == 1

    def test_the_time_of_the_room(self, world: World, alice: Client) -> None:
        """What is said without a time is given that of the room, and says so to everyone."""
        open_room(alice, message_timer_s=MINUTE_S)
        result = speak(alice, SECRET)
        [event] = [event for event in result.events if isinstance(event, RoomMessageArrived)]
        assert element(MINUTE_S).encode() in event.stanza
        pass_time(world, MINUTE_S)
        assert not holds(world)

    @pytest.mark.parametrize(("own_s", "gone_s"), [(30, 30), (90, 60)])
    def test_the_shorter_of_two(self, world: World, alice: Client, own_s: int, gone_s: int) -> None:
        """A sender may be stricter than the room, not laxer; what the sender wrote is left as it is."""
        open_room(alice, message_timer_s=60)
        self.say(alice, own_s)
        assert holds(world, element(own_s))
        assert not holds(world, element(60))
        pass_time(world, gone_s - 1)
        assert holds(world)
        pass_time(world, 1)
        assert not holds(world)

    def test_the_subject_stays(self, world: World, alice: Client) -> None:
        """It is the room's and no message, so the room's time is not its own, and one of its own is refused."""
        open_room(alice, message_timer_s=MINUTE_S)
        subject = b"<message type='groupchat'><subject>Cats</subject></message>"
        outcome = speak(alice, "", stanza=subject, is_subject=True, timer_s=MINUTE_S).outcome
        assert isinstance(outcome, Rejected)
        assert (outcome.condition, outcome.kind) == ("not-acceptable", "modify")
        assert speak(alice, "", stanza=subject, is_subject=True).outcome == Done()
        pass_time(world, MINUTE_S)
        assert holds(world, "Cats")

    @pytest.mark.parametrize("room_s", [0, 30])
    def test_to_one_occupant(self, world: World, alice: Client, room_s: int) -> None:
        """What one is owed disappears by its own time or the room's."""
        open_room(alice, message_timer_s=room_s)
        bob = world.online("bob", managed=True)
        enter(bob, "bob")
        own_s = 0 if room_s else MINUTE_S
        written = element(own_s) if own_s else ""
        stanza = f"<message type='chat'><body>{SECRET}</body>{written}</message>".encode()
        alice.do(WhisperInRoom("den", "bob", stanza, own_s))
        pass_time(world, (room_s or own_s) - 1)
        assert holds(world)
        pass_time(world, 1)
        assert not holds(world)
        [remains] = self.archive(world)
        assert element(room_s or own_s).encode() in remains
        assert b"http://jabber.org/protocol/muc#user" in remains

    def test_another_time_of_the_room(self, world: World, alice: Client) -> None:
        """It counts for what is said from then on: the timer of a message that was sent cannot be changed."""
        open_room(alice, message_timer_s=MINUTE_S)
        speak(alice, SECRET)
        configure(alice, message_timer_s=0)
        speak(alice, "stays")
        pass_time(world, MINUTE_S)
        assert (holds(world), holds(world, "stays")) == (False, True)


class TestReplicas:
    """The same on every node, and nothing left on any disk."""

    def make(self, new_world: Callable[..., World], path: Path) -> World:
        """A machine with a file, and two accounts."""
        world = new_world(path)
        for localpart in ("alice", "bob"):
            world.account(localpart)
        world.do(RaiseVersion(FEATURES_SINCE))
        return world

    def test_replicas_agree(self, new_world: Callable[..., World], tmp_path: Path) -> None:
        """A replica that applies the log anew comes to the same rows and hash, whatever its own clock says."""
        world = self.make(new_world, tmp_path / "one")
        alice = world.bind("alice")
        for number in range(5):
            send(alice, "bob", 10 + number, f"text {number}")
        world.machine.index_some(3)
        pass_time(world, 12)
        twin = new_world(tmp_path / "two")
        twin.log = list(world.log)
        twin.reopen(commit=False)
        assert twin.machine.state_hash == world.machine.state_hash
        assert twin.scrub() == world.scrub()
        assert [holds(twin, f"text {number}") for number in range(5)] == [False, False, False, True, True]

    @pytest.mark.parametrize("padding", [0, 20_000])
    @pytest.mark.parametrize("is_indexed", [False, True])
    def test_nothing_on_the_disk(
        self, new_world: Callable[..., World], tmp_path: Path, padding: int, *, is_indexed: bool
    ) -> None:
        """Once the write-ahead file is moved, no page holds the text, be it long, or a word of the index."""
        world = self.make(new_world, tmp_path / "state")
        alice = world.bind("alice")
        for number in range(50):
            alice.send("bob", f"filler {number}")
        send(alice, "bob", text=f"{'x ' * (padding // 2)} {SECRET} {'y ' * (padding // 2)}")
        if is_indexed:
            world.machine.index_some(1000)
        world.machine.commit()
        checkpoint(tmp_path / "state")
        assert self.is_on_disk(tmp_path / "state")
        pass_time(world, MINUTE_S)
        world.machine.commit()
        checkpoint(tmp_path / "state", truncate=True)
        assert not self.is_on_disk(tmp_path / "state")

    def is_on_disk(self, path: Path) -> bool:
        """Whether any file of the database has the text."""
        files = [path, path.with_name(f"{path.name}-wal")]
        return any(SECRET.encode() in file.read_bytes() for file in files if file.exists())
