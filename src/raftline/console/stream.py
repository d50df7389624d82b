"""
What the page listens to: server-sent events at `/console/stream`, behind a pass or the cluster's token.

    event: cluster   {"domain", "node", "directory"}   once; `directory` of a development cluster, else null
    event: changes   [Change]                          the time line, at once and whenever it differs
    event: frame     Frame                             each second
    event: over      {"reason"}                        `signed-out`, or `stopping`: the page goes to another node

The page reads it with `fetch`, for EventSource cannot show a token. A frame is written when the one before has left:
for a page that does not read nothing is made, and nothing waits.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from raftline.base.errors import Busy, Refused
from raftline.base.limits import CONSOLE_STREAM_COUNT_MAX
from raftline.console.sessions import Sessions
from raftline.console.sign_in import bearer
from raftline.console.watch import PERIOD_S, Watch

PATH: Final = "/console/stream"


@dataclass(slots=True)
class EventStream:
    """
    The endpoint.

    Attributes:
        token: Of the cluster.
        about: Returns the content of `cluster`.
        count: Pages that listen now.
    """

    watch: Watch
    sessions: Sessions
    token: str
    about: Callable[[], dict[str, Any]]
    count: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.listen, methods=["GET"])]

    def stop(self) -> None:
        """End all streams: the node is stopping."""
        self._stopping.set()

    async def listen(self, request: Request) -> Response:
        """
        Serve events until one side ends it.

        Raises:
            Refused: `not-authorized` without a pass.
            Busy: `CONSOLE_STREAM_COUNT_MAX` pages listen already.
        """
        shown = bearer(request)
        if not self._admits(shown):
            raise Refused("not-authorized", "auth", "Sign in at the console.")
        if self.count >= CONSOLE_STREAM_COUNT_MAX:
            raise Busy(f"{self.count} pages watch this node already")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._events(shown), media_type="text/event-stream", headers=headers)

    def _admits(self, shown: str) -> bool:
        return self.sessions.admits(shown) or hmac.compare_digest(shown.encode(), self.token.encode())

    async def _events(self, shown: str) -> AsyncIterator[bytes]:
        self.count += 1
        try:
            yield _event("cluster", self.about())
            told: object = None
            while not self._stopping.is_set():
                # A pass that was renewed is another text: the page comes again with it before this one ends.
                if not self._admits(shown):
                    yield _event("over", {"reason": "signed-out"})
                    return
                frame, changes = await self.watch.frame()
                if changes != told:
                    told = changes
                    yield _event("changes", changes)
                yield _event("frame", frame)
                await self._pause()
            yield _event("over", {"reason": "stopping"})
        finally:
            self.count -= 1

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(PERIOD_S):
                await self._stopping.wait()
        except TimeoutError:
            return


def _event(name: str, content: object) -> bytes:
    """Write an event; JSON has no line breaks, so its data is one line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(content))
