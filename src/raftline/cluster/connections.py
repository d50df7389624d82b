"""The two ends of a peer connection, as asyncio protocols; `links` explains what passes over them."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import NodeId
from raftline.cluster.frames import (
    FRAME_BYTES_MAX,
    OFF_LINK,
    ChunkRequest,
    Farewell,
    FrameReader,
    Hello,
    JoinRequest,
    MediaChunk,
    MediaRequest,
    SnapshotChunk,
    SnapshotDoubt,
    TransferFrame,
    encode_frame,
)

if TYPE_CHECKING:
    from raftline.cluster.frames import Frame, LinkFrame
    from raftline.cluster.links import PeerLinks

_FINISH_SECONDS: Final = 3.0

_USER_TIMEOUT_MS: Final = 5_000
"""A link whose data stays unacknowledged for so long is dead, though nobody said so."""


def node_id_of(transport: asyncio.BaseTransport) -> tuple[NodeId, str]:
    """
    Return who the other side's certificate says it is: node id (the common name) and fingerprint of its key.

    The key and not the certificate is what a node is known by: a certificate is renewed now and then.

    Raises:
        RemoteProtocolError: There is no certificate, or its common name is no node id.
    """
    tls = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if not certificate:
        raise RemoteProtocolError("peer shows no certificate")
    subject = tls.getpeercert().get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    if len(names) != 1 or not (names[0].isascii() and names[0].isdigit()):
        raise RemoteProtocolError(f"certificate names no node: {names}")
    return NodeId(int(names[0])), key_fingerprint(x509.load_der_x509_certificate(certificate))


def key_fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate's public key (SubjectPublicKeyInfo, DER): 64 hexadecimal digits."""
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(key).hexdigest()


def _tune(transport: asyncio.BaseTransport) -> None:
    """Send at once, and notice a machine that vanished."""
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)


class InboundConnection(asyncio.Protocol):
    """
    A connection another node made: its frames come in here.

    Whoever holds a certificate of the cluster's authority may say one thing, a hello or that it wants to be let in;
    from then on only those are heard whom this node knows.

    Attributes:
        node_id: Who made it; None until its hello was checked.
        last_heard_ns: When something last arrived.
        ended: Done when the connection is over.
        requests: Chunks of a snapshot that were asked for over it and are not answered yet.
        media_requests: The same of uploaded files.
    """

    def __init__(self, links: PeerLinks) -> None:
        self._links = links
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._claimed: tuple[NodeId, str] | None = None
        self.node_id: NodeId | None = None
        self._is_transfer = False
        self._is_joining = False
        self.last_heard_ns = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.requests: deque[ChunkRequest] = deque()
        self.media_requests: deque[MediaRequest] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check the certificate; TLS is done already."""
        # uvloop's transports are none of asyncio's classes, though they do the same.
        self._transport = stream = cast("asyncio.Transport", transport)
        self._links.accepted(self)
        _tune(transport)
        try:
            self._claimed = node_id_of(transport)
        except RemoteProtocolError as error:
            self._links.note_refusal(error, transport)
            stream.abort()

    def data_received(self, data: bytes) -> None:
        """Hand over the frames that are complete."""
        transport = self._transport
        links = self._links
        if transport is None or transport.is_closing() or links.is_stopping:
            return
        self.last_heard_ns = links.monotonic_ns()
        self._reader.feed(data)
        try:
            while (frame := self._reader.next_frame()) is not None:
                if self.node_id is None:
                    self._take_first(frame, transport)
                elif self._is_transfer or type(frame) in OFF_LINK:
                    self._take_request(frame)
                else:
                    if isinstance(frame, Hello):
                        links.check_hello(frame, self.node_id)
                    links.observer.receive_frame(self.node_id, cast("LinkFrame", frame))
        except RemoteProtocolError as error:
            links.note_refusal(error, transport)
            transport.abort()

    def _take_first(self, frame: Frame, transport: asyncio.Transport) -> None:
        assert self._claimed is not None
        node_id, fingerprint = self._claimed
        if self._is_joining:
            raise RemoteProtocolError(f"{type(frame).__name__} of node {node_id}, which is not let in yet")
        if isinstance(frame, JoinRequest):
            self._is_joining = True
            self._links.observer.join_requested(self, node_id, fingerprint, frame)
            return
        try:
            self._links.check_known(node_id, fingerprint)
            hello = self._links.check_hello(frame, node_id)
        except RemoteProtocolError as error:
            self._bid_farewell(error, transport)
            return
        self.node_id = node_id
        self._reader.bytes_max = FRAME_BYTES_MAX
        transport.write(encode_frame(self._links.make_hello()))
        self._is_transfer = hello.is_transfer
        if not hello.is_transfer:
            self._links.arrived(self, self.node_id, hello)

    def _bid_farewell(self, error: RemoteProtocolError, transport: asyncio.Transport) -> None:
        """Say why this node does not talk to the other one, which may be news to whoever runs it."""
        assert self._claimed is not None
        self._links.note_refusal(error, transport)
        is_dismissed = self._links.book.is_dismissed(self._claimed[0])
        reason = "it is no member of this cluster any more" if is_dismissed else str(error)
        transport.write(encode_frame(Farewell(reason, is_dismissed)))
        transport.close()

    def _take_request(self, frame: Frame) -> None:
        if not self._is_transfer or not isinstance(frame, ChunkRequest | SnapshotDoubt | MediaRequest):
            raise RemoteProtocolError(f"{type(frame).__name__} over the wrong kind of connection")
        self._links.observer.transfer_requested(self, frame)

    def send(self, frame: Frame) -> None:
        """Answer over a connection whose dialer asks; nothing happens when it has ended."""
        if self._transport is not None:
            self._transport.write(encode_frame(frame))

    def connection_lost(self, exc: Exception | None) -> None:
        """The dialer is gone, or we dropped it."""
        self._transport = None
        self._links.ended(self)
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Close the connection once what was written is sent."""
        if self._transport is not None:
            self._transport.close()


class _DialledConnection(asyncio.Protocol):
    """
    A connection this node made, up to the hellos of both sides.

    Attributes:
        welcomed: Done when the other side has said hello; fails with RemoteProtocolError or ConnectionError.
        ended: Done when the connection is over.
    """

    def __init__(self, links: PeerLinks, node_id: NodeId, hello: Hello) -> None:
        loop = asyncio.get_running_loop()
        self._links = links
        self._node_id = node_id
        self._hello = hello
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self.welcomed: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check the certificate, then say hello."""
        # uvloop's transports are none of asyncio's classes, though they do the same.
        self._transport = stream = cast("asyncio.Transport", transport)
        _tune(transport)
        try:
            node_id = self._links.check_identity(transport)
        except RemoteProtocolError as error:
            self._refuse(error, stream)
            return
        if node_id != self._node_id:
            elsewhere = RemoteProtocolError(f"node {node_id} answers at the address of node {self._node_id}")
            self._refuse(elsewhere, stream)
            return
        stream.write(encode_frame(self._hello))

    def data_received(self, data: bytes) -> None:
        """Take the other side's hello, and what it has to say behind it."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._reader.feed(data)
        try:
            while (frame := self._reader.next_frame()) is not None:
                if self.welcomed.done():
                    self._receive(frame)
                else:
                    self._take_welcome(frame)
        except RemoteProtocolError as error:
            self._refuse(error, transport)

    def _take_welcome(self, frame: Frame) -> None:
        links = self._links
        if isinstance(frame, Farewell):
            links.observer.farewell_heard(self._node_id, frame)
            raise RemoteProtocolError(f"node {self._node_id} does not talk to this one: {frame.reason}")
        hello = links.check_hello(frame, self._node_id)
        self._reader.bytes_max = FRAME_BYTES_MAX
        self.welcomed.set_result(None)
        links.observer.peer_welcomed(self._node_id, hello)

    def _receive(self, frame: Frame) -> None:
        raise RemoteProtocolError(f"{type(frame).__name__} against the direction of the link")

    def _refuse(self, error: RemoteProtocolError, transport: asyncio.Transport) -> None:
        self._links.note_refusal(error, transport)
        if not self.welcomed.done():
            self.welcomed.set_exception(error)
        transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone, or we dropped it."""
        self._transport = None
        if not self.welcomed.done():
            self.welcomed.set_exception(ConnectionError(f"closed before hello: {exc}"))
            self.welcomed.exception()  # whoever dialled may have given up already; nobody needs to hear it then
        if not self.ended.done():
            self.ended.set_result(None)

    def write(self, data: bytes) -> None:
        """Write bytes of whole frames."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()


class OutboundConnection(_DialledConnection):
    """A link this node made: its frames go out here, and after its hello the other side has nothing to say."""

    def __init__(self, links: PeerLinks, node_id: NodeId) -> None:
        super().__init__(links, node_id, links.make_hello())

    @property
    def buffered_bytes(self) -> int:
        """Bytes written and not yet taken by the system."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()


class TransferConnection(_DialledConnection):
    """A connection this node made to fetch a snapshot or files: requests go out, chunks come in, in the same order."""

    def __init__(self, links: PeerLinks, node_id: NodeId) -> None:
        super().__init__(links, node_id, msgspec.structs.replace(links.make_hello(), is_transfer=True))
        self._chunks: asyncio.Queue[SnapshotChunk | MediaChunk | None] = asyncio.Queue()

    def ask(self, request: TransferFrame) -> None:
        """Ask for a chunk, of which the caller bounds how many are under way; or tell of a doubt."""
        self.write(encode_frame(request))

    async def finish(self) -> None:
        """Close the connection once what was written is sent, or does not get through."""
        if self._transport is not None:
            self._transport.close()
            try:
                async with asyncio.timeout(_FINISH_SECONDS):
                    await self.ended
            except TimeoutError:
                self.close()

    async def next_chunk(self) -> SnapshotChunk:
        """
        Return the answer to the oldest request, which was for a part of a snapshot.

        Raises:
            ConnectionError: The connection ended before it came.
            RemoteProtocolError: It is something else.
        """
        chunk = await self._next()
        if not isinstance(chunk, SnapshotChunk):
            raise RemoteProtocolError(f"{type(chunk).__name__} where a chunk of a snapshot is due")
        return chunk

    async def next_media_chunk(self) -> MediaChunk:
        """Return the answer to the oldest request, which was for a part of a file; raises as `next_chunk`."""
        chunk = await self._next()
        if not isinstance(chunk, MediaChunk):
            raise RemoteProtocolError(f"{type(chunk).__name__} where a chunk of a file is due")
        return chunk

    async def _next(self) -> SnapshotChunk | MediaChunk:
        chunk = await self._chunks.get()
        if chunk is None:
            raise ConnectionError("the other side is gone")
        return chunk

    def _receive(self, frame: Frame) -> None:
        if not isinstance(frame, SnapshotChunk | MediaChunk):
            raise RemoteProtocolError(f"{type(frame).__name__} where a chunk is due")
        self._chunks.put_nowait(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """See the base; whoever waits for a chunk hears of it."""
        super().connection_lost(exc)
        self._chunks.put_nowait(None)
