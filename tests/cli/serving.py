"""The command `raftline` as a process, and HTTP servers for it to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from starlette.types import ASGIApp

from raftline.server.http_server import HttpServer

RAFTLINE = str(Path(sys.executable).with_name("raftline"))


class Ended(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


async def raftline(*arguments: str, stdin: str = "", environment: dict[str, str] | None = None) -> Ended:
    """Run the command to its end."""
    process = await asyncio.create_subprocess_exec(
        RAFTLINE,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", **(environment or {})},
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Ended(process.returncode, out.decode(), err.decode())


def bind() -> socket.socket:
    """Return a socket bound to a free port of loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


@contextlib.asynccontextmanager
async def serve(app: ASGIApp, tls_context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve an application on a free port of loopback; yields the port."""
    listener = bind()
    server = HttpServer(app, listener, tls_context=tls_context, websocket_bytes_max=1_000_000)
    await server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        await server.stop()
