"""The machine as a whole: the same log gives the same state, however it is committed, reopened or cut short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine.world import DOMAIN, START_MS, Client, World
from raftline.base.errors import StorageError
from raftline.base.ids import LogIndex, Term
from raftline.machine.chain import CHAIN_START
from raftline.machine.commands import (
    ChangeBlocklist,
    DeleteAccount,
    KeyOrigin,
    PrivateElement,
    RemoveRosterItem,
    SetCarbons,
    SetRosterItem,
    SetVcard,
    StorePrivate,
    SubscriptionKind,
)
from raftline.machine.database import checkpoint, open_database
from raftline.machine.machine import DIGEST_COUNT_MAX, Machine
from raftline.machine.message_commands import Storage
from raftline.machine.node_commands import StartNode
from raftline.machine.outcomes import CommandResult
from raftline.machine.queries import ArchivePage, RosterOf, SessionsOf


def write_log(world: World) -> None:
    """A little of everything."""
    for localpart in ("alice", "bob", "carol", "dora"):
        world.account(localpart)
    world.apply_empty()
    alice, bob = world.online("alice"), world.online("bob", managed=True)
    carol = world.online("carol", node_id=2)
    world.befriend(alice, bob)
    alice.do(SetRosterItem(carol.jid, "Carol", ("Friends",)))
    alice.subscription(SubscriptionKind.SUBSCRIBE, f"dora@{DOMAIN}")
    for number in range(6):
        world.time_ms += 1000
        alice.send("bob", str(number), origin_id=f"id-{number % 4}")
        bob.send("dora")
        carol.send("nobody")
    tv = world.online("bob", "tv", managed=True, priority=-1)
    tv.do(SetCarbons(enabled=True))
    copied = int(Storage.ARCHIVE | Storage.OFFLINE | Storage.COPY)
    alice.send("bob", "for all devices", storage=copied)
    carol.do(ChangeBlocklist(True, (alice.jid, "spam.example")))
    alice.send("carol", storage=copied)
    alice.do(ChangeBlocklist(True, (bob.jid,)))
    alice.do(ChangeBlocklist(False, ()))
    alice.do(StorePrivate((PrivateElement("urn:x", "a", b"<a/>"),)))
    alice.do(SetVcard(b"<vCard/>"))
    alice.subscription(SubscriptionKind.SUBSCRIBED, carol.jid)
    bob.acknowledge(world.machine.applied_index << 16)
    commands = [world.command(alice.message("bob", str(n)), alice.origin()) for n in range(20)]
    world.apply(*commands[:10], b"junk", *commands[5:])
    bob.end()
    world.do(StartNode(2, 2), KeyOrigin(b"k" * 16), node_id=2)
    alice.do(RemoveRosterItem(bob.jid))
    world.online("bob", "again", managed=True)
    world.do(DeleteAccount("dora"))
    world.time_ms += 8 * 24 * 3600 * 1000
    alice.send("bob", origin_id="id-0")


def replay(log: list[bytes | None], commit_after: Callable[[int], bool]) -> World:
    world = World()
    for index, payload in enumerate(log, start=1):
        if payload is None:
            world.machine.apply_empty(LogIndex(index), Term(1))
        else:
            world.machine.apply(LogIndex(index), Term(1), payload)
        if commit_after(index):
            world.machine.commit()
    return world


@pytest.fixture(scope="module")
def written() -> World:
    """A log, and the machine that made it."""
    world = World()
    write_log(world)
    return world


@settings(max_examples=12, deadline=None)
@given(pattern=st.lists(st.booleans(), min_size=1, max_size=9))
def test_any_pattern_of_commits_gives_the_same_state(written: World, pattern: list[bool]):
    """State hash, entry chain and every stored row are functions of the log."""
    world = replay(written.log, lambda index: pattern[index % len(pattern)])
    assert world.machine.state_hash == written.machine.state_hash
    assert world.machine.entry_chain == written.machine.entry_chain
    assert world.scrub() == written.scrub()
    assert world.machine.take_faults() == []


@pytest.mark.parametrize("stride", [1, 5])
def test_a_reopened_database_gives_the_same_state(written: World, tmp_path: Path, stride: int):
    """Nothing that counts is kept in memory alone: committed and reopened after every few entries."""
    world = World(tmp_path / "state")
    for index, payload in enumerate(written.log, start=1):
        world.log.append(payload)
        if payload is None:
            world.machine.apply_empty(LogIndex(index), Term(1))
        else:
            world.machine.apply(LogIndex(index), Term(1), payload)
        if index % stride == 0:
            assert world.reopen(commit=True) == 0
        assert world.machine.state_hash == written.machine.digest_at(LogIndex(index)), index
    assert world.scrub() == written.scrub()
    world.machine.close()


@pytest.mark.parametrize("committed", [0, 1, 17, 40])
def test_a_crash_between_commits_loses_whole_transactions(written: World, tmp_path: Path, committed: int):
    """The database stands where it was committed last; the log makes it whole."""
    world = World(tmp_path / "state")
    for index, payload in enumerate(written.log, start=1):
        world.log.append(payload)
        if payload is None:
            world.machine.apply_empty(LogIndex(index), Term(1))
        else:
            world.machine.apply(LogIndex(index), Term(1), payload)
        if index == committed:
            world.machine.commit()
            checkpoint(tmp_path / "state")
    assert world.reopen(commit=False) == len(written.log) - committed
    assert world.machine.state_hash == written.machine.state_hash
    assert world.scrub() == written.scrub()
    world.machine.close()


def test_replicas_yield_the_same_results(written: World):
    """Outcomes and events too, in the same order."""

    def results(world: World) -> list[list[CommandResult]]:
        return [
            world.machine.apply(LogIndex(index), Term(1), payload) if payload is not None else []
            for index, payload in enumerate(written.log, start=1)
            if payload is not None or world.machine.apply_empty(LogIndex(index), Term(1)) is None
        ]

    assert results(World()) == results(World())


class TestHead:
    """How far the machine has come."""

    def test_a_new_machine_has_applied_nothing(self):
        """Index, term and time are 0; the chains are at their start."""
        machine = World().machine
        assert (machine.applied_index, machine.applied_term, machine.cluster_time_ms) == (0, 0, 0)
        assert (machine.state_hash, machine.entry_chain) == (CHAIN_START, CHAIN_START)
        assert machine.machine_version == 1
        assert machine.digest_at(LogIndex(0)) is None
        assert not machine.has_open_transaction

    def test_empty_entries_move_everything_but_the_time(self, world: World):
        """Index, term, chain and hash."""
        before = world.machine.state_hash, world.machine.entry_chain
        world.machine.apply_empty(LogIndex(world.machine.applied_index + 1), Term(7))
        assert world.machine.applied_term == 7
        assert world.machine.state_hash not in before
        assert world.machine.entry_chain not in before
        assert world.machine.cluster_time_ms == START_MS

    def test_time_never_falls(self, world: World):
        """A leader whose clock is behind does not turn it back."""
        alice = world.online("alice")
        world.time_ms += 5000
        alice.send("bob")
        world.time_ms -= 4000
        alice.send("bob")
        times = [row.time_ms for row in world.machine.answer(ArchivePage("alice")).rows]
        assert times == [START_MS + 5000] * 2
        assert world.machine.cluster_time_ms == START_MS + 5000

    def test_entries_are_applied_in_order(self, world: World):
        """Neither twice nor with a gap."""
        index = world.machine.applied_index
        for wrong in (index, index + 2):
            with pytest.raises(AssertionError):
                world.machine.apply_empty(LogIndex(wrong), Term(1))

    def test_the_last_digests_are_remembered(self):
        """1,024 of them."""
        machine = World().machine
        for index in range(1, DIGEST_COUNT_MAX + 3):
            machine.apply_empty(LogIndex(index), Term(1))
        assert machine.digest_at(LogIndex(2)) is None
        assert machine.digest_at(LogIndex(3)) is not None
        assert machine.digest_at(machine.applied_index) == machine.state_hash

    def test_commit_without_entries_does_nothing(self, world: World):
        """And after one the transaction is closed."""
        assert world.machine.has_open_transaction
        for _ in range(2):
            world.machine.commit()
            assert not world.machine.has_open_transaction


class TestReplicasAreEqual:
    """P5: what is altered on one node is found."""

    def test_the_chain_covers_the_log(self, world: World):
        """The same effect by another command gives another chain; the state hash tells rows alone."""
        one, other = World(), World()
        one.do(StartNode(1, 1))
        other.do(StartNode(1, 1), node_id=2)
        assert one.machine.entry_chain != other.machine.entry_chain
        assert one.machine.state_hash == other.machine.state_hash

    @pytest.mark.parametrize(
        ("table", "change"),
        [
            ("message", "UPDATE message SET stanza = x'00' WHERE position = (SELECT max(position) FROM message)"),
            ("archive", "DELETE FROM archive WHERE position = (SELECT max(position) FROM archive)"),
            ("account", "UPDATE account SET roster_version = roster_version + 1"),
            ("roster", "UPDATE roster SET name = 'x'"),
            ("credential", "UPDATE credential SET iterations = 1"),
        ],
    )
    def test_a_scrub_finds_an_altered_row(self, written: World, table: str, change: str):
        """In exactly the table that was altered."""
        altered = replay(written.log, lambda _: False)
        altered.scrub()
        altered.machine._database.execute(change)
        differing = {name for name, digest in altered.scrub().items() if digest != written.scrub()[name]}
        assert differing == {table}

    def test_the_hash_parts_ways_when_an_altered_row_is_written(self, tmp_path: Path):
        """A later command meets the row, and old rows are part of the hash."""
        worlds = []
        for name in ("one", "other"):
            world = World(tmp_path / name)
            world.account("alice")
            world.online("alice").do(SetRosterItem("x@elsewhere.org", "Name", ()))
            world.reopen(commit=True)
            worlds.append(world)
        worlds[1].machine._database.execute("UPDATE roster SET name = 'Mane'")
        assert worlds[0].machine.state_hash == worlds[1].machine.state_hash
        for world in worlds:
            alice = Client(world, "alice", "r", next(iter_bound(world)), 1)
            alice.number = 3
            alice.do(SetRosterItem("x@elsewhere.org", "New", ()))
            assert world.machine.answer(RosterOf("alice")).items[0].name == "New"
        assert worlds[0].machine.state_hash != worlds[1].machine.state_hash
        assert worlds[0].scrub() == worlds[1].scrub()
        for world in worlds:
            world.machine.close()


def iter_bound(world: World):
    from raftline.machine.outcomes import Bound

    for row in world.machine.answer(SessionsOf("alice")):
        yield Bound(row.session_id, 1)


def test_local_reads_see_the_open_transaction(world: World):
    """Before any commit."""
    alice = world.online("alice")
    alice.send("bob")
    assert world.machine.has_open_transaction
    assert world.machine.answer(ArchivePage("bob")).count == 1


def test_a_full_disk_is_a_storage_error(tmp_path: Path):
    """SQLite's own errors do not leave the package; nothing of the transaction stays."""
    world = World(tmp_path / "state")
    world.account("alice")
    world.machine.commit()
    index = world.machine.applied_index
    world.machine._database.pragma("max_page_count", 1)
    alice = world.online("alice")
    for _ in range(50):
        alice.send("alice", "x" * 5000)
    with pytest.raises(StorageError):
        world.machine.commit()
    world.machine.close()
    machine = Machine(open_database(tmp_path / "state"), domain=DOMAIN)
    assert machine.applied_index == index
    machine.close()


def test_many_rows_are_flushed_within_a_transaction(world: World, monkeypatch: pytest.MonkeyPatch):
    """Memory stays bounded however late the commit comes."""
    monkeypatch.setattr("raftline.machine.rows.PENDING_ROW_COUNT_MAX", 50)
    alice = world.online("alice")
    for _ in range(40):
        alice.send("bob")
        assert not world.machine._context.rows.flush_due


def test_nothing_is_applied_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What memory holds and what the disk holds may differ: every call fails until the database is opened again."""
    world = World(tmp_path / "state")
    world.account("alice")
    world.machine.commit()
    rows = world.machine._context.rows
    monkeypatch.setattr(rows, "flush", lambda: rows.database.execute("SELECT * FROM nowhere"))
    world.account("bob")
    with pytest.raises(StorageError, match="nowhere"):
        world.machine.commit()
    for call in (world.machine.commit, world.apply_empty, lambda: world.machine.answer(RosterOf("alice"))):
        with pytest.raises(StorageError, match="nowhere"):
            call()
    assert world.machine.applied_index == 2
    world.machine.close()
    machine = Machine(open_database(tmp_path / "state"), domain=DOMAIN)
    assert machine.applied_index == 1
    machine.close()
