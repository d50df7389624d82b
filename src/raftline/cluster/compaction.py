"""
Forgetting the log's beginning: what the database has durably, and no follower is likely to ask for.

What the database has deleted, such as the text of a retracted message (XEP-0424), the log has still. So beside its
length the log has an age: whatever the tail is, no entry stays for much longer than `FORGET_AGE_MS`, and a segment
that nobody fills is left behind after `ROLL_AGE_MS`. Not forgotten is what somebody needs now: a snapshot that is being
made or sent holds that up, and so does a disk without space for a checkpoint.

The core is told first, which may keep more for a follower that is being sent a snapshot; then the log, whose thread
removes whole segments in its own time. Never the other way round: the core reads what it has not been told to forget.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from raftline.base.ids import LogIndex
from raftline.machine.entry import entry_time_ms
from raftline.raft.messages import EntryKind
from raftline.raft.node import Raft
from raftline.wal.log import WriteAheadLog
from raftline.wal.retention import trim_index
from raftline.wal.writer import Writer

_LOG: Final = logging.getLogger(__name__)

_HOUR_MS: Final = 60 * 60 * 1000

FORGET_AGE_MS: Final = 20 * _HOUR_MS
"""Age of a segment's first entry after which all of it is forgotten: with every delay, less than a day."""

ROLL_AGE_MS: Final = 10 * _HOUR_MS
"""Age of its first entry after which a segment is left behind: so half a day of entries stays for who was away."""

LOOK_SECONDS: Final = 600
"""How often ages are looked at."""

_UNTIMED_COUNT_MAX: Final = 16
"""Entries without a time, such as the first of a term, that may come before one that has it."""


class Compaction:
    """
    Keeps the log of one node short.

    Args:
        trailing_bytes: Bytes of records to keep behind a checkpoint at least.
        wall_ms: Milliseconds since 1970, as in entries.

    Attributes:
        count: How often something was forgotten.
    """

    def __init__(
        self,
        raft: Raft,
        log: WriteAheadLog,
        writer: Writer,
        *,
        trailing_bytes: int,
        now_ns: Callable[[], int],
        wall_ms: Callable[[], int],
    ) -> None:
        self._raft = raft
        self._log = log
        self._writer = writer
        self._trailing_bytes = trailing_bytes
        self._now_ns = now_ns
        self._wall_ms = wall_ms
        self._looked_ns = now_ns()
        self._durable_index = LogIndex(0)
        self._hold_count = 0
        self.count = 0

    def hold(self) -> None:
        """Forget nothing until `release` was called as often."""
        self._hold_count += 1

    def release(self) -> None:
        """End a hold."""
        self._hold_count -= 1
        self.checkpointed(self._durable_index)

    def checkpointed(self, durable_index: LogIndex) -> None:
        """Forget what the database has durably, but for a tail."""
        self._durable_index = durable_index
        if self._hold_count:
            return
        upto = trim_index(self._log.extents(), durable_index, trailing_bytes_min=self._trailing_bytes)
        if upto > self._raft.base_index:
            self._forget(upto)

    def keep_house(self, now_ns: int) -> None:
        """Look every now and then whether something is too old to stay."""
        if now_ns - self._looked_ns >= LOOK_SECONDS * 1_000_000_000:
            self._looked_ns = now_ns
            self.forget_old()

    def forget_old(self) -> None:
        """Forget what is old, as far as the database has it durably, and leave an old segment behind."""
        upto = LogIndex(0)
        *closed, active = self._log.extents()
        first_index = self._log.first_index
        for extent in closed:
            if extent.last_index >= first_index:
                if not self._is_older(first_index, extent.last_index, FORGET_AGE_MS):
                    break
                first_index = LogIndex(extent.last_index + 1)
            upto = extent.last_index
        upto = min(upto, self._durable_index)
        newest_closed = closed[-1].last_index if closed else LogIndex(0)
        roll = self._is_older(LogIndex(max(newest_closed + 1, first_index)), active.last_index, ROLL_AGE_MS)
        if upto > self._raft.base_index and not self._hold_count:
            self._forget(upto, roll=roll)
        elif roll:
            self._writer.trim(self._raft.base_index, roll=True)

    def _is_older(self, first_index: LogIndex, last_index: LogIndex, age_ms: int) -> bool:
        """Tell whether the first entry that has a time is older than this; False where none has."""
        for index in range(first_index, min(last_index, first_index + _UNTIMED_COUNT_MAX) + 1):
            if index > self._log.last_index:
                return False
            (entry,) = self._log.entries(LogIndex(index), LogIndex(index), 0)
            if entry.kind is EntryKind.DATA:
                return self._wall_ms() - entry_time_ms(entry.payload) >= age_ms
        return False

    def _forget(self, upto: LogIndex, *, roll: bool = False) -> None:
        base_index = self._raft.compact(upto, self._now_ns())
        self._writer.trim(base_index, roll=roll)
        self.count += 1
        _LOG.info("the log was compacted up to entry %d; the database has %d", base_index, self._durable_index)
