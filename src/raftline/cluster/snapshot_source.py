"""
The leader's side of a snapshot: made when a follower needs one, offered, handed out in chunks.

                 wanted                copied and hashed                 nobody needs it
    nothing ───────────────▶ taking ───────────────────▶ on offer ───────────────────▶ nothing
                                                            ▲ │  wanted: a newer one, since the log moved on
                                                            └─┘

While one is taken the log is not compacted, else its end might be forgotten before it can be offered; once it is on
offer the core sees to that. Copying and hashing happen in steps off the loop, with rests in between: the disk and the
processor belong to the messages first.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.base.errors import LocalProtocolError, RemoteProtocolError, StorageFull
from raftline.cluster.config import MILLISECOND_NS
from raftline.cluster.frames import ChunkRequest, SnapshotChunk, SnapshotDoubt
from raftline.cluster.snapshot_files import FileDigest, SnapshotFiles, read_chunk
from raftline.raft.messages import SnapshotMeta
from raftline.raft.progress import ProgressState

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.cluster.chores import Chores
    from raftline.cluster.compaction import Compaction
    from raftline.cluster.connections import InboundConnection
    from raftline.cluster.database_copy import DatabaseCopies
    from raftline.raft.node import Raft
    from raftline.raft.ready import Ready

_LOG: Final = logging.getLogger(__name__)

CHUNK_BYTES_MAX: Final = 1 << 20
REQUEST_COUNT_MAX: Final = 16
"""Chunks one connection may have asked for and not got."""

IDLE_NS: Final = 30_000 * MILLISECOND_NS
"""A snapshot that nobody has needed for so long is removed."""

NO_SPACE_PAUSE_SECONDS: Final = 5.0

_NOBODY: Final = SnapshotChunk("", -1, b"", 0, b"")


class _Offer:
    """The snapshot on offer."""

    def __init__(self, meta: SnapshotMeta, path: Path, size: int, digest: bytes) -> None:
        self.meta = meta
        self.path = path
        self.size = size
        self.digest = digest


class SnapshotSource:
    """
    Takes snapshots and hands out the last one.

    Args:
        draw_name: Gives a name that this node never gave before.
        on_change: Called when the core has something to say.

    Attributes:
        taken_count: Snapshots made.
        sent_bytes: Of snapshots handed out.
        damaged_count: Snapshots that this node's disk altered before they could be handed out.
    """

    def __init__(
        self,
        raft: Raft,
        files: SnapshotFiles,
        copies: DatabaseCopies,
        chores: Chores,
        compaction: Compaction,
        *,
        draw_name: Callable[[], str],
        now_ns: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self._raft = raft
        self._files = files
        self._copies = copies
        self._chores = chores
        self._compaction = compaction
        self._draw_name = draw_name
        self._now_ns = now_ns
        self._on_change = on_change
        self._is_taking = False
        self._offer: _Offer | None = None
        self._needed_ns = 0
        self.taken_count = 0
        self.sent_bytes = 0
        self.damaged_count = 0

    def follow(self, ready: Ready) -> None:
        """Do what the core asks for."""
        if ready.snapshot_wanted and not self._is_taking:
            _LOG.info("nodes %s need a snapshot", list(ready.snapshot_wanted))
            self._is_taking = True
            self._chores.begin(self._take(), "snapshot")

    async def _take(self) -> None:
        try:
            async with self._copies.idle:
                self._compaction.hold()
                try:
                    await self._make()
                finally:
                    self._compaction.release()
        finally:
            self._is_taking = False

    async def _make(self) -> None:
        name = self._draw_name()
        path = self._files.out_path(name)
        try:
            head = await self._copies.make(path)
            digest = FileDigest(path)
            while not await self._chores.aside(digest.step):
                await self._chores.rest()
        except StorageFull as error:
            _LOG.warning("no snapshot for now: %s", error)
            await self._chores.aside(partial(self._files.remove, path))
            await asyncio.sleep(NO_SPACE_PAUSE_SECONDS)
            return
        if head is None:
            await self._chores.aside(partial(self._files.remove, path))
            return
        try:
            membership = self._raft.membership_at(head.applied_index)
        except LocalProtocolError:
            # Another snapshot was installed here meanwhile.
            await self._chores.aside(partial(self._files.remove, path))
            return
        meta = SnapshotMeta(self._raft.node_id, name, head.applied_index, head.applied_term, membership)
        await self._drop()
        self._offer = _Offer(meta, path, digest.size, digest.value())
        self._needed_ns = self._now_ns()
        self.taken_count += 1
        _LOG.info("snapshot %s contains everything up to entry %d, %d bytes", name, head.applied_index, digest.size)
        self._raft.offer_snapshot(meta, self._now_ns())
        self._on_change()

    def asked(self, connection: InboundConnection, request: ChunkRequest | SnapshotDoubt) -> None:
        """
        Send a chunk over the connection that asks for it, or look into a doubt.

        Raises:
            RemoteProtocolError: It asks for too much.
        """
        if isinstance(request, SnapshotDoubt):
            if self._offer is not None and self._offer.meta.snapshot_id == request.snapshot_id:
                self._chores.begin(self._look_again(self._offer), "snapshot doubted")
            return
        if request.size > CHUNK_BYTES_MAX or request.offset < 0 or len(connection.requests) >= REQUEST_COUNT_MAX:
            raise RemoteProtocolError(f"a request for {request.size} bytes at {request.offset} of a snapshot")
        connection.requests.append(request)
        if len(connection.requests) == 1:
            self._chores.begin(self._answer(connection, connection.requests), "chunks of a snapshot")

    async def _answer(self, connection: InboundConnection, requests: deque[ChunkRequest]) -> None:
        """Answer in order until nothing is asked for; what stays at the head is being answered."""
        while requests:
            connection.send(await self._chunk(requests[0]))
            requests.popleft()

    async def _chunk(self, request: ChunkRequest) -> SnapshotChunk:
        offer = self._offer
        if offer is None or offer.meta.snapshot_id != request.snapshot_id:
            return _NOBODY
        self._needed_ns = self._now_ns()
        data = await self._chores.aside(partial(read_chunk, offer.path, request.offset, request.size))
        self.sent_bytes += len(data)
        return SnapshotChunk(request.snapshot_id, offer.size, offer.digest, request.offset, data)

    async def _look_again(self, offer: _Offer) -> None:
        """Hash a snapshot again that did not arrive as it was announced; withdraw it if the fault is here."""
        digest = FileDigest(offer.path)
        while not await self._chores.aside(digest.step):
            await self._chores.rest()
        if self._offer is offer and digest.value() != offer.digest:
            _LOG.error("snapshot %s is damaged on this node's disk: another one is made", offer.meta.snapshot_id)
            self.damaged_count += 1
            self._raft.offer_snapshot(None, self._now_ns())
            self._on_change()
            await self._drop()

    def keep_house(self, now_ns: int) -> None:
        """Remove a snapshot that nobody needs any more."""
        if self._offer is None or self._is_taking:
            return
        if any(follower.state is ProgressState.SNAPSHOT for follower in self._raft.followers()):
            self._needed_ns = now_ns
        elif now_ns - self._needed_ns >= IDLE_NS:
            self._raft.offer_snapshot(None, now_ns)
            self._chores.begin(self._drop(), "snapshot removed")

    async def _drop(self) -> None:
        if self._offer is not None:
            path, self._offer = self._offer.path, None
            await self._chores.aside(partial(self._files.remove, path))
