"""
The side that lacks a file: asks one peer after the other for it, a few chunks ahead, over a connection of its own.

What arrives is hashed on its way to the disk and gets its name only if it is what was asked for; a peer that sends
something else, or breaks off, is followed by the next one, from the beginning. However many want a file, it is fetched
once at a time, and few files are fetched at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.base.errors import RemoteProtocolError
from raftline.cluster.chores import BULK_BYTES_PER_SECOND
from raftline.cluster.frames import MediaRequest

if TYPE_CHECKING:
    from raftline.base.ids import NodeId
    from raftline.cluster.connections import TransferConnection
    from raftline.cluster.links import PeerLinks
    from raftline.cluster.media.library import Library
    from raftline.cluster.media.store import Draft

_LOG: Final = logging.getLogger(__name__)

CHUNK_BYTES: Final = 256 << 10
"""Small enough that a loop which encrypts or decrypts one is not missed by anybody."""

WINDOW_COUNT: Final = 4
"""Chunks under way over one connection."""

FETCH_COUNT_MAX: Final = 4
"""Files under way to this node; others wait."""

REPLY_SECONDS: Final = 10.0


class NotThere(Exception):
    """A peer has no such file, or none of this size or content."""


class MediaFetch:
    """
    Fetches files.

    Args:
        now_ns: Monotonic.
        sources: Returns the peers that can be asked now, in the order to ask them.

    Attributes:
        received_bytes: Of all files.
        count: Files that arrived whole.
        failure_count: Tries that broke off or brought something else.
    """

    def __init__(
        self,
        library: Library,
        links: PeerLinks,
        *,
        now_ns: Callable[[], int],
        sources: Callable[[], Sequence[NodeId]],
    ) -> None:
        self._library = library
        self._links = links
        self._now_ns = now_ns
        self._sources = sources
        self._running: dict[bytes, asyncio.Task[bool]] = {}
        self._turns = asyncio.Semaphore(FETCH_COUNT_MAX)
        self.received_bytes = 0
        self.count = 0
        self.failure_count = 0

    async def fetch(self, digest: bytes, size: int, time_ms: int, first: NodeId | None = None) -> bool:
        """
        Get a file, unless it is here; say whether it is.

        Args:
            time_ms: As for `Library.has`.
            first: Who is known to have it.

        Raises:
            StorageFull: There is no room for it.
            StorageError: The disk failed.
        """
        task = self._running.get(digest)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._fetch(digest, size, time_ms, first))
            self._running[digest] = task
            task.add_done_callback(partial(self._ended, digest))
        return await asyncio.shield(task)

    def _ended(self, digest: bytes, task: asyncio.Task[bool]) -> None:
        del self._running[digest]
        if not task.cancelled():
            task.exception()  # whoever waits hears of it; perhaps nobody does any more

    async def stop(self) -> None:
        """Give up what is under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, digest: bytes, size: int, time_ms: int, first: NodeId | None) -> bool:
        async with self._turns:
            if await self._library.has(digest, size, time_ms):
                return True
            others = [node_id for node_id in self._sources() if node_id != first]
            for node_id in others if first is None else [first, *others]:
                try:
                    await self._fetch_from(node_id, digest, size, time_ms)
                except NotThere as error:
                    _LOG.info("file %s of node %d: %s", digest.hex(), node_id, error)
                except (OSError, TimeoutError, RemoteProtocolError) as error:
                    self.failure_count += 1
                    _LOG.info("file %s of node %d: %s", digest.hex(), node_id, str(error) or type(error).__name__)
                else:
                    self.count += 1
                    return True
        return False

    async def _fetch_from(self, node_id: NodeId, digest: bytes, size: int, time_ms: int) -> None:
        library = self._library
        draft = await library.aside(partial(library.store.new_draft, size))
        try:
            connection = await self._links.open_transfer(node_id)
            try:
                await self._receive(connection, draft, digest, size)
            finally:
                connection.close()
            if draft.digest != digest:
                self.failure_count += 1
                raise NotThere("what it sent has another hash: damaged on its disk")
            await library.keep(draft, time_ms)
        finally:
            await asyncio.shield(library.aside(draft.discard))

    async def _receive(self, connection: TransferConnection, draft: Draft, digest: bytes, size: int) -> None:
        asked_bytes = 0
        while draft.size < size:
            while asked_bytes < size and asked_bytes - draft.size < WINDOW_COUNT * CHUNK_BYTES:
                connection.ask(MediaRequest(digest, asked_bytes, CHUNK_BYTES))
                asked_bytes += CHUNK_BYTES
            async with asyncio.timeout(REPLY_SECONDS):
                chunk = await connection.next_media_chunk()
            if chunk.total_size != size:
                raise NotThere("it has no such file" if chunk.total_size < 0 else f"it has {chunk.total_size} bytes")
            if chunk.digest != digest or chunk.offset != draft.size or len(chunk.data) != _due(chunk.offset, size):
                raise RemoteProtocolError(f"{len(chunk.data)} bytes at {chunk.offset}, not those that were asked for")
            began_ns = self._now_ns()
            await self._library.aside(partial(draft.write, chunk.data))
            self.received_bytes += len(chunk.data)
            # Messages come first: disk and processor rest as they do between the steps of a snapshot.
            spent_seconds = (self._now_ns() - began_ns) / 1e9
            await asyncio.sleep(max(len(chunk.data) / BULK_BYTES_PER_SECOND - spent_seconds, 0))


def _due(offset: int, size: int) -> int:
    """Return how many bytes a chunk at this offset has."""
    return min(CHUNK_BYTES, size - offset)
