"""What sessions are owed of rooms: live, late, and exactly once (machine/rooms/deliveries.py)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine.rooms import (
    ADDRESS,
    ROOM,
    bodies,
    change_role,
    configure,
    enter,
    events_for,
    heard,
    leave,
    manage,
    open_room,
    pages,
    raise_version,
    say,
)
from machine.world import Client, World
from raftline.base.ids import CURSOR_START, Cursor
from raftline.machine.commands import DetachSession, MarkSessions, SessionMark
from raftline.machine.outcomes import CommandResult, Done, MessageArrived, cursor_of
from raftline.machine.rooms.commands import DestroyRoom
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.machine.rooms.ranks import Role


@pytest.fixture
def pair(world: World) -> tuple[Client, Client]:
    """Alice in her room; Bob, whose session can be resumed, outside."""
    raise_version(world)
    alice, bob = world.online("alice"), world.online("bob")
    manage(bob)
    open_room(alice)
    return alice, bob


def acknowledge(client: Client, cursor: Cursor) -> CommandResult:
    """Say that the client has a delivery and all before it."""
    mark = SessionMark(client.session_id, client.epoch, client.number, cursor)
    return client.world.do(MarkSessions((mark,)))


def of_room(client: Client, after: Cursor = CURSOR_START) -> list[RoomMessageArrived]:
    """What a session is owed of rooms."""
    return [event for event in pages(client, after) if isinstance(event, RoomMessageArrived)]


class TestLive:
    """One event for each node, one row for all."""

    def test_everyone_hears_it_once(self, world: World) -> None:
        """Whichever node holds the session."""
        raise_version(world)
        alice, bob = world.online("alice"), world.online("bob", node_id=2)
        carol = world.online("carol", node_id=2)
        open_room(alice)
        enter(bob, "b")
        enter(carol, "c")
        before = world.count("archive")
        result = say(bob, "hi")
        assert [(event.node_id, event.session_ids) for event in result.events] == [  # type: ignore[union-attr]
            (1, (alice.session_id,)),
            (2, (bob.session_id, carol.session_id)),
        ]
        assert world.count("archive") == before + 1
        assert world.count("inbox") == 0

    def test_it_says_who_and_where(self, pair: tuple[Client, Client]) -> None:
        """From the occupant, with its id, in the room's archive."""
        alice, bob = pair
        enter(bob, "b'<")
        [event] = events_for(say(bob, "hi"), alice, RoomMessageArrived)
        assert event.stanza.startswith(f"<message from='{ADDRESS}/b&apos;&lt;' type='groupchat'><body>hi".encode())
        assert event.stanza.count(b"<occupant-id ") == 1
        assert event.owner == ADDRESS


class TestLate:
    """What a session is owed follows from its visits."""

    def test_messages_of_the_visit(self, pair: tuple[Client, Client]) -> None:
        """Under the position that they had live; none before it came, none after it left."""
        alice, bob = pair
        configure(alice, history_count=0)
        say(alice, "before")
        enter(bob, "b")
        lives = [say(alice, "one").position, say(bob, "two").position]
        leave(bob)
        say(alice, "after")
        owed = of_room(bob)
        assert bodies(owed) == ["", "one", "two"]
        assert [event.position for event in owed[1:]] == lives
        assert all(event.session_ids == (bob.session_id,) for event in owed)

    def test_in_order_with_messages_of_accounts(self, pair: tuple[Client, Client]) -> None:
        """One cursor tells of both."""
        alice, bob = pair
        enter(bob, "b")
        say(alice, "one")
        alice.send("bob", "two")
        say(alice, "three")
        texts = [
            event.stanza.decode().partition("<body>")[2].partition("</body>")[0]
            for event in pages(bob, limit=1)  # type: ignore[union-attr]
        ]
        assert texts == ["", "one", "two", "three"]

    def test_what_is_acknowledged_is_not_owed(self, pair: tuple[Client, Client]) -> None:
        """Nor is the visit kept, once its end is acknowledged."""
        alice, bob = pair
        enter(bob, "b")
        first, second = say(alice, "one"), say(alice, "two")
        leave(bob)
        last = alice.send("bob", "three")
        progress = Cursor(first.position, first.position)
        acknowledge(bob, progress)
        assert bodies(of_room(bob, progress)) == ["two"]
        acknowledge(bob, Cursor(second.position, second.position))
        assert alice.world.count("visit") == 2
        acknowledge(bob, Cursor(last.position, last.position))
        assert alice.world.count("visit") == 1

    def test_who_leaves_without_a_debt_is_forgotten(self, pair: tuple[Client, Client]) -> None:
        """Nothing was said."""
        alice, bob = pair
        enter(bob, "b")
        leave(bob)
        assert alice.world.count("visit") == 1

    def test_a_session_that_waits_is_owed(self, pair: tuple[Client, Client]) -> None:
        """It is in the room all the while."""
        alice, bob = pair
        enter(bob, "b")
        alice.world.do(DetachSession(bob.session_id, bob.epoch))
        say(alice, "one")
        assert bodies(of_room(bob)) == ["", "one"]

    def test_the_end_of_a_session_is_the_end_of_its_debts(self, pair: tuple[Client, Client]) -> None:
        """Its next session asks the archive."""
        alice, bob = pair
        enter(bob, "b")
        say(alice, "one")
        bob.end()
        assert alice.world.count("visit") == 1

    def test_a_destroyed_room_pays_its_debts(self, pair: tuple[Client, Client]) -> None:
        """Its archive is deleted once everyone has it."""
        alice, bob = pair
        enter(bob, "b")
        said = say(alice, "one")
        assert alice.do(DestroyRoom(ROOM)).outcome == Done()
        for number in range(3):
            alice.send("carol", str(number))
        assert bodies(of_room(bob)) == ["", "one"]
        count = alice.world.count("archive")
        last = alice.send("bob", "done")
        acknowledge(bob, Cursor(last.position, last.position))
        alice.send("carol", "more")
        alice.send("carol", "more")
        assert alice.world.count("archive") == count + 6 - 1
        assert alice.world.count("doomed") == 0
        assert said.position not in [event.position for event in of_room(bob)]

    def test_debts_of_two_rooms(self, pair: tuple[Client, Client]) -> None:
        """Merged by where they are in the log."""
        alice, bob = pair
        enter(alice, "a", room="other")
        enter(bob, "b")
        enter(bob, "b", room="third")
        say(alice, "one")
        say(bob, "two", room="third")
        say(alice, "three")
        assert [text for text in bodies(of_room(bob)) if text] == ["one", "two", "three"]


class TestUnarchived:
    """What no archive keeps has a row in each inbox."""

    @pytest.mark.parametrize("archived", [True, False])
    def test_is_owed_all_the_same(self, pair: tuple[Client, Client], archived: bool) -> None:
        """In a room without an archive, or by the wish of who speaks; deleted once it is acknowledged."""
        alice, bob = pair
        configure(alice, archived=archived)
        enter(bob, "b")
        result = say(alice, "one", kept=not archived)
        assert heard(result, bob) == ["one"]
        assert bodies(of_room(bob)) == ["", "one"]
        assert of_room(bob)[1].owner == ""
        acknowledge(bob, Cursor(result.position, result.position))
        assert (alice.world.count("message"), alice.world.count("inbox")) == (0, 0)

    def test_is_no_history(self, pair: tuple[Client, Client]) -> None:
        """Nobody who comes later sees it."""
        alice, bob = pair
        configure(alice, archived=False)
        say(alice, "one")
        assert heard(enter(bob, "b"), bob) == [""]

    def test_an_ended_session_lets_go(self, pair: tuple[Client, Client]) -> None:
        """The message goes with the last row."""
        alice, bob = pair
        configure(alice, archived=False)
        enter(bob, "b")
        say(alice, "one")
        bob.end()
        assert (alice.world.count("message"), alice.world.count("offline")) == (0, 0)

    def test_who_owes_too_much(self, pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch) -> None:
        """Both sides of the limit: a session that only waits ends."""
        monkeypatch.setattr("raftline.machine.rooms.deliveries.INBOX_MESSAGE_COUNT_MAX", 2)
        alice, bob = pair
        configure(alice, archived=False)
        enter(bob, "b")
        alice.world.do(DetachSession(bob.session_id, bob.epoch))
        say(alice, "one")
        say(alice, "two")
        assert bodies(of_room(bob)) == ["", "one", "two"]
        say(alice, "three")
        assert alice.world.count("inbox") == 0
        assert alice.world.count("occupant") == 1


class TestSection7213History:
    """7.2.13 to 7.2.15: what a newcomer is shown."""

    def test_the_latest_and_the_subject(self, pair: tuple[Client, Client]) -> None:
        """As many as the room says, the oldest first, the subject last, delayed but for an empty one."""
        alice, bob = pair
        configure(alice, history_count=2)
        for number in range(3):
            say(alice, str(number))
        events = events_for(enter(bob, "b"), bob, RoomMessageArrived)
        assert bodies(events) == ["1", "2", ""]
        assert [event.delayed_ms is not None for event in events] == [True, True, False]
        assert b"<subject/>" in events[-1].stanza

    def test_the_subject_that_was_set(self, pair: tuple[Client, Client]) -> None:
        """8.1: by whoever set it."""
        alice, bob = pair
        say(alice, "", stanza=b"<message type='groupchat'><subject>Bees</subject></message>", is_subject=True)
        last = events_for(enter(bob, "b"), bob, RoomMessageArrived)[-1]
        assert b"<subject>Bees</subject>" in last.stanza
        assert f"from='{ADDRESS}/owner'".encode() in last.stanza

    @pytest.mark.parametrize(
        ("wish", "expected"),
        [
            ({"history_count": 0}, []),
            ({"history_count": 1}, ["3"]),
            ({"history_count": 99}, ["1", "2", "3"]),
            ({"history_chars": 0}, []),
            ({"history_seconds": 0}, ["3"]),
            ({"history_seconds": 10}, ["2", "3"]),
            ({"history_since_ms": 1_700_000_010_000}, ["2", "3"]),
            ({"history_since_ms": 1_700_000_010_001}, ["3"]),
        ],
    )
    def test_what_the_newcomer_wishes(
        self, pair: tuple[Client, Client], wish: dict[str, int], expected: list[str]
    ) -> None:
        """7.2.14: by count, size and age."""
        alice, bob = pair
        for number in range(1, 4):
            alice.world.time_ms = 1_700_000_000_000 + (number - 1) * 10_000
            say(alice, str(number))
        assert heard(enter(bob, "b", **wish), bob) == [*expected, ""]

    def test_it_is_owed_like_the_rest(self, pair: tuple[Client, Client]) -> None:
        """By the command that entered: before the subject, and before what was said since."""
        alice, bob = pair
        say(alice, "one")
        live = events_for(enter(bob, "b"), bob, RoomMessageArrived)
        say(alice, "two")
        owed = of_room(bob)
        assert bodies(owed) == ["one", "", "two"]
        assert [cursor_of(event) for event in owed[:2]] == [cursor_of(event) for event in live]
        assert bodies(of_room(bob, cursor_of(live[0]))) == ["", "two"]


WORDS = st.lists(
    st.sampled_from(
        ["say", "say", "say", "whisper", "unkept", "enter", "leave", "again", "kick", "acknowledge", "flood"]
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(words=WORDS, data=st.data())
def test_pages_are_what_was_live(words: list[str], data: st.DataObject) -> None:
    """
    Whatever happens, a session that continues from any cursor it had is told exactly what it was told live after it.

    History and subject of a visit that is over and owes nothing else may be missing: nobody wants them any more.
    """
    world = World()
    for name in ("alice", "bob"):
        world.account(name)
    raise_version(world)
    alice, bob = world.online("alice"), world.online("bob")
    manage(bob)
    open_room(alice, history_count=3)
    live: list[MessageArrived | RoomMessageArrived] = []
    acknowledged = CURSOR_START

    def did(result: CommandResult) -> None:
        live.extend(events_for(result, bob, RoomMessageArrived))
        live.extend(events_for(result, bob, MessageArrived))

    for word in words:
        match word:
            case "say":
                did(say(alice, "s"))
            case "flood":
                for _ in range(4):
                    did(say(alice, "f"))
            case "whisper":
                did(alice.send("bob", "w"))
            case "unkept":
                did(say(alice, "u", kept=False))
            case "enter" | "again":
                did(enter(bob, "b"))
            case "leave":
                did(leave(bob))
            case "kick":
                did(change_role(alice, "b", Role.NONE))
            case "acknowledge" if live:
                acknowledged = max(acknowledged, cursor_of(data.draw(st.sampled_from(live))))
                acknowledge(bob, acknowledged)
    told = pages(bob, acknowledged, limit=data.draw(st.integers(1, 5)))
    found = [(cursor_of(event), event.stanza) for event in told]  # type: ignore[arg-type, union-attr]
    wanted = [(cursor_of(event), event.stanza) for event in live if cursor_of(event) > acknowledged]
    visits = set(world.machine._context.visits.of(bob.session_id))
    needed = [entry for entry in wanted if entry[0].delivered == entry[0].position or entry[0].delivered in visits]
    needed = [entry for entry in needed if b"<subject/>" not in entry[1] or entry[0].delivered in visits]
    assert found == needed
    world.machine.close()
