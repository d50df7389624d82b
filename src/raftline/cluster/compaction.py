"""
Forgetting the log's beginning: what the database has durably, and no follower is likely to ask for.

The core is told first, which may keep more for a follower that is being sent a snapshot; then the log, whose thread
removes whole segments in its own time. Never the other way round: the core reads what it has not been told to forget.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from raftline.base.ids import LogIndex
from raftline.raft.node import Raft
from raftline.wal.log import WriteAheadLog
from raftline.wal.retention import trim_index
from raftline.wal.writer import Writer

_LOG: Final = logging.getLogger(__name__)


class Compaction:
    """
    Keeps the log of one node short.

    Args:
        trailing_bytes: Bytes of records to keep behind a checkpoint at least.

    Attributes:
        count: How often something was forgotten.
    """

    def __init__(
        self, raft: Raft, log: WriteAheadLog, writer: Writer, *, trailing_bytes: int, now_ns: Callable[[], int]
    ) -> None:
        self._raft = raft
        self._log = log
        self._writer = writer
        self._trailing_bytes = trailing_bytes
        self._now_ns = now_ns
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
        if upto <= self._raft.base_index:
            return
        base_index = self._raft.compact(upto, self._now_ns())
        self._writer.trim(base_index)
        self.count += 1
        _LOG.info("the log was compacted up to entry %d; the database has %d", base_index, durable_index)
