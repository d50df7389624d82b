"""Retention: limits travel in the log, and what is older goes in steps, by log time, from everywhere."""

from __future__ import annotations

import pytest

from machine.rooms import enter, open_room
from machine.rooms import say as say_in_room
from machine.test_reports import block, report, texts
from machine.test_search_index import index_all, words
from machine.test_uploads import condition, slot, store, stored, view_of
from machine.world import START_MS, Client, World
from raftline.base.ids import LogIndex, Term
from raftline.base.limits import RETENTION_AGE_MAX_MS, RETENTION_AGE_MIN_MS, RETENTION_ROUND_MS
from raftline.machine.commands import CarryOutDue, DeleteAccount, EnableManagement
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done
from raftline.machine.queries import ArchivePage, NextExpiry
from raftline.machine.retention import deletion
from raftline.machine.retention.commands import RetentionLimit, SetRetention
from raftline.machine.retention.queries import RetentionRules
from raftline.machine.retention.rules import KINDS
from raftline.machine.retention.tables import RetentionRule

DAY_MS = RETENTION_AGE_MIN_MS


@pytest.fixture
def world(world: World) -> World:
    """Under the version that knows retention."""
    world.do(RaiseVersion(3))
    return world


def limit(world: World, **ages_ms: int) -> None:
    """Set limits, by kind."""
    limits = tuple(RetentionLimit(kind.replace("_", "-"), age_ms) for kind, age_ms in ages_ms.items())
    assert world.do(SetRetention(limits)).outcome == Done()


def go_on(world: World, time_ms: int) -> None:
    """Let it be this time, and carry out what is due by then, as a leader does."""
    world.time_ms = time_ms
    while True:
        due_ms = world.machine.answer(NextExpiry())
        if not isinstance(due_ms, int) or due_ms > time_ms + deletion.STEP_MS:
            return
        world.time_ms = max(world.time_ms, due_ms)
        assert world.do(CarryOutDue()).outcome == Done()


def bodies(world: World, owner: str = "bob") -> list[bytes]:
    """Return what an archive holds."""
    rows = world.machine.answer(ArchivePage(owner, limit=50)).rows  # type: ignore[union-attr]
    return [row.stanza.partition(b"<body>")[2].partition(b"</body>")[0] for row in rows]


def chat(world: World, count: int = 1, start_ms: int = START_MS) -> Client:
    """Let alice say numbers to bob, one a second."""
    alice = world.bind("alice")
    bob = world.bind("bob")
    bob.present()
    for number in range(count):
        world.time_ms = start_ms + 1000 * number
        alice.send("bob", str(number))
    return alice


def in_rooms(world: World) -> int:
    """Count messages in archives of rooms."""
    sql = "SELECT count(*) FROM archive WHERE owner_id IN (SELECT room_id FROM room)"
    for table in ("archive", "room"):
        world.count(table)  # writes what waits
    return int(world.machine._database.execute(sql).fetchone()[0])


class TestRules:
    """SetRetention."""

    def test_limits_are_set_changed_and_taken_away(self, world: World) -> None:
        """Those that are not named stay."""
        limit(world, uploads=DAY_MS, reports=2 * DAY_MS)
        limit(world, uploads=3 * DAY_MS)
        rules = world.machine.answer(RetentionRules())
        assert [rule[:2] for rule in rules] == [("reports", 2 * DAY_MS), ("uploads", 3 * DAY_MS)]  # type: ignore[union-attr]
        limit(world, uploads=0)
        assert [rule.kind for rule in world.machine.answer(RetentionRules())] == ["reports"]  # type: ignore[union-attr]

    def test_the_same_again_begins_nothing_anew(self, world: World) -> None:
        """A round that is under way, or rests, goes on."""
        limit(world, reports=DAY_MS)
        go_on(world, world.time_ms)
        (before,) = world.machine.answer(RetentionRules())  # type: ignore[misc]
        limit(world, reports=DAY_MS)
        assert world.machine.answer(RetentionRules()) == [before]
        assert isinstance(before, RetentionRule)
        assert before.due_ms == world.time_ms + RETENTION_ROUND_MS

    @pytest.mark.parametrize(
        ("kind", "age_ms", "is_taken"),
        [
            *((kind, DAY_MS, True) for kind in KINDS),
            ("uploads", RETENTION_AGE_MIN_MS - 1, False),
            ("uploads", RETENTION_AGE_MAX_MS, True),
            ("uploads", RETENTION_AGE_MAX_MS + 1, False),
            ("passwords", DAY_MS, False),
        ],
    )
    def test_bounds(self, world: World, kind: str, age_ms: int, is_taken: bool) -> None:
        """Both sides of each; one that cannot be keeps the others from being set."""
        limits = (RetentionLimit(kind, age_ms), RetentionLimit("reports" if kind != "reports" else "uploads", DAY_MS))
        outcome = world.do(SetRetention(limits)).outcome
        assert (outcome == Done()) == is_taken
        assert len(world.machine.answer(RetentionRules())) == (2 if is_taken else 0)  # type: ignore[arg-type]

    def test_twice_the_same_kind(self, world: World) -> None:
        """Nobody knows which one is meant."""
        twice = (RetentionLimit("uploads", DAY_MS), RetentionLimit("uploads", 2 * DAY_MS))
        assert condition(world.do(SetRetention(twice)).outcome) == "bad-request"

    def test_it_needs_machine_version_3(self) -> None:
        """Before, it is a command that nobody can read."""
        assert condition(World().do(SetRetention(())).outcome) == "bad-request"


class TestArchives:
    """Messages leave archives."""

    def test_both_sides_of_the_limit(self, world: World) -> None:
        """What is as old as the limit stays, what is a millisecond older goes."""
        chat(world, 2)
        limit(world, account_archives=DAY_MS)
        go_on(world, START_MS + DAY_MS)
        assert bodies(world) == [b"0", b"1"]
        go_on(world, START_MS + DAY_MS + RETENTION_ROUND_MS)
        assert (bodies(world), bodies(world, "alice")) == ([], [])

    def test_only_what_is_older(self, world: World) -> None:
        """The round that follows finds what became too old meanwhile."""
        chat(world, 3)
        limit(world, account_archives=DAY_MS)
        go_on(world, START_MS + DAY_MS + 1_001)
        assert bodies(world) == [b"2"]

    def test_the_message_goes_with_its_last_archive(self, world: World) -> None:
        """Its row, and its words in the search index."""
        chat(world).send("bob", "cup of tea")
        index_all(world)
        assert words(world) == 1
        limit(world, account_archives=DAY_MS)
        go_on(world, START_MS + DAY_MS + 1)
        assert (world.count("message"), words(world)) == (0, 0)

    def test_offline_messages_go_along(self, world: World) -> None:
        """Who never came back finds neither in the archive nor waiting what is too old."""
        world.bind("alice").send("carol")
        assert world.count("offline") == 1
        limit(world, account_archives=DAY_MS)
        go_on(world, START_MS + DAY_MS + 1)
        assert (world.count("offline"), world.count("message")) == (0, 0)
        assert world.bind("carol").present().outcome == Done()

    def test_what_a_device_is_owed_stays(self, world: World) -> None:
        """Until it has it; then it goes in the next round."""
        alice, bob = world.bind("alice"), world.bind("bob")
        world.do(EnableManagement(bob.session_id, bob.epoch))
        bob.present()
        position = alice.send("bob").position
        limit(world, account_archives=DAY_MS)
        go_on(world, START_MS + DAY_MS + 1)
        assert (bodies(world), bodies(world, "alice")) == ([b"hi"], [])
        bob.acknowledge(position)
        go_on(world, world.time_ms + RETENTION_ROUND_MS)
        assert (bodies(world), world.count("message")) == ([], 0)

    def test_rooms_have_a_limit_of_their_own(self, world: World) -> None:
        """What is said in a room goes by the rooms' limit, and leaves the accounts' archives alone."""
        owner = world.bind("alice")
        open_room(owner)
        guest = world.bind("bob")
        enter(guest, "guest")
        say_in_room(owner, "in the room")
        owner.send("bob", "between us")
        limit(world, room_archives=DAY_MS)
        assert in_rooms(world) == 1
        go_on(world, START_MS + DAY_MS + 1)
        assert (in_rooms(world), bodies(world)) == (0, [b"between us"])
        limit(world, room_archives=0, account_archives=DAY_MS)
        go_on(world, world.time_ms + RETENTION_ROUND_MS)
        assert bodies(world) == []

    def test_in_steps(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A step takes so many rows and looks into so many archives; what one leaves, the next takes."""
        monkeypatch.setattr(deletion, "RETENTION_ROW_COUNT_MAX", 2)
        monkeypatch.setattr(deletion, "RETENTION_OWNER_COUNT_MAX", 1)
        chat(world, 5)
        limit(world, account_archives=DAY_MS)
        world.time_ms = START_MS + 2 * DAY_MS
        counts = []
        for _ in range(8):
            world.time_ms += deletion.STEP_MS
            world.do(CarryOutDue())
            counts.append(world.count("archive"))
        assert counts[:6] == [8, 6, 5, 3, 1, 0]

    def test_nothing_happens_without_a_limit(self, world: World) -> None:
        """For ever is what operators get who say nothing."""
        chat(world)
        go_on(world, START_MS + RETENTION_AGE_MAX_MS)
        assert bodies(world) == [b"0"]


class TestOthers:
    """Uploads, reports, deleted accounts."""

    def test_uploads(self, world: World) -> None:
        """Whatever was said when the slot was opened; the bytes are nobody's then. Over is what is over at once."""
        alice = world.bind("alice")
        alice.do(slot())
        world.do(store())
        limit(world, uploads=DAY_MS)
        view = view_of(world)
        assert view is not None
        assert (view.until_ms, view.is_over) == (START_MS + DAY_MS + 1, False)
        go_on(world, START_MS + DAY_MS)
        assert len(stored(world)) == 1
        world.time_ms = START_MS + DAY_MS + 1
        world.apply_empty()
        world.do(RaiseVersion(3))
        view = view_of(world)
        assert view is not None
        assert view.is_over
        go_on(world, world.time_ms + RETENTION_ROUND_MS)
        assert (stored(world), view_of(world)) == ([], None)

    def test_reports(self, world: World) -> None:
        """The oldest first."""
        alice = world.bind("alice")
        block(alice, report("old"))
        world.time_ms = START_MS + 1
        block(alice, report("new"))
        limit(world, reports=DAY_MS)
        go_on(world, START_MS + DAY_MS)
        assert texts(world) == ["new", "old"]
        limit(world, reports=2 * DAY_MS)
        limit(world, reports=DAY_MS)
        go_on(world, START_MS + DAY_MS + 1)
        assert texts(world) == ["new"]

    def test_deleted_accounts(self, world: World) -> None:
        """What is left of them waits for so long, unseen; without a limit it goes at once."""
        chat(world)
        limit(world, deleted_accounts=DAY_MS)
        world.do(DeleteAccount("bob"))
        world.apply_empty()
        assert (bodies(world), world.count("archive")) == ([], 2)
        go_on(world, START_MS + DAY_MS - deletion.STEP_MS - 1)
        assert world.count("archive") == 2
        go_on(world, START_MS + DAY_MS)
        world.do(RaiseVersion(3))
        assert (world.count("archive"), world.count("doomed"), world.count("kept_doomed")) == (1, 0, 0)
        limit(world, deleted_accounts=0)
        world.do(DeleteAccount("alice"))
        world.apply_empty()
        world.do(RaiseVersion(3))
        assert world.count("archive") == 0


def test_replicas_agree(world: World) -> None:
    """The same log gives the same state, however it is cut into transactions."""
    chat(world, 3)
    limit(world, account_archives=DAY_MS)
    go_on(world, START_MS + DAY_MS + 1_001)
    other = World()
    for payload in world.log:
        other.log.append(payload)
        if payload is None:
            other.machine.apply_empty(LogIndex(len(other.log)), Term(1))
        else:
            other.machine.apply(LogIndex(len(other.log)), Term(1), payload)
        other.machine.commit()
    assert other.machine.state_hash == world.machine.state_hash
    assert other.count("archive") == world.count("archive") == 2
