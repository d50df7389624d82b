"""
What waits to be written to the log, and how a round of it is: all that is known of group commit but the threads.

    submit ──> queue ──begin──> round ──append──> written ──sync──> finish: durable up to a sequence

One owner at a time appends and syncs; `submit` and the figures may come from elsewhere, so whoever shares a
`WriteRounds` between threads guards them (see `writer`). A round takes everything that is queued when it begins. What
finds no space stays at its head and is tried again by the next one; nothing overtakes it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from raftline.base.errors import LocalProtocolError, StorageFull

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raftline.raft.messages import Entry, HardState
    from raftline.wal.index import SnapshotMark
    from raftline.wal.log import WriteAheadLog


class WriteJob(msgspec.Struct, frozen=True):
    """One job; `submitted_ns` is when it came."""

    sequence: int
    hard_state: HardState | None
    entries: Sequence[Entry]
    submitted_ns: int
    snapshot: SnapshotMark | None


class WriteRounds:
    """The jobs of one log that are not durable yet, in order."""

    def __init__(self, log: WriteAheadLog, now_ns: Callable[[], int]) -> None:
        self._log = log
        self._now_ns = now_ns
        self._queue: deque[WriteJob] = deque()
        self._round: deque[WriteJob] = deque()
        self._last_sequence: int | None = None

    def submit(
        self,
        sequence: int,
        hard_state: HardState | None,
        entries: Sequence[Entry],
        snapshot: SnapshotMark | None,
    ) -> None:
        """
        Queue a job.

        Raises:
            LocalProtocolError: The sequence does not grow.
        """
        if self._last_sequence is not None and sequence <= self._last_sequence:
            raise LocalProtocolError(f"job {sequence} after job {self._last_sequence}")
        self._last_sequence = sequence
        self._queue.append(WriteJob(sequence, hard_state, entries, self._now_ns(), snapshot))

    @property
    def count(self) -> int:
        """Jobs not yet durable."""
        return len(self._round) + len(self._queue)

    @property
    def pending_since_ns(self) -> int | None:
        """When the oldest job came that is not durable yet; None if there is none."""
        oldest = self._round[0] if self._round else self._queue[0] if self._queue else None
        return None if oldest is None else oldest.submitted_ns

    def begin(self) -> bool:
        """Take everything queued into the round; False if there is nothing to write."""
        self._round.extend(self._queue)
        self._queue.clear()
        return bool(self._round)

    def append(self) -> int:
        """
        Append the jobs of the round to the log, as far as there is space.

        Returns: How many of them; fewer than the round has means that there is no space for the next one.

        Raises:
            StorageError: The disk failed.
        """
        count = 0
        for job in self._round:
            try:
                self._append(job)
            except StorageFull:
                break
            count += 1
        return count

    def _append(self, job: WriteJob) -> None:
        if job.snapshot is None:
            self._log.append(job.hard_state, job.entries)
            return
        # Each part is refused whole where there is no space, and then tried again: none is done twice.
        self._log.append(job.hard_state, ())
        if self._log.first_index <= job.snapshot.last_index:
            self._log.install_snapshot(*job.snapshot)
        self._log.append(None, job.entries)

    def finish(self, count: int) -> int:
        """Forget the first `count` jobs of the round, which a sync has made durable; return the last one's sequence."""
        sequence = self._round[count - 1].sequence
        for _ in range(count):
            self._round.popleft()
        return sequence

    @property
    def is_short(self) -> bool:
        """Whether jobs of the round were left behind for want of space."""
        return bool(self._round)

    def drop(self) -> None:
        """Forget everything: nobody was told that it is durable."""
        self._round.clear()
        self._queue.clear()
