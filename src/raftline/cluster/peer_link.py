"""The link to one node: dialled again whenever it is lost, with a bounded queue of frames; see `links`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import NodeId
from raftline.cluster.config import ClusterConfig
from raftline.cluster.connections import OutboundConnection, TransferConnection
from raftline.cluster.frames import Frame, encode_frame

if TYPE_CHECKING:
    from raftline.cluster.links import PeerLinks

_LOG: Final = logging.getLogger(__name__)

D = TypeVar("D", OutboundConnection, TransferConnection)


class PeerLink:
    """The link to one node, dialled again whenever it is lost."""

    def __init__(self, node_id: NodeId, links: PeerLinks, config: ClusterConfig, context: ssl.SSLContext) -> None:
        self.node_id = node_id
        self._links = links
        self._timing = config.timing
        self._bytes_max = config.limits.link_bytes_max
        self._context = context
        self._connection: OutboundConnection | None = None
        self._frames: list[bytes] = []
        self._frame_bytes = 0
        self._dial_now = asyncio.Event()
        self.dropped_count = 0
        self.connect_count = 0

    @property
    def is_up(self) -> bool:
        """The other side has accepted us."""
        return self._connection is not None

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        timing = self._timing
        pause_ns = timing.dial_retry_min_ns
        last_error = ""
        while True:
            self._dial_now.clear()
            try:
                connection = await self._connect()
            except (OSError, TimeoutError, RemoteProtocolError) as error:
                if (text := str(error) or type(error).__name__) != last_error:
                    last_error = text
                    _LOG.info("node %d cannot be reached: %s", self.node_id, last_error)
            else:
                last_error = ""
                pause_ns = timing.dial_retry_min_ns
                await self._serve(connection)
            # The full pause plus up to half: nodes that lost one another at once do not dial in step.
            seconds = pause_ns * self._links.random.uniform(1.0, 1.5) / 1e9
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._dial_now.wait()
                pause_ns = timing.dial_retry_min_ns
            pause_ns = min(2 * pause_ns, timing.dial_retry_max_ns)

    async def _connect(self) -> OutboundConnection:
        """Return a connection that was welcomed."""
        return await self._dial(lambda: OutboundConnection(self._links, self.node_id))

    async def open_transfer(self) -> TransferConnection:
        """As `PeerLinks.open_transfer`."""
        return await self._dial(lambda: TransferConnection(self._links, self.node_id))

    async def _dial(self, make: Callable[[], D]) -> D:
        loop = asyncio.get_running_loop()
        peer = self._links.book.peer(self.node_id)
        if peer is None:
            raise RemoteProtocolError(f"node {self.node_id} is no peer")
        async with asyncio.timeout(self._timing.dial_timeout_ns / 1e9):
            transport, connection = await loop.create_connection(make, peer.host, peer.port, ssl=self._context)
            try:
                await connection.welcomed
            except BaseException:
                transport.abort()
                await connection.ended
                raise
        return connection

    async def _serve(self, connection: OutboundConnection) -> None:
        """Let frames pass until the connection ends."""
        self._connection = connection
        self.connect_count += 1
        _LOG.info("link to node %d is up", self.node_id)
        self._links.observer.link_up(self.node_id)
        try:
            await asyncio.shield(connection.ended)
        except asyncio.CancelledError:
            connection.close()
            await connection.ended
            raise
        finally:
            self._connection = None
            self._frames.clear()
            self._frame_bytes = 0
            if not self._links.is_stopping:
                _LOG.info("link to node %d is down", self.node_id)
                self._links.observer.link_down(self.node_id)

    def dial_now(self) -> None:
        """Dial without a pause: the other side lives."""
        self._dial_now.set()

    def send(self, frame: Frame, *, yields: bool = False) -> bool:
        """As `PeerLinks.send`."""
        connection = self._connection
        if connection is None:
            return False
        bytes_max = self._bytes_max // 2 if yields else self._bytes_max
        if self._frame_bytes + connection.buffered_bytes >= bytes_max:
            self.dropped_count += 1
            return False
        data = encode_frame(frame)
        self._frames.append(data)
        self._frame_bytes += len(data)
        return True

    def flush(self) -> None:
        """As `PeerLinks.flush`."""
        if self._frames and self._connection is not None:
            self._connection.write(self._frames[0] if len(self._frames) == 1 else b"".join(self._frames))
            self._frames.clear()
            self._frame_bytes = 0

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent."""
        connection = self._connection
        return 0 if connection is None else self._frame_bytes + connection.buffered_bytes
