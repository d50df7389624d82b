"""uvicorn inside the loop of a node: on a socket of ours, without signal handlers of its own, stopped by us."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

STOP_TIMEOUT_S: Final = 2
"""Requests under way get so long once the node stops."""

WEBSOCKET_PING_S: Final = 30.0
"""A browser behind a dead network is noticed after two of these."""

WEBSOCKET_QUEUE_COUNT: Final = 16
"""Messages read ahead for one WebSocket before its socket is not read any more."""


class _Server(uvicorn.Server):
    """Tells when it listens; leaves signals to the node (node_process.py)."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """
    The HTTP listener of a node.

    Args:
        listener: Bound, not yet listening.
        tls_context: Of the client-facing certificate; None serves plain HTTP.
        websocket_bytes_max: Greatest WebSocket message.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        *,
        tls_context: ssl.SSLContext | None,
        websocket_bytes_max: int,
    ) -> None:
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="websockets-sansio",
                ws_max_size=websocket_bytes_max,
                ws_max_queue=WEBSOCKET_QUEUE_COUNT,
                ws_ping_interval=WEBSOCKET_PING_S,
                ws_ping_timeout=WEBSOCKET_PING_S,
                ws_per_message_deflate=False,  # 50 KiB a connection, and it leaks lengths of what it compresses
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STOP_TIMEOUT_S,
                ssl_context_factory=None if tls_context is None else lambda _config, _default: tls_context,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; returns once connections are accepted."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._server.serve(sockets=[self._listener]), name="http server")
        listening = loop.create_task(self._server.listening.wait(), name="http server listens")
        await asyncio.wait((self._task, listening), return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            listening.cancel()
            await self._task  # raises why it could not start

    def limit_websockets(self, bytes_max: int) -> None:
        """Set the greatest message of WebSockets that are opened from now on."""
        self._server.config.ws_max_size = bytes_max

    async def stop(self) -> None:
        """Stop accepting, let requests under way end, at most STOP_TIMEOUT_S. Idempotent."""
        if self._task is None:
            self._listener.close()
            return
        self._server.should_exit = True
        await self._task
