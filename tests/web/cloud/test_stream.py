"""Events as a stream, over the Cloud API as a program that speaks ASGI to it sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest

from raftline.base.ids import Position
from raftline.base.webhook_limits import EVENT_STREAM_PAGE_COUNT, EVENT_STREAM_PER_APP_COUNT_MAX
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.queries import EventsOf, NumberNamed
from raftline.machine.business.values import EventView
from raftline.machine.queries import Answer
from raftline.node.door import Node
from raftline.web.cloud import stream
from raftline.web.cloud.call import Edge
from raftline.web.cloud.endpoints import make_cloud
from raftline.web.cloud.stream import EventStreams
from raftline.web.cloud.webhooks.rendering import render
from web.cloud.door import APP_ID, TOKEN, CloudDoor
from web.cloud.serving import WALL_MS, Chance
from web.cloud.webhook_samples import NUMBER, SERVICE, TIME_MS, event_of, stanza

FAST_S = 0.02


class Kept:
    """
    A node that keeps events of application 11, and serves streams of them.

    Attributes:
        door: What the edge asks.
        pages: How often events were asked for.
    """

    def __init__(self) -> None:
        self.door = CloudDoor()
        self.events: list[EventView] = []
        self.pages = 0
        self.change_count = 0
        self.door.apps[11] = self.door.apps[11]._replace(streams=1)
        self.door.issue(TOKEN)
        self.door.answers[EventsOf] = self._events_of
        self.door.answers[NumberNamed] = lambda _query: NUMBER
        node = cast("Node", self.door)
        self.streams = EventStreams(node, lambda: Position(len(self.events) << 16), lambda: self.change_count)
        self.cloud = make_cloud(Edge(node, Chance(), lambda: WALL_MS, streams=self.streams))

    def add(self) -> EventView:
        """Let something happen."""
        position = (len(self.events) + 1) << 16
        view = EventView(event_of(position, app_id=11), stanza("<body>Hi</body>"), TIME_MS)
        self.events.append(view)
        self.change_count += 1
        self.streams.slice_applied()
        return view

    def _events_of(self, query: EventsOf) -> Answer:
        self.pages += 1
        assert query.app_id == 11
        return [one for one in self.events if one.event[:2] > query.after][: query.limit]


class Stream:
    """One response, as it comes."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""
        self.is_over = False
        self.gate = asyncio.Event()
        self.gate.set()
        self._changed = asyncio.Condition()

    async def take(self, message: dict[str, Any]) -> None:
        """Take a part of it, once the reader is ready."""
        await self.gate.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message.get("body", b"").decode()
            self.is_over = not message.get("more_body", False)
        async with self._changed:
            self._changed.notify_all()

    async def until_events(self, count: int) -> list[tuple[str, bytes]]:
        """Return id and data of so many events, once they are there."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self._events()) >= count)
        return self._events()

    async def until_over(self) -> None:
        """Return once it has ended."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.is_over)

    def error(self) -> dict[str, Any]:
        """Return the error that it is."""
        error: dict[str, Any] = msgspec.json.decode(self.text)["error"]
        return error

    def _events(self) -> list[tuple[str, bytes]]:
        blocks = [block.split("\n") for block in self.text.split("\n\n")[:-1] if not block.startswith(":")]
        assert all(block[1] == "event: webhook" for block in blocks)
        return [(block[0].removeprefix("id: "), block[2].removeprefix("data: ").encode()) for block in blocks]


@asynccontextmanager
async def reading(
    kept: Kept, *, token: str = TOKEN, app_id: str = APP_ID, last: str = "", query: str = ""
) -> AsyncIterator[Stream]:
    """Read a stream until the end of the block."""
    found = Stream()
    headers = [(b"authorization", f"Bearer {token}".encode())]
    if last:
        headers.append((b"last-event-id", last.encode()))
    scope = {
        "type": "http",
        "asgi": {"spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": f"/v26.0/{app_id}/events",
        "query_string": query.encode(),
        "headers": headers,
        "server": ("test", 80),
    }
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    task = asyncio.create_task(kept.cloud(scope, receive, found.take))  # type: ignore[arg-type]
    try:
        yield found
    finally:
        gone.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def opened(found: Stream) -> None:
    """Return once a stream has begun."""
    async with asyncio.timeout(10):
        while not found.text:  # noqa: ASYNC110  what is looked at is plain text
            await asyncio.sleep(0)


class TestEvents:
    """What is sent."""

    async def test_what_happens_from_now_on(self) -> None:
        """Each event as it happens, under its place, with the very bytes of its webhook."""
        kept = Kept()
        kept.add()
        async with reading(kept) as found:
            await opened(found)
            views = [kept.add(), kept.add()]
            events = await found.until_events(2)
        assert found.headers["content-type"].startswith("text/event-stream")
        assert events == [
            (f"{view.event.position}-{view.event.ordinal}", render(view, NUMBER, SERVICE, {})) for view in views
        ]
        assert kept.door.barrier_count == 1

    @pytest.mark.parametrize("in_query", [False, True])
    async def test_it_goes_on(self, in_query: bool) -> None:
        """After the last event that was seen, at any node."""
        kept = Kept()
        views = [kept.add() for _ in range(5)]
        last = f"{views[1].event.position}-0"
        asked = {"query": f"last_event_id={last}"} if in_query else {"last": last}
        async with reading(kept, **asked) as found:
            events = await found.until_events(3)
        assert [event_id for event_id, _ in events] == [f"{view.event.position}-0" for view in views[2:]]

    async def test_a_slow_reader_holds_one_page(self) -> None:
        """What follows is read when what came before has left."""
        kept = Kept()
        for _ in range(5 * EVENT_STREAM_PAGE_COUNT):
            kept.add()
        async with reading(kept, last="1-0") as found:
            await opened(found)
            found.gate.clear()
            pages = kept.pages
            for _ in range(100):
                await asyncio.sleep(0)
            assert kept.pages <= pages + 1
            found.gate.set()
            assert len(await found.until_events(5 * EVENT_STREAM_PAGE_COUNT)) == 5 * EVENT_STREAM_PAGE_COUNT

    async def test_a_number_that_went(self) -> None:
        """Its events are passed over; those of others follow."""
        kept = Kept()
        views = [kept.add(), kept.add()]
        gone = iter([None])
        kept.door.answers[NumberNamed] = lambda _query: next(gone, NUMBER)
        async with reading(kept, last="1-0") as found:
            events = await found.until_events(1)
        assert [event_id for event_id, _ in events] == [f"{views[1].event.position}-0"]

    async def test_it_ends_with_the_node(self) -> None:
        """All streams end when the node stops."""
        kept = Kept()
        async with reading(kept) as found:
            await opened(found)
            kept.streams.stop()
            await found.until_over()

    async def test_it_ends_with_the_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A comment shows that it is there; when its token is good no more, it ends."""
        monkeypatch.setattr(stream, "EVENT_STREAM_HEARTBEAT_S", FAST_S)
        kept = Kept()
        async with reading(kept) as found:
            await opened(found)
            async with asyncio.timeout(10):
                while "\n\n:\n\n" not in found.text:  # noqa: ASYNC110  what is looked at is plain text
                    await asyncio.sleep(FAST_S)
            assert not found.is_over
            kept.door.tokens.clear()
            await found.until_over()


class TestRefusals:
    """Who may not read."""

    async def test_without_the_switch(self) -> None:
        """An application that does not read streams is told how to."""
        kept = Kept()
        kept.door.apps[11] = kept.door.apps[11]._replace(streams=0)
        kept.door.issue(TOKEN)
        async with reading(kept) as found:
            await found.until_over()
        assert found.status == 403
        assert found.error()["code"] == 10
        assert "raftline business app streams" in found.error()["error_data"]["details"]

    async def test_another_application(self) -> None:
        """A token reads the events of its own application, and of no other of the business."""
        kept = Kept()
        kept.door.apps[13] = kept.door.apps[11]._replace(app_id=13)
        async with reading(kept, app_id=graph_id(GraphKind.APP, 13)) as found:
            await found.until_over()
        assert found.error()["code"] == 10

    async def test_without_a_scope_or_a_token(self) -> None:
        """As everywhere."""
        kept = Kept()
        kept.door.issue("weak", "whatsapp_business_management")
        for token, code in (("weak", 200), ("unknown", 190)):
            async with reading(kept, token=token) as found:
                await found.until_over()
            assert found.error()["code"] == code

    @pytest.mark.parametrize("last", ["x", "1", "1-", "-1-0", "1-0-0", "9" * 19 + "-0"])
    async def test_an_id_of_nothing(self, last: str) -> None:
        """What is no id of an event is refused."""
        async with reading(Kept(), last=last) as found:
            await found.until_over()
        assert found.error()["code"] == 131009

    async def test_too_many(self) -> None:
        """An application may have so many streams at a node and no more; one that ends makes room."""
        kept = Kept()
        streams = [reading(kept) for _ in range(EVENT_STREAM_PER_APP_COUNT_MAX)]
        for one in streams:
            await opened(await one.__aenter__())
        async with reading(kept) as found:
            await found.until_over()
        assert (found.status, found.error()["code"]) == (429, 4)
        await streams[0].__aexit__(None, None, None)
        async with reading(kept) as found:
            await opened(found)
            assert found.status == 200
        for one in streams[1:]:
            await one.__aexit__(None, None, None)
