"""
The follower's side of a snapshot: fetched in chunks over a connection of its own, verified, kept, handed over.

What has arrived stays when the connection is lost: the next one goes on behind it. The whole file is hashed when all of
it is there, because a part of it may come from before; a snapshot with another hash than its maker's is thrown away.
The core asks for another snapshot when it hears of one; what has arrived of the last is then thrown away as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.base.errors import RemoteProtocolError, StorageCorrupt, StorageFull
from raftline.cluster.frames import ChunkRequest, SnapshotDoubt
from raftline.cluster.snapshot_files import SYNC_BYTES, FileDigest, SnapshotFiles, write_chunk
from raftline.machine.snapshot import read_head

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.cluster.chores import Chores
    from raftline.cluster.connections import TransferConnection
    from raftline.cluster.links import PeerLinks
    from raftline.raft.messages import SnapshotMeta
    from raftline.raft.node import Raft
    from raftline.raft.ready import Ready

_LOG: Final = logging.getLogger(__name__)

CHUNK_BYTES: Final = 256 << 10
"""Small enough that a loop which encrypts or decrypts one is not missed by anybody."""

WINDOW_COUNT: Final = 4
"""Chunks under way."""

REPLY_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.5
NO_SPACE_PAUSE_SECONDS: Final = 5.0


class SnapshotGone(Exception):
    """The snapshot is not handed out any more, or is not what it was said to be."""


class SnapshotFetch:
    """
    Fetches the snapshot that the core asks for.

    Args:
        install: Takes a snapshot that lies whole and verified in a file.
        on_change: Called when the core has something to say.

    Attributes:
        received_bytes: Of all snapshots.
        failure_count: Transfers that broke off, or brought something else than was announced.
    """

    def __init__(
        self,
        raft: Raft,
        files: SnapshotFiles,
        links: PeerLinks,
        chores: Chores,
        *,
        install: Callable[[SnapshotMeta, Path], Awaitable[None]],
        on_change: Callable[[], None],
    ) -> None:
        self._raft = raft
        self._files = files
        self._links = links
        self._chores = chores
        self._install = install
        self._on_change = on_change
        self._wanted: SnapshotMeta | None = None
        self._is_running = False
        self.received_bytes = 0
        self.failure_count = 0

    def follow(self, ready: Ready) -> None:
        """Do what the core asks for."""
        if ready.install is None:
            return
        self._wanted = ready.install
        if not self._is_running:
            self._is_running = True
            self._chores.begin(self._run(), "snapshot fetched")

    async def _run(self) -> None:
        try:
            while (meta := self._wanted) is not None:
                part = self._files.part_path(meta.snapshot_id)
                try:
                    await self._fetch(meta, part)
                except SnapshotGone as error:
                    self.failure_count += 1
                    _LOG.warning("snapshot %s of node %d: %s", meta.snapshot_id, meta.node_id, error)
                    self._raft.snapshot_failed(meta.snapshot_id)
                    self._forget(meta)
                await self._chores.aside(partial(self._files.remove, part))
        finally:
            self._is_running = False

    def _forget(self, meta: SnapshotMeta) -> None:
        if self._wanted is meta:
            self._wanted = None

    def _is_needed(self, meta: SnapshotMeta) -> bool:
        """Whether nothing else is wanted, and the log has not come as far by itself."""
        if meta.index <= self._raft.commit_index:
            self._forget(meta)
        return self._wanted is meta

    async def _fetch(self, meta: SnapshotMeta, part: Path) -> None:
        """Fetch and install; returns without having done so when the snapshot is not needed any more."""
        _LOG.info("snapshot %s of node %d is fetched, up to entry %d", meta.snapshot_id, meta.node_id, meta.index)
        transfer = Transfer(meta, part, self._chores)
        while self._is_needed(meta):
            before = transfer.stored_bytes
            try:
                connection = await self._links.open_transfer(meta.node_id)
                try:
                    await transfer.run(connection, lambda: self._is_needed(meta))
                finally:
                    connection.close()
            except (OSError, TimeoutError, RemoteProtocolError) as error:
                self.failure_count += 1
                reason = str(error) or type(error).__name__
                _LOG.info("snapshot %s: the transfer broke off: %s", meta.snapshot_id, reason)
                await asyncio.sleep(RETRY_SECONDS)
            except StorageFull as error:
                _LOG.warning("snapshot %s waits: %s", meta.snapshot_id, error)
                await asyncio.sleep(NO_SPACE_PAUSE_SECONDS)
            finally:
                self.received_bytes += transfer.stored_bytes - before
            if transfer.is_whole:
                try:
                    await transfer.verify()
                except SnapshotGone:
                    await self._doubt(meta)
                    raise
                await self._install(meta, part)
                self._forget(meta)
                return

    async def _doubt(self, meta: SnapshotMeta) -> None:
        """Tell its maker, who looks whether the fault is there."""
        try:
            connection = await self._links.open_transfer(meta.node_id)
        except (OSError, TimeoutError, RemoteProtocolError) as error:
            _LOG.info("node %d could not be told: %s", meta.node_id, error)
            return
        connection.ask(SnapshotDoubt(meta.snapshot_id))
        await connection.finish()


class Transfer:
    """
    What has arrived of one snapshot, and how the rest does.

    Attributes:
        stored_bytes: From the beginning, without a gap.
    """

    def __init__(self, meta: SnapshotMeta, part: Path, chores: Chores) -> None:
        self._meta = meta
        self._part = part
        self._chores = chores
        self._total_size: int | None = None
        self._digest = b""
        self.stored_bytes = 0

    @property
    def is_whole(self) -> bool:
        """Nothing is missing."""
        return self.stored_bytes == self._total_size

    async def run(self, connection: TransferConnection, is_needed: Callable[[], bool]) -> None:
        """
        Ask for what is missing, a few chunks ahead.

        Raises:
            SnapshotGone: The other side does not have it, or has another of that name.
            RemoteProtocolError, OSError, TimeoutError: The connection is of no use any more.
            StorageError: The disk failed.
        """
        asked_bytes = self.stored_bytes
        under_way = 0
        while not self.is_whole and is_needed():
            while under_way < WINDOW_COUNT and (self._total_size is None or asked_bytes < self._total_size):
                connection.ask(ChunkRequest(self._meta.snapshot_id, asked_bytes, CHUNK_BYTES))
                asked_bytes += CHUNK_BYTES
                under_way += 1
                if self._total_size is None:
                    break
            async with asyncio.timeout(REPLY_SECONDS):
                chunk = await connection.next_chunk()
            under_way -= 1
            if chunk.total_size < 0:
                raise SnapshotGone("it is not on offer any more")
            if self._total_size is None:
                self._total_size, self._digest = chunk.total_size, chunk.digest
            if (chunk.total_size, chunk.digest) != (self._total_size, self._digest):
                raise SnapshotGone("another one has its name now")
            await self._store(chunk.offset, chunk.data)

    async def _store(self, offset: int, data: bytes) -> None:
        assert self._total_size is not None
        end = offset + len(data)
        if offset != self.stored_bytes or (len(data) != CHUNK_BYTES and end != self._total_size):
            raise RemoteProtocolError(f"{len(data)} bytes at {offset} of a snapshot, not those that were asked for")
        sync = end // SYNC_BYTES != offset // SYNC_BYTES
        await self._chores.aside(partial(write_chunk, self._part, offset, data, sync=sync))
        self.stored_bytes = end
        await self._chores.rest(len(data))

    async def verify(self) -> None:
        """
        Hold the whole file against the hash that was announced, and against the index it stands for.

        Raises:
            SnapshotGone: It is something else; it must be fetched anew.
        """
        digest = FileDigest(self._part)
        while not await self._chores.aside(digest.step):
            await self._chores.rest()
        if digest.value() != self._digest:
            raise SnapshotGone("its hash is not the one that was announced: damaged on one of the disks")
        try:
            head = await self._chores.aside(partial(read_head, self._part))
        except StorageCorrupt as error:
            raise SnapshotGone(f"it cannot be read: {error}") from error
        if (head.applied_index, head.applied_term) != (self._meta.index, self._meta.term):
            found = f"entry {head.applied_index} of term {head.applied_term}"
            raise SnapshotGone(f"it contains {found}, and not what was announced")
