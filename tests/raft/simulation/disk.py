"""
A disk in memory, as the core sees it: a durable log, and writes that a crash may lose.

Writes are made durable in order. A crash keeps a random prefix of those not yet durable, down to single entries inside
a write, since a real log is torn anywhere.
"""

from __future__ import annotations

import random
from collections import deque

from raftline.base.ids import LogIndex, Term
from raftline.raft.messages import Entry, HardState
from raftline.raft.node import LogWrite


class SimulatedDisk:
    """Implements `LogReader` over what is durable."""

    def __init__(self) -> None:
        self.hard_state = HardState(Term(0), None)
        self.log: list[Entry] = []
        self.pending: deque[LogWrite] = deque()
        self.first_kept = 1
        """Entries before this one are as if trimmed."""

    @property
    def first_index(self) -> LogIndex:
        return LogIndex(self.first_kept)

    @property
    def last_index(self) -> LogIndex:
        return LogIndex(len(self.log))

    def term_at(self, index: LogIndex) -> Term | None:
        if index == 0:
            return Term(0)
        return self.log[index - 1].term if self.first_kept <= index <= len(self.log) else None

    def entries(self, low: LogIndex, high: LogIndex, bytes_max: int) -> list[Entry]:
        assert self.first_kept <= low <= high <= len(self.log), (low, high, len(self.log))
        size = 0
        for place in range(low - 1, high):
            size += len(self.log[place].payload)
            if size > bytes_max and place >= low:
                return self.log[low - 1 : place]
        return self.log[low - 1 : high]

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
        if entry_count:
            first = write.entries[0].index
            assert first <= len(self.log) + 1, "a write leaves a gap"
            del self.log[first - 1 :]
            self.log += write.entries[:entry_count]
