"""
Links between the nodes: mutual TLS, one connection for each direction.

Every node dials every other. A connection carries the dialer's frames only; the acceptor answers with nothing but its
hello. So the end of an inbound connection says one thing, that its dialer is gone, and a node that lost its leader
knows at once. A node that fetches a snapshot dials once more: over that connection it asks and the acceptor answers,
and nothing else passes, so that heartbeats never wait behind a snapshot.

    dialer                                   acceptor
      │ ── TLS, both certificates ──────────▶ │  CN is a node of the cluster, fingerprint is the pinned one
      │ ── Hello ───────────────────────────▶ │  version, cluster, node id = CN
      │ ◀─────────────────────────── Hello ── │  the link is up; the dialer checks the same
      │ ── frames … ────────────────────────▶ │

Trust comes from the pinned fingerprints; the certificate authority is asked as well. TLS contexts are given:
`verify_mode` must be CERT_REQUIRED on both sides and `check_hostname` off, since names of machines say nothing here.

Frames gather per link and leave in one write when the owner calls `flush`. A link whose queue is full takes no more:
`send` says so, and each kind of frame knows what that means (Raft repairs lost messages, commands wait, off-log
stanzas are lost).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import NodeId
from raftline.cluster.config import ClusterConfig
from raftline.cluster.connections import InboundConnection, OutboundConnection, TransferConnection, node_id_of
from raftline.cluster.frames import PROTOCOL_VERSION, Frame, Hello, LinkFrame, TransferFrame, encode_frame
from raftline.cluster.peer_book import PeerBook

_LOG: Final = logging.getLogger(__name__)

D = TypeVar("D", OutboundConnection, TransferConnection)


class LinkObserver(Protocol):
    """Who hears of links. Calls come from the event loop and must not block."""

    def link_up(self, node_id: NodeId) -> None:
        """Frames may be sent to this node. What was sent over an earlier connection may be lost."""

    def link_down(self, node_id: NodeId) -> None:
        """Frames to this node are lost until `link_up`, or for good when it is no peer any more."""

    def peer_arrived(self, node_id: NodeId, hello: Hello) -> None:
        """This node has connected to us, perhaps anew, and says this of itself."""

    def peer_welcomed(self, node_id: NodeId, hello: Hello) -> None:
        """This node has taken our connection, and says this of itself."""

    def peer_gone(self, node_id: NodeId) -> None:
        """Its connection to us ended."""

    def snapshot_requested(self, connection: InboundConnection, request: TransferFrame) -> None:
        """Answer over this connection, in order of the requests."""

    def receive_frame(self, node_id: NodeId, frame: LinkFrame) -> None:
        """Take a frame of this node; in order for each of its connections. A Hello tells that it began a new life."""


@dataclass(frozen=True, slots=True)
class LinkContexts:
    """TLS for links one takes and for links one dials; see the head of this module."""

    server: ssl.SSLContext
    client: ssl.SSLContext


class PeerLinks:
    """
    All links of a node.

    Args:
        book: Whom to dial and whom to take links from; `follow` whenever it has changed.
        make_hello: Returns what this node says of itself now.
        random: Spreads the pauses between attempts.
    """

    def __init__(
        self,
        config: ClusterConfig,
        contexts: LinkContexts,
        observer: LinkObserver,
        book: PeerBook,
        *,
        make_hello: Callable[[], Hello],
        random: random.Random,
        monotonic_ns: Callable[[], int],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._config = config
        self._contexts = contexts
        self.observer = observer
        self.random = random
        self.monotonic_ns = monotonic_ns
        self._on_failure = on_failure
        self.make_hello = make_hello
        self.book = book
        self._server: asyncio.Server | None = None
        self._tasks: dict[NodeId, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.inbound: dict[NodeId, InboundConnection] = {}
        self._accepted: set[InboundConnection] = set()
        self._links: dict[NodeId, PeerLink] = {}
        self.refused_count = 0
        self.is_stopping = False

    async def start(self) -> None:
        """
        Listen, then begin to dial.

        Raises:
            OSError: The address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        config = self._config
        self._server = await loop.create_server(
            lambda: InboundConnection(self),
            config.listen_host,
            config.listen_port,
            ssl=self._contexts.server,
            ssl_handshake_timeout=config.timing.dial_timeout_ns / 1e9,
        )
        self.follow()

    def follow(self) -> None:
        """Dial who is new in the book, and let go of who is not in it any more."""
        loop = asyncio.get_running_loop()
        for node_id in sorted(self.book.known.keys() - self._links.keys()):
            link = self._links[node_id] = PeerLink(node_id, self, self._config, self._contexts.client)
            task = loop.create_task(link.run(), name=f"link to node {node_id}")
            task.add_done_callback(self._dialler_ended)
            self._tasks[node_id] = task
        for node_id in sorted(self._links.keys() - self.book.known.keys()):
            self._links.pop(node_id).flush()
            task = self._tasks.pop(node_id)
            task.cancel()
            self._ending.add(task)
            if node_id in self.inbound:
                self.inbound[node_id].close()

    def _dialler_ended(self, task: asyncio.Task[None]) -> None:
        """A dialler never ends by itself; if it does, the node is not what it should be."""
        self._ending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)

    async def stop(self) -> None:
        """Close everything. Nothing is reported any more."""
        self.is_stopping = True
        self.flush()
        if self._server is not None:
            self._server.close()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), *self._ending, return_exceptions=True)
        accepted = list(self._accepted)
        for connection in accepted:
            connection.close()
        await asyncio.gather(*(connection.ended for connection in accepted))

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def is_up(self, node_id: NodeId) -> bool:
        """Frames can be sent to this node at the moment."""
        link = self._links.get(node_id)
        return link is not None and link.is_up

    def last_heard_ns(self, node_id: NodeId) -> int | None:
        """Return when something last arrived from this node over a link that lives; None without one."""
        connection = self.inbound.get(node_id)
        return None if connection is None else connection.last_heard_ns

    def send(self, node_id: NodeId, frame: Frame, *, yields: bool = False) -> bool:
        """
        Queue a frame; it leaves with the next `flush`.

        Args:
            yields: Take only half of the queue, so that heartbeats and appends still find room.

        Returns: False when the link is down, or its queue full: the frame is dropped.
        """
        link = self._links.get(node_id)
        return link is not None and link.send(frame, yields=yields)

    async def open_transfer(self, node_id: NodeId) -> TransferConnection:
        """
        Dial a node to fetch a snapshot; the caller closes what is returned.

        Raises:
            OSError, TimeoutError, RemoteProtocolError: It cannot be reached, or is not who it should be.
        """
        link = self._links.get(node_id)
        if link is None:
            raise RemoteProtocolError(f"node {node_id} is no peer")
        return await link.open_transfer()

    def flush(self) -> None:
        """Write what is queued, once per link."""
        for link in self._links.values():
            link.flush()

    @property
    def links(self) -> list[PeerLink]:
        """All links, by node, for their figures."""
        return [self._links[node_id] for node_id in sorted(self._links)]

    def check_identity(self, transport: asyncio.BaseTransport) -> NodeId:
        """
        Return which node of the cluster the other side is, by its certificate.

        Raises:
            RemoteProtocolError: It is none.
        """
        node_id, fingerprint = node_id_of(transport)
        peer = self.book.peer(node_id)
        if peer is None:
            raise RemoteProtocolError(f"certificate names node {node_id}, which is no peer")
        if fingerprint != peer.fingerprint:
            raise RemoteProtocolError(f"certificate of node {node_id} is not the pinned one")
        return node_id

    def check_hello(self, frame: Frame, node_id: NodeId) -> Hello:
        """
        Return the first frame of a connection, checked.

        Raises:
            RemoteProtocolError: It is no hello, or of another version, cluster or node.
        """
        if not isinstance(frame, Hello):
            raise RemoteProtocolError(f"{type(frame).__name__} before hello")
        if frame.version != PROTOCOL_VERSION:
            raise RemoteProtocolError(f"protocol version {frame.version}, this node speaks {PROTOCOL_VERSION}")
        if frame.cluster_id != self._config.cluster_id:
            raise RemoteProtocolError(f"hello of cluster {frame.cluster_id!r}")
        if frame.node_id != node_id:
            raise RemoteProtocolError(f"hello of node {frame.node_id} under the certificate of node {node_id}")
        return frame

    def note_refusal(self, error: RemoteProtocolError, transport: asyncio.BaseTransport) -> None:
        """Count and log a connection that is dropped for what it said."""
        self.refused_count += 1
        _LOG.warning("peer link with %s dropped: %s", transport.get_extra_info("peername"), error)

    def accepted(self, connection: InboundConnection) -> None:
        """Keep a connection until it ends."""
        self._accepted.add(connection)

    def announce(self) -> None:
        """Tell all peers again what this node says of itself."""
        hello = self.make_hello()
        for link in self._links.values():
            link.send(hello)

    def arrived(self, connection: InboundConnection, node_id: NodeId, hello: Hello) -> None:
        """Let a checked inbound connection take the place of the node's earlier one."""
        earlier = self.inbound.get(node_id)
        self.inbound[node_id] = connection
        if earlier is not None:
            earlier.close()
        if node_id in self._links:
            self._links[node_id].dial_now()
        self.observer.peer_arrived(node_id, hello)

    def ended(self, connection: InboundConnection) -> None:
        """Forget an inbound connection."""
        self._accepted.discard(connection)
        node_id = connection.node_id
        if node_id is not None and self.inbound.get(node_id) is connection:
            del self.inbound[node_id]
            if not self.is_stopping:
                self.observer.peer_gone(node_id)


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
