"""The log view against a model that forgets nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raft.simulation.disk import SimulatedDisk
from raft.simulation.script import entry
from raftline.base.errors import StorageCorrupt
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.invariants import InvariantViolated
from raftline.raft.log import RaftLog
from raftline.raft.membership import NOBODY
from raftline.raft.messages import Entry, HardState, SnapshotMeta
from raftline.raft.ready import LogWrite


class Model:
    """A log and its disk, moved by random steps."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.disk = SimulatedDisk()
        self.log = RaftLog(self.disk, LogIndex(0))
        self.entries: list[Entry] = []
        self.delivered: list[Entry] = []
        self.sequence = 0
        self.term = 1

    def append(self) -> None:
        first = len(self.entries) + 1
        new = [entry(index, self.term, b"%d" % self.chance.randrange(99)) for index in range(first, first + 3)]
        self.entries += new
        self.log.append(new)

    def cut(self) -> None:
        if len(self.entries) > self.log.commit_index:
            index = self.chance.randint(self.log.commit_index + 1, len(self.entries))
            del self.entries[index - 1 :]
            self.log.cut_from(LogIndex(index))
            self.term += 1

    def write(self) -> None:
        entries, snapshot = self.log.take_unwritten(), self.log.take_installed()
        if entries or snapshot:
            self.sequence += 1
            if entries:
                self.log.write_issued(self.sequence)
            self.disk.pending.append(LogWrite(self.sequence, None, entries, [], snapshot))

    def complete(self) -> None:
        for write in self.disk.sync(self.chance.randint(1, 3)):
            self.log.io_completed(write.sequence)

    def commit(self) -> None:
        self.log.commit_to(LogIndex(self.chance.randint(self.log.commit_index, len(self.entries))))

    def deliver(self) -> None:
        self.delivered += self.log.take_committed(self.chance.choice((1, 5, 1000)))

    def compact(self) -> None:
        index = self.chance.randint(0, self.log.delivered_index)
        self.log.compact(LogIndex(index))
        if self.chance.random() < 0.5 and self.disk_is_told():
            self.disk.trim(self.log.base_index)

    def disk_is_told(self) -> bool:
        """Whether no snapshot is on its way to the disk."""
        return self.log._installed is None and not any(write.snapshot for write in self.disk.pending)

    def install(self) -> None:
        if self.chance.random() < 0.9:
            return
        # A snapshot ends where this log has another entry, or none. What it replaces is told to the model as well.
        self.term += 1
        index = self.log.commit_index + self.chance.randint(1, 9)
        del self.entries[index:]
        while len(self.entries) < index:
            self.entries.append(entry(len(self.entries) + 1, 0))
        self.entries[index - 1] = entry(index, self.term)
        self.delivered = self.entries[:]
        self.log.install(SnapshotMeta(NodeId(2), "name", LogIndex(index), Term(self.term), NOBODY))
        del self.entries[index:]
        self.delivered = self.entries[:index]

    def check(self) -> None:
        log = self.log
        assert log.last_index == len(self.entries)
        base = log.base_index
        terms = [log.term_at(LogIndex(index)) for index in range(log.last_index + 1)]
        known = [0, *(known.term for known in self.entries)]
        assert terms == [None] * base + known[base:]
        assert log.term_at(LogIndex(log.last_index + 1)) is None
        if self.disk_is_told():
            stored = self.disk.log[max(base - self.disk.base_index, 0) : log.durable_index - self.disk.base_index]
            assert stored == self.entries[base : log.durable_index]
        assert self.delivered == self.entries[: len(self.delivered)]
        assert len(self.delivered) <= min(log.commit_index, log.durable_index)
        if len(self.entries) > base:
            low = self.chance.randint(base + 1, len(self.entries))
            found = log.entries(LogIndex(low), log.last_index, 1000)
            assert found
            assert found == self.entries[low - 1 : low - 1 + len(found)]


@given(seed=st.integers(0, 1 << 32))
def test_log_agrees_with_a_model(seed: int) -> None:
    """After any steps, entries and terms are the model's, and what counts as durable is on the disk as it is."""
    model = Model(random.Random(seed))
    steps = (
        model.append, model.cut, model.write, model.complete, model.commit, model.deliver, model.compact, model.install
    )  # fmt: skip
    for _ in range(60):
        model.chance.choice(steps)()
        model.check()
    # The core cuts a suffix only to put another in its place.
    model.append()
    while model.log.take_unwritten() or model.disk.pending:
        model.write()
        model.complete()
    assert model.log.durable_index == len(model.entries)
    assert model.disk.log == model.entries[model.disk.base_index :]


def test_recovered_log_must_reach_what_was_applied() -> None:
    """A log that ends below the applied index is damage."""
    with pytest.raises(StorageCorrupt):
        RaftLog(SimulatedDisk(), LogIndex(1))


def test_committed_entries_are_never_cut() -> None:
    """Cutting at or below the commit index stops the node."""
    log = RaftLog(SimulatedDisk(), LogIndex(0))
    log.append([entry(1, 1), entry(2, 1)])
    log.commit_to(LogIndex(1))
    with pytest.raises(InvariantViolated):
        log.cut_from(LogIndex(1))


@given(terms=st.lists(st.integers(1, 5), max_size=12), high=st.integers(0, 15), term=st.integers(0, 6))
def test_last_index_up_to_term_agrees_with_a_scan(terms: list[int], high: int, term: int) -> None:
    """The bisection finds what looking at each entry finds."""
    terms.sort()
    log = RaftLog(SimulatedDisk(), LogIndex(0))
    if terms:
        log.append([entry(index, number) for index, number in enumerate(terms, start=1)])
    fitting = [index for index, number in enumerate(terms, start=1) if index <= high and number <= term]
    assert log.last_index_up_to_term(LogIndex(high), Term(term)) == max(fitting, default=0)


def test_slices_are_cut_by_bytes_but_never_empty() -> None:
    """A slice holds at least one entry, and no more than the bytes allow."""
    log = RaftLog(SimulatedDisk(), LogIndex(0))
    log.append([entry(index, 1, b"x" * 10) for index in range(1, 6)])
    assert len(log.entries(LogIndex(1), LogIndex(5), 1)) == 1
    assert len(log.entries(LogIndex(1), LogIndex(5), 29)) == 2
    assert len(log.entries(LogIndex(1), LogIndex(5), 30)) == 3
    assert len(log.entries(LogIndex(2), LogIndex(3), 1000)) == 2


def test_disk_keeps_hard_state_of_a_write() -> None:
    """The simulated disk recovers the hard state with the entries of a write."""
    disk = SimulatedDisk()
    disk.pending.append(LogWrite(1, HardState(Term(4), None), [entry(1, 4)], []))
    disk.sync(1)
    assert disk.hard_state.term == 4
