"""
Uploaded files as the door offers them: what joins disk, transfer, copies, healing and scrubbing.

`begin`, `ensure` and `read` are all that edges know (node/door.py, `Files`). A store that is reached over the network
and keeps copies by itself can take the place of this whole package behind them.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Stopping, StorageError, Unavailable
from raftline.cluster.execution import execute
from raftline.cluster.frames import MediaKept, MediaOffer, MediaRequest
from raftline.cluster.media.copies import Copies
from raftline.cluster.media.describing.describing import Describing
from raftline.cluster.media.fetch import MediaFetch
from raftline.cluster.media.healing import Healing
from raftline.cluster.media.library import Library
from raftline.cluster.media.metrics import MediaMetrics
from raftline.cluster.media.scrub import Scrub
from raftline.cluster.media.source import MediaSource
from raftline.cluster.media.store import MediaStore
from raftline.raft.membership import Membership

if TYPE_CHECKING:
    from raftline.base.ids import NodeId
    from raftline.cluster.chores import Chores
    from raftline.cluster.connections import InboundConnection
    from raftline.cluster.driver import Driver
    from raftline.cluster.links import PeerLinks
    from raftline.cluster.media.store import Draft
    from raftline.cluster.storage import NodeStorage

STREAM_BYTES: Final = 256 << 10
"""Read from the disk at once for somebody who reads a file; all of it that is ever in memory."""


class Media:
    """
    The uploaded files of one node.

    Args:
        chores: Run what goes on in the background; a task that fails ends the node.

    Raises:
        StorageError: The disk failed.
    """

    def __init__(self, driver: Driver, storage: NodeStorage, links: PeerLinks, chores: Chores) -> None:
        self._driver = driver
        self._links = links
        self._draft_count = 0
        self._is_stopped = False
        self.kept_count = 0
        store = MediaStore(storage.settings.data_dir, draw_name=self._draw_name, disk=storage.disk)
        store.begin()
        self.library = Library(store, storage.machine)
        self.source = MediaSource(self.library, chores)
        self.fetch = MediaFetch(self.library, links, now_ns=driver.now_ns, sources=self._sources)
        self.copies = Copies(driver.node_id, self.fetch, chores, membership=self._membership, send=driver.send)
        self.healing = Healing(self.library, self.fetch, storage.machine)
        self.scrub = Scrub(self.library, self.healing)
        self.describing = Describing(
            self,
            storage.machine,
            execute=lambda action: execute(driver, action, None),
            is_leader=lambda: driver.leader_id == driver.node_id,
        )
        chores.begin(self.healing.run(), "media healing")
        chores.begin(self.describing.run(), "media descriptions")
        chores.begin(self.describing.run_rounds(), "media descriptions of others")
        chores.begin(self.scrub.run(), "media scrub")

    def _draw_name(self) -> str:
        self._draft_count += 1
        return str(self._draft_count)

    def _sources(self) -> Sequence[NodeId]:
        """Return peers whose links are up, another first each time, so that the load is shared."""
        ids = [link.node_id for link in self._links.links if link.is_up]
        turn = self.fetch.count % len(ids) if ids else 0
        return ids[turn:] + ids[:turn]

    def _membership(self) -> Membership:
        return self._driver.raft.membership

    @property
    def time_ms(self) -> int:
        """Cluster time, as far as this replica has come."""
        return self._driver.machine.cluster_time_ms

    # What edges ask for

    async def begin(self, size: int) -> MediaDraft:
        """See `node.door.Files`."""
        if self._is_stopped:
            raise Stopping("this node is shutting down")
        draft = await self.library.aside(partial(self.library.store.new_draft, size))
        return MediaDraft(self, draft)

    async def ensure(self, digest: bytes, size: int) -> None:
        """See `node.door.Files`."""
        time_ms = self.time_ms
        if await self.library.has(digest, size, time_ms) or await self.fetch.fetch(digest, size, time_ms):
            return
        raise Unavailable("no node that can be reached has the file")

    async def read(self, digest: bytes, offset: int, size: int) -> bytes:
        """See `node.door.Files`."""
        try:
            return await self.library.aside(partial(self.library.store.read, digest, offset, size))
        except FileNotFoundError as error:
            raise StorageError(f"the file {digest.hex()} is not here any more") from error

    async def stream(self, digest: bytes, size: int, start: int, end: int) -> AsyncIterator[bytes]:
        """
        See `node.door.Files`. Of a whole file the last part is held back until the hash is right.

        A part of a file is as the disk has it: all there is to compare with is the hash of the whole (`scrub`).
        """
        check = hashlib.sha256() if (start, end) == (0, size) else None
        offset = start
        while offset < end:
            data = await self.read(digest, offset, min(STREAM_BYTES, end - offset))
            if not data:
                raise StorageError(f"the file {digest.hex()} ends at {offset}, not at {size}")
            if check is not None:
                # Some tenths of a millisecond: not on the loop, where messages come first.
                await self.library.aside(partial(check.update, data))
                if offset + len(data) == end and check.digest() != digest:
                    await self.scrub.found_damaged(digest)
                    if offset:
                        raise StorageError(f"the file {digest.hex()} was found to be damaged")
                    # Nothing was handed out yet: another node's copy will do.
                    await self.ensure(digest, size)
                    data = await self.read(digest, 0, size)
            offset += len(data)
            yield data

    def describe(self, digest: bytes, size: int) -> None:
        """See `node.door.Files`."""
        self.describing.begin(digest, size)

    # What is asked for to look into files

    @asynccontextmanager
    async def on_disk(self, digest: bytes, size: int) -> AsyncIterator[Path]:
        """See `describing.LookedInto`."""
        await self.ensure(digest, size)
        yield self.library.store.path_of(digest)

    async def store(self, content: bytes) -> bytes:
        """See `describing.LookedInto`."""
        draft = await self.begin(len(content))
        try:
            await draft.write(content)
            return await draft.keep()
        finally:
            await draft.discard()

    # What peers ask for

    def requested(self, connection: InboundConnection, request: MediaRequest) -> None:
        """Answer over this connection, in order of the requests."""
        self.source.asked(connection, request)

    def offered(self, node_id: NodeId, offer: MediaOffer) -> None:
        """Fetch what a peer offers."""
        self.copies.offered(node_id, offer)

    def answered(self, node_id: NodeId, answer: MediaKept) -> None:
        """Take note of a copy."""
        self.copies.answered(node_id, answer)

    async def stop(self) -> None:
        """Give up what is under way; the tasks of the background have ended already."""
        self._is_stopped = True
        await self.fetch.stop()
        await self.library.stop()

    def metrics(self) -> MediaMetrics:
        """Return the figures as they are now."""
        return MediaMetrics(
            kept_count=self.kept_count,
            fetched_count=self.fetch.count,
            fetch_failure_count=self.fetch.failure_count,
            sent_bytes=self.source.sent_bytes,
            received_bytes=self.fetch.received_bytes,
            missing_count=self.healing.missing_count,
            deleted_count=self.healing.deleted_count,
            damaged_count=self.scrub.damaged_count,
            described_count=self.describing.described_count,
            undescribable_count=self.describing.failure_count,
        )


class MediaDraft:
    """Implements `node.door.FileDraft`."""

    def __init__(self, media: Media, draft: Draft) -> None:
        self._media = media
        self._draft = draft

    async def write(self, data: bytes) -> None:
        """See `node.door.FileDraft`."""
        await self._media.library.aside(partial(self._draft.write, data))

    async def keep(self) -> bytes:
        """See `node.door.FileDraft`."""
        media = self._media
        time_ms = media.time_ms
        digest = await media.library.keep(self._draft, time_ms)
        await media.copies.spread(digest, self._draft.size, time_ms)
        media.kept_count += 1
        return digest

    async def discard(self) -> None:
        """See `node.door.FileDraft`."""
        await self._media.library.aside(self._draft.discard)
