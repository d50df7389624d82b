"""
A new node asks to be let in: one request to a node that it was told of, by the token of its invitation.

It asks each of them in turn until one lets it in, or says that asking again will not help. What it is told is written
down before its log begins; until then it may ask again as often as it likes, with the same token and the same data.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from raftline.base.errors import Refused, RemoteProtocolError
from raftline.base.ids import NodeId
from raftline.cluster.config import Peer
from raftline.cluster.connections import node_id_of
from raftline.cluster.frames import FRAME_BYTES_MAX, Farewell, FrameReader, JoinReply, JoinRequest, encode_frame
from raftline.cluster.peer_book import peer_of

if TYPE_CHECKING:
    import ssl

_LOG: Final = logging.getLogger(__name__)

DIAL_SECONDS: Final = 3.0
REPLY_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.5


class _Asking(asyncio.Protocol):
    """One connection over which a node asks; `reply` is done when it is over."""

    def __init__(self, node_id: NodeId, peer: Peer, request: JoinRequest) -> None:
        self._node_id = node_id
        self._peer = peer
        self._request = request
        self._reader = FrameReader()
        self._reader.bytes_max = FRAME_BYTES_MAX
        self.reply: asyncio.Future[JoinReply] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check whom the token is shown to, then show it."""
        stream = cast("asyncio.Transport", transport)
        try:
            found = node_id_of(transport)
        except RemoteProtocolError as error:
            self._fail(error)
            stream.abort()
            return
        if found != (self._node_id, self._peer.fingerprint):
            self._fail(RemoteProtocolError(f"another key than node {self._node_id} is known by is at its address"))
            stream.abort()
            return
        stream.write(encode_frame(self._request))

    def data_received(self, data: bytes) -> None:
        """Take the reply."""
        self._reader.feed(data)
        try:
            frame = self._reader.next_frame()
        except RemoteProtocolError as error:
            self._fail(error)
            return
        if isinstance(frame, JoinReply) and not self.reply.done():
            self.reply.set_result(frame)
        elif isinstance(frame, Farewell):
            self._fail(RemoteProtocolError(frame.reason))

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone, perhaps without a word."""
        self._fail(ConnectionError(f"closed without a reply: {exc}"))

    def _fail(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)
            self.reply.exception()  # whoever asked may have given up already


async def join(contacts: Mapping[NodeId, Peer], context: ssl.SSLContext, request: JoinRequest) -> dict[NodeId, Peer]:
    """
    Ask until the cluster lets this node in; cancel it to give up.

    Args:
        contacts: Whom to ask.
        context: As for dialling links.

    Returns: Whom to talk to from now on.

    Raises:
        Refused: Asking again will not help; the text says why.
    """
    last_reason = ""
    while True:
        for node_id, peer in sorted(contacts.items()):
            try:
                reply = await _ask(node_id, peer, context, request)
            except (OSError, TimeoutError, RemoteProtocolError) as error:
                reason = f"node {node_id}: {str(error) or type(error).__name__}"
            else:
                if not reply.error:
                    return {member.node_id: peer_of(member) for member in reply.members}
                if reply.is_final:
                    raise Refused("not-acceptable", "cancel", reply.error)
                reason = f"node {node_id}: {reply.error}"
            if reason != last_reason:
                last_reason = reason
                _LOG.warning("not let in yet: %s", reason)
        await asyncio.sleep(RETRY_SECONDS)


async def _ask(node_id: NodeId, peer: Peer, context: ssl.SSLContext, request: JoinRequest) -> JoinReply:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DIAL_SECONDS):
        transport, asking = await loop.create_connection(
            lambda: _Asking(node_id, peer, request), peer.host, peer.port, ssl=context
        )
    try:
        async with asyncio.timeout(REPLY_SECONDS):
            return await asking.reply
    finally:
        transport.abort()
