"""An outbox of events as the state keeps it, receivers at real sockets, and a dispatcher between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from raftline.base.errors import OutcomeUnknown, RaftlineError
from raftline.base.ids import Position
from raftline.machine.business.commands import BusinessAction, SendFromNumber, SettleEvents
from raftline.machine.business.ids import parse_wamid
from raftline.machine.business.queries import (
    AppsWaiting,
    Businesses,
    NumberNamed,
    WaitingEvents,
    WaitingEventsOf,
    WaitingHeads,
)
from raftline.machine.business.tables import App, BusinessEvent, Callback
from raftline.machine.business.values import BusinessView, EventView
from raftline.machine.media.queries import UploadOf
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.queries import Answer, Query
from raftline.web.cloud.webhooks.client import WebhookClient
from raftline.web.cloud.webhooks.dispatcher import Dispatcher
from raftline.web.cloud.webhooks.lanes import Key
from web.cloud.webhook_samples import NUMBER, SERVICE, TIME_MS, event_of, stanza, value_of

DEADLINE_S = 20.0
SECRET = b"\x0f" * 16


class Receiver:
    """
    A program that is told of events, at a port of its own.

    Attributes:
        taken: Bodies it has answered with 2xx, in order.
        seen: All bodies, in order.
        status: What it answers with, given how often it has seen the body and the body.
        gate: It answers only while this is set.
        open_max: Most requests it has had at a time.
    """

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.seen: list[bytes] = []
        self.heads: list[str] = []
        self.status: Callable[[int, bytes], int] = lambda _count, _body: 200
        self.answer: Callable[[str], bytes] = lambda _head: b"ok"
        self.gate = asyncio.Event()
        self.gate.set()
        self.open = self.open_max = self.connection_count = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Condition()
        self.port = 0

    @property
    def url(self) -> str:
        """Its callback."""
        return f"http://127.0.0.1:{self.port}/webhook"

    async def start(self) -> None:
        """Listen, at the port of before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once something is so; looked at after each answer."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(condition)

    def positions(self) -> list[int]:
        """Return positions of what was taken, each at its first time."""
        return list(dict.fromkeys(map(position_in, self.taken)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connection_count += 1
        try:
            while True:
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # whoever was there has gone
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
        body = await reader.readexactly(int(fields.get("Content-Length", "0")))
        self.open += 1
        self.open_max = max(self.open_max, self.open)
        try:
            await self.gate.wait()
        finally:
            self.open -= 1
        self.heads.append(head)
        self.seen.append(body)
        status = self.status(self.seen.count(body), body)
        if 200 <= status < 300:
            self.taken.append(body)
        content = b"" if status in {204, 304} else self.answer(head)
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content))
        await writer.drain()
        async with self._changed:
            self._changed.notify_all()


class Outbox:
    """
    Events that wait, applications and their callbacks, as a replica answers for them.

    Attributes:
        callbacks: URL by application and scope.
        settled: Batches of keys, as they came.
        sent: Receipts, as they came; `settled_before` has the batches that came before each, by its bytes.
        refusal: Outcome of receipts, if they are not taken.
        unknown_once: People whose next receipt has no outcome, and no effect.
        failure: Raised by `execute` instead of doing anything.
        asked: How many events were handed out.
    """

    def __init__(self) -> None:
        self.waiting: dict[Key, EventView] = {}
        self.callbacks: dict[tuple[int, str], str] = {}
        self.settled: list[tuple[Key, ...]] = []
        self.sent: list[SendFromNumber] = []
        self.settled_before: dict[bytes, list[tuple[Key, ...]]] = {}
        self.refusal: Rejected | None = None
        self.unknown_once: set[str] = set()
        self.failure: RaftlineError | None = None
        self.change_count = 0
        self.applied = 0
        self.asked = 0
        self.listeners: list[Callable[[], None]] = []
        self._changed = asyncio.Condition()

    def add(self, peer: str = "15551234567", *, app_id: int = 5, content: str = "<body>Hi</body>") -> int:
        """Let something happen; returns its position."""
        self.applied += 1 << 16
        address = f"{peer}@example.org"
        event = event_of(self.applied, peer=address, app_id=app_id)
        self.put(EventView(event, stanza(content, sender=address), TIME_MS))
        return self.applied

    def put(self, view: EventView) -> None:
        """Let an event wait."""
        self.waiting[view.event.position, view.event.ordinal] = view
        self.change_count += 1
        for listener in self.listeners:
            listener()

    def ask(self, query: Query) -> Answer:
        """Answer as machine/business/answers.py does."""
        match query:
            case NumberNamed():
                return NUMBER if query.number_id == 7 else None
            case Businesses():
                ids = sorted({app_id for app_id, _ in self.callbacks} | {view.event.app_id for view in self.all()})
                apps = [App(app_id, 3, "app", SECRET, 0, 0) for app_id in ids]
                callbacks = [Callback(app_id, scope, url, "v", "") for (app_id, scope), url in self.callbacks.items()]
                return [BusinessView(NUMBER.business, apps, [NUMBER.number], callbacks)]
            case UploadOf():
                return None
            case AppsWaiting():
                return tuple(sorted({view.event.app_id for view in self.waiting.values()}))
            case WaitingEvents():
                return self._page(query.after, query.limit, lambda _event: True)
            case WaitingEventsOf():
                mine = (query.app_id, query.peer)
                return self._page(query.after, query.limit, lambda event: (event.app_id, event.peer) == mine)
            case WaitingHeads():
                heads = {}
                for view in reversed(self.all()):
                    if view.event.app_id == query.app_id and view.event.peer > query.after:
                        heads[view.event.peer] = view
                found = [heads[peer] for peer in sorted(heads)][: query.limit]
                self.asked += len(found)
                return found
        raise AssertionError(query)

    def all(self) -> list[EventView]:
        """Return what waits, in order."""
        return [self.waiting[key] for key in sorted(self.waiting)]

    async def execute(self, action: BusinessAction) -> Outcome:
        """Apply what settles events, and take receipts."""
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        if isinstance(action, SendFromNumber) and action.message.to_localpart in self.unknown_once:
            self.unknown_once.remove(action.message.to_localpart)
            raise OutcomeUnknown("no outcome")
        if isinstance(action, SendFromNumber):
            self.sent.append(action)
            self.settled_before[action.message.stanza] = list(self.settled)
            return self.refusal or Done()
        assert isinstance(action, SettleEvents), action
        self.settled.append(action.events)
        for key in action.events:
            self.waiting.pop(key, None)
        async with self._changed:
            self._changed.notify_all()
        return Done()

    async def until_settled(self, count: int = 0) -> None:
        """Return once no more than so many events wait."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.waiting) <= count)

    def _page(self, after: tuple[int, int], limit: int, matches: Callable[[BusinessEvent], bool]) -> list[EventView]:
        found = [
            view for view in self.all() if (view.event.position, view.event.ordinal) > after and matches(view.event)
        ][:limit]
        self.asked += len(found)
        return found


@asynccontextmanager
async def dispatching(outbox: Outbox, leads: Callable[[], bool] = lambda: True) -> AsyncIterator[Dispatcher]:
    """Let a dispatcher run beside the test, as long as `leads` says so."""
    client = WebhookClient()
    dispatcher = Dispatcher(
        ask=outbox.ask,
        execute=outbox.execute,
        change_count=lambda: outbox.change_count,
        applied=lambda: Position(outbox.applied),
        is_leader=leads,
        post=client.post,
        service=SERVICE,
        cluster_ms=lambda: TIME_MS + 20,
    )
    outbox.listeners.append(dispatcher.slice_applied)
    task = asyncio.create_task(dispatcher.run())
    dispatcher.slice_applied()
    try:
        yield dispatcher
    finally:
        outbox.listeners.remove(dispatcher.slice_applied)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()
        assert task.cancelled(), task.exception()


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once something is so that nobody tells of."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  what is looked at is plain figures
            await asyncio.sleep(0.001)


def position_in(body: bytes) -> int:
    """Return the position of the message that a POST tells of."""
    found = parse_wamid(value_of(body)["messages"][0]["id"])
    assert found is not None
    return found[1]


def peer_in(body: bytes) -> str:
    """Return the number of the person that a POST tells of."""
    wa_id: str = value_of(body)["contacts"][0]["wa_id"]
    return wa_id
