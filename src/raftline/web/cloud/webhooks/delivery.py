"""
Delivers events as long as this node leads: lines of people, applications and hosts, each within its bound.

An application has lanes (lanes.py). A lane whose turn it is gives its first event to a POST; when that is taken, the
lane queues again, behind the others. What can keep a lane from its turn:

    it waits for another try    its receiver has answered with an error, or not at all: 1 s, then twice as long each
                                time, up to five minutes; only the lane waits
    its host rests              nobody can be connected to there (targets.py)
    too many are under way      of the application, of the host, of the node

An application whose receiver fails several times in a row has only a few POSTs under way from then on, so that a
receiver which takes its time has no more than these of the node's. When it takes something again, all its lanes try at
once.

An event is tried again only if it still waits: its time may be over, or its application be gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, cast

from raftline.base.webhook_limits import (
    WEBHOOK_APP_IN_FLIGHT_COUNT_MAX,
    WEBHOOK_IN_FLIGHT_COUNT_MAX,
    WEBHOOK_RETRY_MAX_S,
    WEBHOOK_RETRY_MIN_S,
    WEBHOOK_SUSPECT_IN_FLIGHT_COUNT_MAX,
)
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.queries import WaitingEventsOf, WaitingHeads
from raftline.web.cloud.webhooks.client import origin_of
from raftline.web.cloud.webhooks.directory import Directory
from raftline.web.cloud.webhooks.lanes import Lane, Window, key_of
from raftline.web.cloud.webhooks.posting import Means, post_event
from raftline.web.cloud.webhooks.receipts import receipt_for
from raftline.web.cloud.webhooks.targets import Target

if TYPE_CHECKING:
    from raftline.machine.business.values import EventView
    from raftline.web.cloud.webhooks.directory import Receiver
    from raftline.web.cloud.webhooks.figures import Counters
    from raftline.web.cloud.webhooks.settling import Settler

_LOG: Final = logging.getLogger(__name__)

HEAD_COUNT: Final = 256
"""People whose first event is read at a time."""

SUSPECT_COUNT: Final = 3
"""Failures in a row after which a receiver may be one that fails altogether."""

NOBODY_S: Final = 1.0
"""How long an event waits that nobody is to be told of at present."""


class Surroundings(Means, Protocol):
    """What delivering needs of the node beside what a try does."""

    @property
    def cluster_ms(self) -> Callable[[], int]:
        """Cluster time, as an entry of this moment would have it."""

    @property
    def settler(self) -> Settler:
        """Takes what was delivered."""

    @property
    def counters(self) -> Counters:
        """Count what happens."""


class _App:
    """
    One application.

    Attributes:
        ready: Lanes whose turn comes, in order.
        failure_run: POSTs in a row that were not taken.
        is_crowded: It waits for the node to have fewer POSTs under way.
    """

    __slots__ = ("app_id", "failure_run", "in_flight", "is_crowded", "ready", "window")

    def __init__(self, app_id: int) -> None:
        self.app_id = app_id
        self.window = Window()
        self.ready: deque[Lane] = deque()
        self.in_flight = 0
        self.failure_run = 0
        self.is_crowded = False

    @property
    def has_turn(self) -> bool:
        is_suspect = self.failure_run >= SUSPECT_COUNT
        limit = WEBHOOK_SUSPECT_IN_FLIGHT_COUNT_MAX if is_suspect else WEBHOOK_APP_IN_FLIGHT_COUNT_MAX
        return bool(self.ready) and self.in_flight < limit


class Delivery:
    """The deliveries of one leadership. It ends with `close`, after which nothing of it happens any more."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._directory = Directory(around.ask, self._loop.time)
        self._apps: dict[int, _App] = {}
        self._targets: dict[str, Target] = {}
        self._crowded: deque[_App] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._in_flight = 0
        self._is_closed = False

    @property
    def in_flight(self) -> int:
        """POSTs that have no answer yet."""
        return self._in_flight

    @property
    def held(self) -> int:
        """Events in all windows."""
        return sum(app.window.event_count for app in self._apps.values())

    @property
    def resting_hosts(self) -> int:
        """Hosts that cannot be connected to."""
        return sum(1 for target in self._targets.values() if target.failure_count)

    def close(self) -> None:
        """Stop at once; POSTs under way are broken off."""
        self._is_closed = True
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()

    # What waits

    def take(self, view: EventView) -> None:
        """Take an event that was caused now."""
        app = self._app(view.event.app_id)
        lane = app.window.take(view)
        if lane is not None:
            self._queue(app, lane)
        elif app.window.is_behind and app.window.has_room:
            self._read_heads(app)

    def look(self, app_ids: tuple[int, ...]) -> None:
        """Look for people of these applications with events that wait, and forget applications without any."""
        for app_id in app_ids:
            self._read_heads(self._app(app_id))
        for app_id, app in list(self._apps.items()):
            if app_id not in app_ids and not (app.window.lanes or app.in_flight):
                del self._apps[app_id]

    def _app(self, app_id: int) -> _App:
        app = self._apps.get(app_id)
        if app is None:
            app = self._apps[app_id] = _App(app_id)
        return app

    def _read_heads(self, app: _App) -> None:
        """Read the first events of some people: of all, while there is room and more of them."""
        window = app.window
        while True:
            heads = cast("list[EventView]", self._around.ask(WaitingHeads(app.app_id, window.heads_after, HEAD_COUNT)))
            for lane in window.heads_read(heads, is_last=len(heads) < HEAD_COUNT):
                self._queue(app, lane)
            if not (window.is_behind and window.has_room):
                return

    def _fill(self, app: _App, lane: Lane) -> None:
        """Read what follows in a lane that has nothing left in memory."""
        limit = app.window.room_of(lane)
        query = WaitingEventsOf(app.app_id, lane.peer, lane.known, limit)
        views = cast("list[EventView]", self._around.ask(query))
        app.window.lane_read(lane, views, is_last=len(views) < limit)

    # Whose turn it is

    def _queue(self, app: _App, lane: Lane) -> None:
        """Let a lane's turn come, unless something keeps it."""
        if lane.is_queued or lane.is_busy or lane.rest is not None:
            return
        while not lane.queue and lane.has_more:
            self._fill(app, lane)
        if lane.queue:
            lane.is_queued = True
            app.ready.append(lane)
            self._pump(app)

    def _pump(self, app: _App) -> None:
        """Send what an application may send now."""
        while app.has_turn:
            if self._in_flight >= WEBHOOK_IN_FLIGHT_COUNT_MAX:
                if not app.is_crowded:
                    app.is_crowded = True
                    self._crowded.append(app)
                return
            self._start(app, app.ready.popleft())

    def _start(self, app: _App, lane: Lane) -> None:
        """Send the first event of a lane, or let the lane wait for what keeps it."""
        lane.is_queued = False
        while lane.must_look and lane.queue:
            if self._still_waits(lane.queue[0]):
                break
            self._around.counters.dropped_total += 1
            app.window.dropped(lane)
            lane.must_look = True  # the next one has waited as long
        if not lane.queue:
            self._queue(app, lane)
            return
        receiver = self._directory.receiver_of(lane.queue[0].event)
        if receiver is None or not receiver.url:
            self._rest(app, lane, NOBODY_S)
            return
        origin = origin_of(receiver.url)
        target = self._targets.setdefault(origin, Target())
        if not target.admits(self._loop.time()):
            lane.is_queued = True
            lane.must_look = target.failure_count > 0
            target.parked.append((app.app_id, lane))
            return
        lane.is_busy = True
        self._in_flight += 1
        app.in_flight += 1
        target.in_flight += 1
        task = self._loop.create_task(self._deliver(app, lane, target, origin, receiver), name="webhook")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _still_waits(self, view: EventView) -> bool:
        event = view.event
        before = event.position, event.ordinal - 1
        first = cast("list[EventView]", self._around.ask(WaitingEventsOf(event.app_id, event.peer, before, 1)))
        return bool(first) and key_of(first[0]) == key_of(view)

    def _rest(self, app: _App, lane: Lane, seconds: float) -> None:
        """Let a lane wait for another try."""
        rest = lane.rest = object()
        lane.must_look = True

        def over() -> None:
            if lane.rest is rest:
                lane.rest = None
                self._queue(app, lane)

        self._later(seconds, over)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            call()

        timer = self._loop.call_later(seconds, run)
        self._timers.add(timer)

    # One POST

    async def _deliver(self, app: _App, lane: Lane, target: Target, origin: str, receiver: Receiver) -> None:
        """POST the first event of a lane, and go on from what comes of it."""
        view = lane.queue[0]
        attempt = await post_event(self._around, view, receiver)
        if self._is_closed:
            return
        rest_s = 0.0
        if attempt.is_reached is False:
            rest_s = target.failed(self._loop.time())
        elif attempt.failure:
            lane.failure_count += 1
        if attempt.is_reached:
            target.connected()
        lane.is_busy = False
        self._in_flight -= 1
        app.in_flight -= 1
        target.in_flight -= 1
        if attempt.failure:
            self._failed(app, lane, target, receiver, attempt.failure)
        else:
            self._taken(app, lane, view, receiver)
        self._go_on(app, target, origin, rest_s)

    def _taken(self, app: _App, lane: Lane, view: EventView, receiver: Receiver) -> None:
        """Settle an event, with a receipt to whoever asked for one, and let the lane go on."""
        around = self._around
        key = app.window.delivered(lane)

        def settled() -> None:
            if not self._is_closed:
                app.window.settled(lane, key)
                if app.window.is_behind and app.window.has_room:
                    self._read_heads(app)

        around.settler.settle(key, settled, receipt_for(view, receiver.number, around.service.domain))
        around.counters.delivered(around.cluster_ms() - view.event.time_ms)
        if app.failure_run >= SUSPECT_COUNT:
            _LOG.warning("the receiver of application %s takes events again", graph_id(GraphKind.APP, app.app_id))
            app.failure_run = 0
            for other in list(app.window.lanes.values()):
                if other.rest is not None:
                    other.rest = None
                    self._queue(app, other)
        app.failure_run = 0
        self._queue(app, lane)

    def _failed(self, app: _App, lane: Lane, target: Target, receiver: Receiver, failure: str) -> None:
        """Let a lane try again later: after its host's rest, or one of its own."""
        self._around.counters.failed_total += 1
        app.failure_run += 1
        if app.failure_run == SUSPECT_COUNT:
            name = graph_id(GraphKind.APP, app.app_id)
            _LOG.warning("the receiver of application %s fails, at %s: %s", name, receiver.url, failure)
        if target.failure_count:
            lane.is_queued = lane.must_look = True
            target.parked.appendleft((app.app_id, lane))
            return
        seconds = WEBHOOK_RETRY_MIN_S * 2.0 ** min(max(lane.failure_count - 1, 0), 16)
        self._rest(app, lane, min(seconds, WEBHOOK_RETRY_MAX_S))

    def _go_on(self, app: _App, target: Target, origin: str, rest_s: float) -> None:
        """Let those have their turn who waited for a POST to end."""
        if rest_s:
            self._later(rest_s, lambda: self._unpark(target))
        self._unpark(target)
        if target.is_idle:
            self._targets.pop(origin, None)
        self._pump(app)
        while self._crowded and self._in_flight < WEBHOOK_IN_FLIGHT_COUNT_MAX:
            other = self._crowded.popleft()
            other.is_crowded = False
            self._pump(other)

    def _unpark(self, target: Target) -> None:
        """Let parked lanes have their turn, as many as the host takes."""
        for _ in range(len(target.parked)):
            if not target.admits(self._loop.time()):
                return
            app_id, lane = target.parked.popleft()
            lane.is_queued = False
            app = self._apps.get(app_id)
            if app is not None:
                self._queue(app, lane)
