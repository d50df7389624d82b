"""
Links between the nodes: mutual TLS, one connection for each direction.

Every node dials every other. A connection carries the dialer's frames only; the acceptor answers with nothing but its
hello. So the end of an inbound connection says one thing, that its dialer is gone, and a node that lost its leader
knows at once. A node that fetches a snapshot dials once more: over that connection it asks and the acceptor answers,
and nothing else passes, so that heartbeats never wait behind a snapshot; the same holds for uploaded files.

    dialer                                   acceptor
      │ ── TLS, both certificates ──────────▶ │  signed by the cluster's authority
      │ ── Hello ───────────────────────────▶ │  CN is a peer, its key the pinned one; version, cluster, data
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
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import NodeId
from raftline.cluster.config import ClusterConfig
from raftline.cluster.connections import InboundConnection, TransferConnection, node_id_of
from raftline.cluster.frames import (
    PROTOCOL_VERSION,
    PROTOCOL_VERSION_MIN,
    Farewell,
    Frame,
    Hello,
    JoinRequest,
    LinkFrame,
    TransferFrame,
)
from raftline.cluster.peer_book import PeerBook
from raftline.cluster.peer_link import PeerLink

_LOG: Final = logging.getLogger(__name__)


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

    def check_data(self, node_id: NodeId, data_id: bytes) -> None:
        """Raise RemoteProtocolError if this node is known with other data."""

    def farewell_heard(self, node_id: NodeId, farewell: Farewell) -> None:
        """This node, which is known, does not talk to this one."""

    def join_requested(
        self, connection: InboundConnection, node_id: NodeId, fingerprint: str, request: JoinRequest
    ) -> None:
        """A node that is no peer, and holds a certificate of this name and key, wants to be let in; answer it."""

    def transfer_requested(self, connection: InboundConnection, request: TransferFrame) -> None:
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
        self._accepted: dict[InboundConnection, None] = {}  # in order, so that they end in order
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
        Dial a node to fetch a snapshot, or files; the caller closes what is returned.

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
        self.check_known(node_id, fingerprint)
        return node_id

    def check_known(self, node_id: NodeId, fingerprint: str) -> None:
        """
        Check that a node is a peer, and this its key.

        Raises:
            RemoteProtocolError: It is not.
        """
        peer = self.book.peer(node_id)
        if peer is None:
            raise RemoteProtocolError(f"certificate names node {node_id}, which is no peer")
        if fingerprint != peer.fingerprint:
            raise RemoteProtocolError(f"the key of node {node_id} is not the pinned one")

    def check_hello(self, frame: Frame, node_id: NodeId) -> Hello:
        """
        Return the first frame of a connection, checked.

        Raises:
            RemoteProtocolError: It is no hello, or of another version, cluster or node, or of a node with other data.
        """
        if not isinstance(frame, Hello):
            raise RemoteProtocolError(f"{type(frame).__name__} before hello")
        if frame.version < PROTOCOL_VERSION_MIN or frame.version_min > PROTOCOL_VERSION:
            spoken = f"{PROTOCOL_VERSION_MIN} to {PROTOCOL_VERSION}"
            raise RemoteProtocolError(f"protocol version {frame.version}, this node speaks {spoken}")
        if frame.cluster_id != self._config.cluster_id:
            raise RemoteProtocolError(f"hello of cluster {frame.cluster_id!r}")
        if frame.node_id != node_id:
            raise RemoteProtocolError(f"hello of node {frame.node_id} under the certificate of node {node_id}")
        self.observer.check_data(node_id, frame.data_id)
        return frame

    def note_refusal(self, error: RemoteProtocolError, transport: asyncio.BaseTransport) -> None:
        """Count and log a connection that is dropped for what it said."""
        self.refused_count += 1
        _LOG.warning("peer link with %s dropped: %s", transport.get_extra_info("peername"), error)

    def accepted(self, connection: InboundConnection) -> None:
        """Keep a connection until it ends."""
        self._accepted[connection] = None

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
        self._accepted.pop(connection, None)
        node_id = connection.node_id
        if node_id is not None and self.inbound.get(node_id) is connection:
            del self.inbound[node_id]
            if not self.is_stopping:
                self.observer.peer_gone(node_id)
