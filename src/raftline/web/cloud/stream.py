"""
Events as a stream, for programs that nobody can call: `GET /vN.N/APP_ID/events`, server-sent events.

    id: 65536-0
    event: webhook
    data: {"object":"whatsapp_business_account","entry":[…]}

What `data` holds is the body that a webhook would have, byte for byte. Any node serves it from its replica, so a stream
goes on at another node with the `Last-Event-ID` of the last event that was seen, as browsers and libraries do by
themselves; without one it begins with what happens from now on. An application has to say that it reads streams
(`ChangeApp.streams`): from then on its events are kept for a day, delivered by webhook or not.

A program that reads slowly is written to no faster: the next events are read when those before have left. A comment
every quarter of a minute keeps the connection; then the token is looked at again, so a stream outlives it by no more.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import Response, StreamingResponse

from raftline.base.ids import Position
from raftline.base.webhook_limits import (
    EVENT_STREAM_COUNT_MAX,
    EVENT_STREAM_HEARTBEAT_S,
    EVENT_STREAM_PAGE_COUNT,
    EVENT_STREAM_PER_APP_COUNT_MAX,
)
from raftline.machine.business.queries import EventsOf, NumberNamed
from raftline.machine.media.queries import UploadOf
from raftline.web.cloud.access import MESSAGING, admit, shown_token
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import Code, GraphError, unavailable, wrong
from raftline.web.cloud.webhooks.files import tokens_of
from raftline.web.cloud.webhooks.lanes import Key, key_of
from raftline.web.cloud.webhooks.rendering import Service, render

if TYPE_CHECKING:
    from raftline.machine.business.values import EventView, NumberView
    from raftline.machine.media.values import UploadView
    from raftline.node.door import Node

_ID: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,9})")
_LAST: Final = 1 << 32
"""Greater than the ordinal of any event."""


class EventStreams:
    """
    The streams of a node.

    Args:
        applied: Greatest position that may be applied here.
        change_count: Grows when there may be an event (`Machine.business_change_count`).
    """

    def __init__(self, node: Node, applied: Callable[[], Position], change_count: Callable[[], int]) -> None:
        self._node = node
        self._applied = applied
        self._change_count = change_count
        self._seen_count = -1
        self._wakes: set[asyncio.Event] = set()
        self._counts: Counter[int] = Counter()
        self._is_stopping = False

    def slice_applied(self) -> None:
        """Let streams look, if there is something new."""
        count = self._change_count()
        if count != self._seen_count:
            self._seen_count = count
            for wake in self._wakes:
                wake.set()

    def stop(self) -> None:
        """End all streams: the node is stopping, and programs go to another one."""
        self._is_stopping = True
        for wake in self._wakes:
            wake.set()

    async def open(self, app_id: int, token: str, after: Key | None) -> AsyncIterator[bytes]:
        """
        Return what is to be sent, without an end while the node runs and the token is good.

        Args:
            after: Key of the last event that is known; None for what happens from now on.

        Raises:
            GraphError: 4, there are too many streams.
            Unavailable: There is no quorum.
        """
        await self._node.barrier()
        total = self._counts.total()
        if total >= EVENT_STREAM_COUNT_MAX or self._counts[app_id] >= EVENT_STREAM_PER_APP_COUNT_MAX:
            raise GraphError(Code.TOO_MANY_CALLS, "Too many event streams are open at this node.", status=429)
        return self._events(app_id, token, (self._applied(), _LAST) if after is None else after)

    async def _events(self, app_id: int, token: str, after: Key) -> AsyncIterator[bytes]:
        wake = asyncio.Event()
        self._wakes.add(wake)
        self._counts[app_id] += 1
        try:
            yield b": events\n\n"
            while not self._is_stopping:
                wake.clear()
                page = cast("list[EventView]", await self._node.ask(EventsOf(app_id, after, EVENT_STREAM_PAGE_COUNT)))
                for view in page:
                    event = await self._event(view)
                    if event:
                        yield event
                    after = key_of(view)
                if not page and not await _waken(wake):
                    if not await self._still_reads(app_id, token):
                        return
                    yield b":\n\n"
        finally:
            self._wakes.discard(wake)
            self._counts[app_id] -= 1
            if not self._counts[app_id]:
                del self._counts[app_id]

    async def _event(self, view: EventView) -> bytes:
        """Write an event; empty for one whose number has gone meanwhile, and its events with it."""
        number = cast("NumberView | None", await self._node.ask(NumberNamed(view.event.number_id)))
        if number is None:
            return b""
        uploads: dict[bytes, UploadView] = {}
        for token in tokens_of(view.stanza):
            upload = cast("UploadView | None", await self._node.ask(UploadOf(token)))
            if upload is not None:
                uploads[token] = upload
        body = render(view, number, Service(self._node.epochs, self._node.domain), uploads)
        return b"id: %d-%d\nevent: webhook\ndata: %b\n\n" % (*key_of(view), body)

    async def _still_reads(self, app_id: int, token: str) -> bool:
        try:
            view = await admit(self._node, token)
        except GraphError:
            return False
        return view.app.app_id == app_id and bool(view.app.streams)


async def _waken(wake: asyncio.Event) -> bool:
    """Wait for something new; return False when nothing was for a while."""
    try:
        async with asyncio.timeout(EVENT_STREAM_HEARTBEAT_S):
            await wake.wait()
    except TimeoutError:
        return False
    return True


async def stream_events(call: Call) -> Response:
    """
    Serve the events of the token's application as they happen.

    Raises:
        GraphError: 10 for another application or one without streams, 131009 for an id of no event, 4 for too many.
    """
    streams = call.edge.streams
    app = call.token.app
    if streams is None:
        raise unavailable("This node serves no event streams.")
    if call.named != app.app_id:
        raise GraphError(Code.PERMISSION, "An application reads its own events alone.")
    if not app.streams:
        details = (
            "This application does not read streams, so no events are kept for it."
            " An operator switches that on: raftline business app streams APP_ID."
        )
        raise GraphError(Code.PERMISSION, details)
    events = await streams.open(app.app_id, shown_token(call.request), _last_seen(call))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _last_seen(call: Call) -> Key | None:
    """Return what the header `Last-Event-ID`, or the parameter of the same meaning, says."""
    text = call.request.headers.get("last-event-id") or call.query.get("last_event_id") or ""
    if not text:
        return None
    match = _ID.fullmatch(text)
    if match is None:
        raise wrong("Last-Event-ID", "is the id of no event")
    return Position(int(match[1])), int(match[2])


ENDPOINTS: Final = (Endpoint("GET", Subject.APP, ("events",), stream_events, MESSAGING),)
