"""
A disk in memory, as the core sees it: a durable log, and writes that a crash may lose.

Writes are made durable in order. A crash keeps a random prefix of those not yet durable, down to single entries inside
a write, since a real log is torn anywhere.
"""

from __future__ import annotations

import random
from collections import deque

from raftline.base.ids import LogIndex, Term
from raftline.raft.membership import encode_membership
from raftline.raft.messages import Entry, EntryKind, HardState, SnapshotMeta
from raftline.raft.node import LogWrite


class SimulatedDisk:
    """Implements `LogReader` over what is durable."""

    def __init__(self) -> None:
        self.hard_state = HardState(Term(0), None)
        self.log: list[Entry] = []
        self.pending: deque[LogWrite] = deque()
        self.base_index = 0
        self.base_term = Term(0)
        self.base_memberships: list[tuple[LogIndex, bytes]] = []
        """The one in force at the base, if there is one; entries up to the base are gone from `log`."""
        self.fetched: SnapshotMeta | None = None
        """A snapshot that lies beside the log, durably, until the log knows of it."""

    @property
    def first_index(self) -> LogIndex:
        return LogIndex(self.base_index + 1)

    @property
    def last_index(self) -> LogIndex:
        return LogIndex(self.base_index + len(self.log))

    def term_at(self, index: LogIndex) -> Term | None:
        if index == self.base_index:
            return self.base_term
        place = index - self.base_index - 1
        return self.log[place].term if 0 <= place < len(self.log) else None

    def memberships(self) -> list[tuple[LogIndex, bytes]]:
        kept = [(entry.index, entry.payload) for entry in self.log if entry.kind is EntryKind.MEMBERSHIP]
        return self.base_memberships + kept

    def entries(self, low: LogIndex, high: LogIndex, bytes_max: int) -> list[Entry]:
        assert self.base_index < low <= high <= self.last_index, (self.base_index, low, high, self.last_index)
        begin, end = low - self.base_index - 1, high - self.base_index
        size = 0
        for place in range(begin, end):
            size += len(self.log[place].payload)
            if size > bytes_max and place > begin:
                return self.log[begin:place]
        return self.log[begin:end]

    def holds(self, index: LogIndex, term: Term) -> bool:
        """Whether an entry, or a snapshot that contains it, would survive a crash now."""
        if self.fetched is not None and index <= self.fetched.index:
            return True
        return index < self.base_index or self.term_at(index) == term

    def holds_log(self, snapshot: SnapshotMeta) -> bool:
        """Whether the log goes on behind a snapshot, or has its last entry itself."""
        return self.base_index >= snapshot.index or self.term_at(snapshot.index) == snapshot.term

    def trim(self, upto: int) -> None:
        """Let go of the entries up to `upto`, durably, as a log does that was told of a checkpoint."""
        if upto > self.base_index:
            in_force = [found for found in self.memberships() if found[0] <= upto]
            self.base_memberships = in_force[-1:]
            self.base_term = self.term_at(LogIndex(upto)) or Term(0)
            del self.log[: upto - self.base_index]
            self.base_index = upto

    def install(self, snapshot: SnapshotMeta) -> None:
        """Forget all entries and go on behind a snapshot, in its term at least."""
        if self.hard_state.term < snapshot.term:
            self.hard_state = HardState(snapshot.term, None)
        self.log.clear()
        self.base_index, self.base_term = snapshot.index, snapshot.term
        self.base_memberships = [(snapshot.index, encode_membership(snapshot.membership))]

    def lose_all(self) -> None:
        """Forget everything but term and vote, and that there was more."""
        self.log.clear()
        self.base_index, self.base_term = 0, Term(0)
        self.base_memberships, self.fetched = [], None

    def sync(self, count: int) -> list[LogWrite]:
        """Make the oldest `count` writes durable and return them."""
        done = [self.pending.popleft() for _ in range(min(count, len(self.pending)))]
        for write in done:
            self._keep(write, len(write.entries))
        return done

    def crash(self, chance: random.Random) -> None:
        """Lose what is not durable, but for a random prefix."""
        while self.pending and chance.random() < 0.4:
            self._keep(self.pending[0], len(self.pending[0].entries))
            self.pending.popleft()
        if self.pending and chance.random() < 0.5:
            write = self.pending[0]
            self._keep(write, chance.randint(0, len(write.entries)))
        self.pending.clear()

    def _keep(self, write: LogWrite, entry_count: int) -> None:
        if write.hard_state is not None:
            self.hard_state = write.hard_state
        if write.snapshot is not None:
            self.install(write.snapshot)
            if self.fetched == write.snapshot:
                self.fetched = None
        if entry_count:
            first = write.entries[0].index
            assert self.base_index < first <= self.last_index + 1, "a write leaves a gap"
            del self.log[first - self.base_index - 1 :]
            self.log += write.entries[:entry_count]
