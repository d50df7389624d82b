"""
Snapshots of one node, both ways, and how one is installed.

Installing replaces the database under a running node. On the loop, in one go, nothing between:

    core told ── what waited to be applied is dropped ── database closed, renamed over, opened ── applied from there

so that no turn and no question ever sees one without the other. It takes milliseconds, whatever the size. The sessions
that this node held are given up before: what happened to them meanwhile is in the snapshot, not in events, and a client
that resumes is told just that (XEP-0198 section 5), here or elsewhere.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.cluster.snapshot_fetch import SnapshotFetch
from raftline.cluster.snapshot_files import SnapshotFiles
from raftline.cluster.snapshot_source import SnapshotSource
from raftline.machine.database import Database, open_database
from raftline.machine.snapshot import adopt

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.cluster.apply_loop import ApplyLoop
    from raftline.cluster.checkpoints import Checkpoints
    from raftline.cluster.chores import Chores
    from raftline.cluster.compaction import Compaction
    from raftline.cluster.database_copy import DatabaseCopies
    from raftline.cluster.links import PeerLinks
    from raftline.cluster.storage import NodeStorage
    from raftline.raft.messages import SnapshotMeta
    from raftline.raft.node import Raft
    from raftline.raft.ready import LogWrite, Ready

_LOG: Final = logging.getLogger(__name__)


class Snapshots:
    """
    Follows the core in all that concerns snapshots.

    Args:
        on_installed: Called when the database is another one, before anything is applied to it.
        on_change: Called when the core has something to say.

    Attributes:
        installed_count: Snapshots that took the place of the database.
    """

    def __init__(
        self,
        raft: Raft,
        storage: NodeStorage,
        apply: ApplyLoop,
        links: PeerLinks,
        copies: DatabaseCopies,
        chores: Chores,
        checkpoints: Checkpoints,
        compaction: Compaction,
        *,
        draw_name: Callable[[], str],
        now_ns: Callable[[], int],
        on_installed: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._raft = raft
        self._storage = storage
        self._apply = apply
        self._copies = copies
        self._chores = chores
        self._checkpoints = checkpoints
        self._now_ns = now_ns
        self._on_installed = on_installed
        self._on_change = on_change
        self._files = files = SnapshotFiles(storage.settings.data_dir)
        self.source = SnapshotSource(
            raft,
            files,
            copies,
            chores,
            compaction,
            draw_name=draw_name,
            now_ns=now_ns,
            on_change=on_change,
        )
        self.fetch = SnapshotFetch(raft, files, links, chores, install=self._install, on_change=on_change)
        self.installed_count = 0

    def follow(self, ready: Ready) -> None:
        """Do what the core asks for."""
        self.source.follow(ready)
        self.fetch.follow(ready)

    async def _install(self, meta: SnapshotMeta, part: Path) -> None:
        self._copies.abort()
        async with self._copies.idle, self._checkpoints.idle:
            await self._chores.aside(partial(self._files.keep, part, meta))
            if self._raft.snapshot_installed(meta, self._now_ns()):
                self._replace(meta)
            else:
                await self._chores.aside(partial(self._files.forget, meta))
        self._on_change()

    def _replace(self, meta: SnapshotMeta) -> None:
        settings = self._storage.settings
        path = settings.database_path
        # Its blocks are given back when the last descriptor is closed, off the loop.
        old = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

        def open_other() -> Database:
            adopt(self._files.install_path, path)
            return open_database(path, vfs=settings.vfs)

        self._apply.drop()
        try:
            self._storage.machine.replace(open_other)
        finally:
            self._chores.begin(self._close(old), "old database removed")
        self._checkpoints.replaced(meta.index)
        self.installed_count += 1
        _LOG.warning("the database was replaced by a snapshot, up to entry %d", meta.index)
        self._on_installed()

    async def _close(self, descriptor: int) -> None:
        await self._chores.aside(partial(os.close, descriptor))

    def written(self, write: LogWrite) -> None:
        """Note that a log write is durable: the log knows of the snapshot in it."""
        if write.snapshot is not None:
            self._chores.begin(self._forget(write.snapshot), "snapshot known")

    async def _forget(self, meta: SnapshotMeta) -> None:
        await self._chores.aside(partial(self._files.forget, meta))

    def keep_house(self, now_ns: int) -> None:
        """Look at what no event announces."""
        self.source.keep_house(now_ns)
