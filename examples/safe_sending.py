"""
A transport for httpx under which a send happens once, whatever nodes do meanwhile.

A request that nobody answered may have been carried out all the same. Under an `Idempotency-Key` it can be sent again,
to any node: Raftline gives the same answer, and there is one message (docs/business.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from uuid import uuid4

import httpx

send_key: ContextVar[str] = ContextVar("send_key", default="")
"""Names a send, so that it is the same one when the program is started again; without it each request is its own."""

ATTEMPT_COUNT_MAX = 40
WAIT_S = 0.25


class SafeTransport(httpx.AsyncHTTPTransport):
    """Sends each request under a key, and goes from node to node until one answers."""

    def __init__(self, nodes: Sequence[str]) -> None:
        super().__init__()
        self._nodes = [httpx.URL(node) for node in nodes]
        self._at = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send until a node has answered for good; the last failure is raised when none does in ten seconds."""
        request.headers["Idempotency-Key"] = send_key.get() or uuid4().hex
        for attempt in range(1, ATTEMPT_COUNT_MAX + 1):
            at = self._at
            node = self._nodes[at % len(self._nodes)]
            request.url = request.url.copy_with(host=node.host, port=node.port)
            request.headers["Host"] = node.netloc.decode()
            try:
                response = await super().handle_async_request(request)
            except httpx.TransportError:
                if attempt == ATTEMPT_COUNT_MAX:
                    raise
            else:
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or attempt == ATTEMPT_COUNT_MAX:
                    return response
                await response.aclose()
            if self._at == at:  # nobody else has gone on meanwhile
                self._at += 1
            await asyncio.sleep(WAIT_S)
        raise AssertionError("the last attempt returns or raises")
