"""The side that has a file: hands out parts of it over the connections that ask for them."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.base.errors import RemoteProtocolError, StorageError
from raftline.cluster.frames import MediaChunk, MediaRequest

if TYPE_CHECKING:
    from raftline.cluster.chores import Chores
    from raftline.cluster.connections import InboundConnection
    from raftline.cluster.media.library import Library

_LOG: Final = logging.getLogger(__name__)

CHUNK_BYTES_MAX: Final = 1 << 20
REQUEST_COUNT_MAX: Final = 16
"""Chunks one connection may have asked for and not got: what a slow reader leaves here in memory."""


class MediaSource:
    """
    Hands out files.

    Attributes:
        sent_bytes: Of all files.
    """

    def __init__(self, library: Library, chores: Chores) -> None:
        self._library = library
        self._chores = chores
        self.sent_bytes = 0

    def asked(self, connection: InboundConnection, request: MediaRequest) -> None:
        """
        Send a chunk over the connection that asks for it.

        Raises:
            RemoteProtocolError: It asks for too much.
        """
        requests = connection.media_requests
        if not 0 < request.size <= CHUNK_BYTES_MAX or request.offset < 0 or len(requests) >= REQUEST_COUNT_MAX:
            raise RemoteProtocolError(f"a request for {request.size} bytes at {request.offset} of a file")
        requests.append(request)
        if len(requests) == 1:
            self._chores.begin(self._answer(connection), "chunks of a file")

    async def _answer(self, connection: InboundConnection) -> None:
        """Answer in order until nothing is asked for; what stays at the head is being answered."""
        requests = connection.media_requests
        while requests:
            connection.send(await self._chunk(requests[0]))
            requests.popleft()

    async def _chunk(self, request: MediaRequest) -> MediaChunk:
        nothing = MediaChunk(request.digest, -1, request.offset, b"")
        store = self._library.store
        try:
            total_size = await self._library.aside(partial(store.size_of, request.digest))
            if total_size is None:
                return nothing
            data = await self._library.aside(partial(store.read, request.digest, request.offset, request.size))
        except (FileNotFoundError, StorageError) as error:
            _LOG.warning("a file that a peer asks for cannot be read: %s", error)
            return nothing
        self.sent_bytes += len(data)
        return MediaChunk(request.digest, total_size, request.offset, data)
