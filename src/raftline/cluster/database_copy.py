"""
Copying the database of a node that runs: for a follower that needs a snapshot, or for a backup.

One copy at a time, in steps off the loop with rests in between: disk and processor belong to the messages first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from raftline.cluster.snapshot_files import SYNC_BYTES, sync_file
from raftline.machine.snapshot import STEP_BYTES, SnapshotCopy

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.cluster.chores import Chores
    from raftline.cluster.storage import StorageSettings
    from raftline.machine.snapshot import SnapshotHead


class DatabaseCopies:
    """
    Makes copies of one node's database.

    Attributes:
        idle: Held by whoever makes one, and by whoever replaces the database.
    """

    def __init__(self, settings: StorageSettings, chores: Chores) -> None:
        self._settings = settings
        self._chores = chores
        self._is_aborted = False
        self.idle = asyncio.Lock()

    def abort(self) -> None:
        """Stop copying: this node's database is about to be replaced."""
        self._is_aborted = True

    async def make(self, path: Path, is_wanted: Callable[[], bool] = lambda: True) -> SnapshotHead | None:
        """
        Copy the database and return what the copy contains; None if that was given up. The caller holds `idle`.

        Args:
            path: Does not exist; half a file is left there when it fails or is given up.
            is_wanted: Asked after each step; it is given up when nobody wants it any more.

        Raises:
            StorageError: The disk failed, or has no space.
        """
        assert self.idle.locked()
        self._is_aborted = False
        settings = self._settings
        copy = await self._chores.aside(partial(SnapshotCopy, settings.database_path, path, vfs=settings.vfs))
        try:
            unsynced_bytes = 0
            while not await self._chores.aside(copy.step):
                if self._is_aborted or not is_wanted():
                    return None
                await self._chores.rest(STEP_BYTES)
                unsynced_bytes += STEP_BYTES
                if unsynced_bytes >= SYNC_BYTES:
                    # Not for its sake: what the kernel writes at once, all syncs of the log wait for.
                    await self._chores.aside(partial(sync_file, path))
                    await self._chores.rest()
                    unsynced_bytes = 0
        finally:
            await asyncio.shield(self._chores.aside(copy.close))
        return copy.head
