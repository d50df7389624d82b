"""
Moving the database's write-ahead file into the database, so that no apply waits for the disk; and what follows from
it: the log need not keep what the database has durably (Raft thesis section 5.1).

A passive checkpoint runs off the loop, beside the writer, and disturbs nobody; but under steady load it never catches
up entirely, and the file could only start anew if it did. So when the file has grown large, applying pauses for the
moment it takes to move the last pages: commands go on being logged and committed, and are applied right after.

A checkpoint that moved everything tells up to which entry the database file is synced. Nobody else may say so: what is
merely committed to SQLite is gone with the power.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

from raftline.base.errors import StorageFull
from raftline.base.ids import LogIndex
from raftline.cluster.apply_loop import ApplyLoop
from raftline.machine.database import CheckpointResult, checkpoint

_LOG: Final = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 2.0
"""How often a checkpoint runs while something is applied: each costs a sync of the database."""

TRUNCATE_SECONDS: Final = 8 * 60 * 60.0
"""How often the file is cut, once everything in it is moved: until then it keeps pages as they were, and what was
deleted since (XEP-0424) would be in it for as long as nothing is written over them."""

RESTART_PAGES: Final = 16_384
"""From this size on (64 MiB) the file is made to start anew."""

T = TypeVar("T")


class RunAside(Protocol):
    """Runs a function that blocks on the disk off the loop, one at a time, and returns what it returns."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Run it."""


class Checkpoints:
    """
    Runs checkpoints until its task is cancelled.

    Args:
        path: The database.
        apply: What writes it.
        aside: Where checkpoints run.
        on_durable: Called with the entry up to which the database is durable; it never falls.
        has_room_for: Whether the database may grow by so many bytes.
        vfs: As for `raftline.machine.database.connect`.
    """

    def __init__(
        self,
        path: Path,
        apply: ApplyLoop,
        *,
        aside: RunAside,
        on_durable: Callable[[LogIndex], None],
        has_room_for: Callable[[int], bool],
        vfs: str | None = None,
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._path = path
        self._apply = apply
        self._aside = aside
        self._on_durable = on_durable
        self._has_room_for = has_room_for
        self._vfs = vfs
        self._period_seconds = period_seconds
        self._seen_index: LogIndex | None = None
        self._seen_indexed_count = 0
        self._uncut_seconds = 0.0
        self.durable_index = LogIndex(0)
        """Entries up to here are in the database file, synced."""
        self.idle = asyncio.Lock()
        """Held while a checkpoint is under way; whoever replaces the database takes it."""
        self.passive_count = 0
        self.restart_count = 0

    async def run(self) -> None:
        """
        Look every now and then.

        Raises:
            StorageError: The disk failed; the node must stop.
        """
        while True:
            await asyncio.sleep(self._period_seconds)
            self._uncut_seconds += self._period_seconds
            async with self.idle:
                await self.look()

    def replaced(self, index: LogIndex) -> None:
        """Note that the database is another one now, that of a snapshot up to `index`."""
        self._seen_index = None
        self.durable_index = index

    async def look(self) -> None:
        """Run a checkpoint if something was applied or indexed since the last one that moved everything."""
        applied_index = self._apply.applied_index
        indexed_count = self._apply.indexed_count
        is_due = self._uncut_seconds >= TRUNCATE_SECONDS
        is_seen = applied_index == self._seen_index and indexed_count == self._seen_indexed_count
        if (is_seen and not is_due) or not self._has_room_for(self._file_bytes()):
            return
        try:
            result = await self._aside(partial(checkpoint, self._path, vfs=self._vfs))
            self.passive_count += 1
            if result.wal_page_count >= RESTART_PAGES or is_due:
                result = await self._restart_file(truncate=is_due)
        except StorageFull as error:
            # Nothing is damaged: the file keeps what could not be moved, and the log keeps it too.
            _LOG.warning("no checkpoint for now: %s", error)
            return
        if result.durable_index is not None:
            # Only a checkpoint that began behind an entry's commit can tell that there is nothing left to move.
            self._seen_index = result.durable_index
            self._seen_indexed_count = indexed_count
            if result.durable_index > self.durable_index:
                self.durable_index = result.durable_index
                self._on_durable(result.durable_index)

    def _file_bytes(self) -> int:
        """Size of the write-ahead file: the database grows by no more when all of it is moved."""
        try:
            return self._path.with_name(f"{self._path.name}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    async def _restart_file(self, *, truncate: bool) -> CheckpointResult:
        self._apply.pause()
        try:
            step = partial(checkpoint, self._path, restart=True, truncate=truncate, vfs=self._vfs)
            result = await self._aside(step)
        except asyncio.CancelledError:
            # The node stops, and the thread goes on, which nothing may write beside: the pause is for good.
            raise
        except BaseException:
            self._apply.resume()
            raise
        self._apply.resume()
        if truncate and not result.busy:
            self._uncut_seconds = 0.0
        self.restart_count += not result.busy
        return result
