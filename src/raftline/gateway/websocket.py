"""
Connections over WebSocket (RFC 7395), as an ASGI application: one message for each element, subprotocol `xmpp`.

TLS, pings and the size of messages are matters of the HTTP server in front. Two coroutines serve a connection: one
reads, and stops while the session is backlogged; one writes what the session put into a bounded buffer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from raftline.gateway.session import ClientSession
from raftline.xmpp.framing import WebSocketFraming

if TYPE_CHECKING:
    from raftline.gateway.server import Gateway

SUBPROTOCOL: Final = "xmpp"

CLOSE_NORMAL: Final = 1000

Scope = Mapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class WebSocketEndpoint:
    """An ASGI application for scopes of type `websocket`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection from its handshake to its end."""
        assert scope["type"] == "websocket", "the router sends nothing else"
        message = await receive()
        assert message["type"] == "websocket.connect", "ASGI begins so"
        if SUBPROTOCOL not in scope.get("subprotocols", ()):
            # Refused before the handshake is done: HTTP 403 (RFC 7395 section 3.1).
            await send({"type": "websocket.close", "code": CLOSE_NORMAL, "reason": "subprotocol xmpp is required"})
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        connection = WebSocketConnection(self._gateway, is_secure=scope.get("scheme") == "wss")
        await connection.serve(receive, send)


class WebSocketConnection:
    """One connection; implements session.Transport."""

    def __init__(self, gateway: Gateway, *, is_secure: bool) -> None:
        self._outgoing: list[bytes] = []
        self._written = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._is_closed = False
        self._reader: asyncio.Task[None] | None = None
        self._gateway = gateway
        self.buffered_bytes = 0
        framing = WebSocketFraming(gateway.settings.stanza_bytes_max)
        self._session = ClientSession(gateway, self, framing, is_secure=is_secure)
        gateway.welcome(self._session)
        if not is_secure and not gateway.settings.allow_plaintext:
            self._session.close("policy-violation", "Connect by wss.")

    async def serve(self, receive: Receive, send: Send) -> None:
        """Read and write until either side has ended the connection."""
        reader = self._reader = self._gateway.loop.create_task(self._read(receive))
        writer = self._gateway.loop.create_task(self._write_all(send))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_closed = True
            self._session.connection_lost()
            for task in (reader, writer):
                task.cancel()
            results = await asyncio.gather(reader, writer, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result  # an OSError only says that the client is gone

    async def _read(self, receive: Receive) -> None:
        while True:
            await self._may_read.wait()
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                self._session.close("bad-format", "XMPP is sent in text messages.")
            else:
                self._session.data_received(text.encode())

    async def _write_all(self, send: Send) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            outgoing, self._outgoing = self._outgoing, []
            for data in outgoing:
                await send({"type": "websocket.send", "text": data.decode()})
                self.buffered_bytes -= len(data)
            self._session.writing_resumed()
            if self._is_closed and not self._outgoing:
                await send({"type": "websocket.close", "code": CLOSE_NORMAL})
                return

    # What the session calls (session.Transport).

    def write(self, messages: list[bytes]) -> None:
        """As session.Transport."""
        if not self._is_closed:
            size = sum(map(len, messages))
            self.buffered_bytes += size
            self._gateway.sent_bytes_total += size
            self._outgoing += messages
            self._written.set()

    def pause_reading(self) -> None:
        """As session.Transport."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """As session.Transport."""
        self._may_read.set()

    def start_tls(self) -> None:
        """As session.Transport; never called, since STARTTLS is not offered here."""
        raise AssertionError("TLS is a matter of HTTP")

    def close(self) -> None:
        """As session.Transport: what was written goes first, then the closing handshake of WebSocket."""
        self._is_closed = True
        self.resume_reading()
        self._written.set()

    def abort(self) -> None:
        """As session.Transport."""
        self._is_closed = True
        if self._reader is not None:
            self._reader.cancel()
