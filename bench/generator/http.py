"""
As much of HTTP/1.1 as the bench needs, on bare protocols: a client that costs little, and a receiver that costs less.

What is measured is the server; a library of clients would take as much of the machine as the server does.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import cast
from urllib.parse import parse_qs, urlsplit

from bench.generator.stream import StreamFailedError

_LENGTH = re.compile(rb"\r\ncontent-length:\s*([0-9]+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_STATUS_PLACE = 9


def _take_message(buffer: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return head, body and rest of a message with a length; None while it is not whole."""
    end = buffer.find(_HEAD_END)
    if end < 0:
        return None
    head = buffer[:end]
    length = _LENGTH.search(head)
    body_end = end + len(_HEAD_END) + (int(length[1]) if length else 0)
    if len(buffer) < body_end:
        return None
    return head, buffer[end + len(_HEAD_END) : body_end], buffer[body_end:]


class HttpClient(asyncio.Protocol):
    """One connection; requests are answered in the order they were made. `on_end` hears why it ended."""

    def __init__(self, on_end: Callable[[str], None]) -> None:
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiting: deque[Callable[[int, bytes], None]] = deque()
        self._is_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._buffer += data
        while (message := _take_message(self._buffer)) is not None:
            head, body, self._buffer = message
            status = int(head[_STATUS_PLACE : _STATUS_PLACE + 3])
            self._waiting.popleft()(status, body)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if not self._is_closing:
            self._on_end(f"a connection ended: {exc or 'closed by the server'}")

    def request(self, data: bytes, on_answer: Callable[[int, bytes], None]) -> None:
        """Send a request; `on_answer` gets status and body."""
        assert self._transport is not None
        self._waiting.append(on_answer)
        self._transport.write(data)

    async def ask(self, data: bytes) -> bytes:
        """
        Send a request and return the body of its answer.

        Raises:
            StreamFailedError: It was refused.
        """
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self.request(data, lambda status, body: answer.set_result((status, body)))
        status, body = await answer
        if status >= 400:
            raise StreamFailedError(f"a request was refused: {status} {body[:300]!r}")
        return body

    def close(self) -> None:
        """End the connection."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()


class Receiver(asyncio.Protocol):
    """
    One connection to a receiver of webhooks: answers challenges, and takes what is posted.

    Args:
        take: Gets the body of each POST.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        assert self._transport is not None
        self._buffer += data
        while (message := _take_message(self._buffer)) is not None:
            head, body, self._buffer = message
            method, target, _ = head.split(b" ", 2)
            answer = b""
            if method == b"GET":
                query = parse_qs(urlsplit(target.decode()).query)
                answer = query.get("hub.challenge", [""])[0].encode()
            else:
                self._take(body)
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))


def post(path: str, body: bytes, token: str, key: str = "") -> bytes:
    """Return a POST of JSON as bytes; `key` makes it happen once."""
    once = f"Idempotency-Key: {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{once}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
