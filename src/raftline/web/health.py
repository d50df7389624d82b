"""
Health for load balancers and people: `/healthz` (the process runs its loop) and `/readyz` (it can serve clients).

Ready means: its start is applied on a majority, a leader is known, and a read barrier succeeded within the last
second. Probes that come together share one barrier, so that probing costs the cluster nothing to speak of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from raftline.base.errors import Unavailable
from raftline.node.door import Node
from raftline.web.replies import BadRequest, error_reply, json_reply

BARRIER_AGE_NS_MAX: Final = 1_000_000_000
BARRIER_TIMEOUT_S: Final = 2.0


@dataclass(slots=True)
class Health:
    """
    The two health endpoints.

    Attributes:
        leader_known: Asks whether this node knows a leader now.
        started: Set by the composition root once this node's start is applied and its listeners are open.
        stopping: Set when the node begins to stop: not ready any more, so that no new client is sent here.
        clock: Monotonic nanoseconds.
        hindrance: Says why this node cannot take commands although a majority may; empty when it can.
    """

    node: Node
    leader_known: Callable[[], bool]
    clock: Callable[[], int]
    hindrance: Callable[[], str] = lambda: ""
    started: bool = False
    stopping: bool = False
    _barrier_ns: int | None = None
    _barrier: asyncio.Task[None] | None = None

    def routes(self) -> list[Route]:
        """Return both routes."""
        return [Route("/healthz", self.healthz, methods=["GET"]), Route("/readyz", self.readyz, methods=["GET"])]

    async def healthz(self, _request: Request) -> Response:
        """Answer 200 while the process runs its loop."""
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 when clients can be served, else 503 with the reason."""
        reason = await self.reason_unready()
        if reason:
            return json_reply({"ready": False, "reason": reason}, 503)
        return json_reply({"ready": True})

    async def reason_unready(self) -> str:
        """Return why clients cannot be served now; empty when they can."""
        if self.stopping:
            return "this node is stopping"
        if reason := self.hindrance():
            return reason
        if not self.started:
            return "this node is starting: a majority has not taken note of it yet"
        if not self.leader_known():
            return "no leader is known: too few nodes are up, or an election is under way"
        if self._barrier_ns is not None and self.clock() - self._barrier_ns <= BARRIER_AGE_NS_MAX:
            return ""
        if self._barrier is None or self._barrier.done():
            self._barrier = asyncio.get_running_loop().create_task(self._pass_barrier(), name="readiness barrier")
        try:
            async with asyncio.timeout(BARRIER_TIMEOUT_S):
                await asyncio.shield(self._barrier)
        except (TimeoutError, Unavailable):
            return "no majority confirms the leader: too few nodes are up or reachable"
        return ""

    async def _pass_barrier(self) -> None:
        asked_ns = self.clock()
        await self.node.barrier()
        self._barrier_ns = asked_ns


class ReadyGate:
    """
    ASGI middleware: while the node starts or stops, only what tells about it is answered; the rest gets 503.

    The listener opens early and closes late, so that health and the state of the cluster can be seen while a majority
    is missing.
    """

    OPEN: Final = ("/healthz", "/readyz", "/metrics", "/admin/v1/cluster", "/static/", "/console")

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self._app = app
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or WebSocket."""
        health = self._health
        if (health.started and not health.stopping) or scope["path"].startswith(self.OPEN):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013, "reason": "not ready"})  # HTTP 403 before the accept
        else:
            state = "stopping" if health.stopping else "starting: a majority has not taken note of it yet"
            text = f"This node is {state}. Try another, or again."
            reply = error_reply(BadRequest(503, "service-unavailable", text, {"Retry-After": "1"}))
            await reply(scope, receive, send)
