"""
Delivers the outbox of events to the programs that wait for them: a chore of the leader.

    apply writes an event ──> the leader POSTs it ──> the receiver answers 2xx ──> SettleEvents ──> apply removes it
              ^                     │        ^                                             │
              └── dead letter, by   └── again, with back-off                               └── up to 512 at a time
                  apply, after 7 days

What is promised, of each application:

- At least once. An event waits in the replicated outbox until the log says that its receiver took it, whichever
  leaders come and go. The bytes of each try are the same (rendering.py), so receivers can tell a repetition.
- In order for each person, counted by when an event is first taken. Whoever delivers, and there may be two for a
  moment, when a leader was replaced and does not know, sends an event only once the one before it, of the same person,
  was taken: by its own POST, or as the log says, which it says of nothing that was not taken. So by the time an event
  arrives for the first time, those before it have arrived. Hence no read barrier, no time of grace after an election,
  no fencing: a second sender can repeat, and never overtake. What apply gave up, and what operators let be delivered
  anew, is out of the order.
- One POST for a person at a time, and everybody else goes on: see delivery.py for the bounds.

A new leader goes on at once: it begins to follow the log where it stands, and reads from the state what waits by then,
as far as its windows reach (lanes.py). Every second it looks through the state again, page by page, for what became
waiting without being new: what operators let be delivered anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

from raftline.machine.business.queries import AppsWaiting, WaitingEvents
from raftline.web.cloud.webhooks.delivery import Delivery
from raftline.web.cloud.webhooks.figures import Counters, WebhookFigures
from raftline.web.cloud.webhooks.lanes import BEFORE_ALL, Key, key_of
from raftline.web.cloud.webhooks.posting import Post
from raftline.web.cloud.webhooks.settling import Settler

if TYPE_CHECKING:
    from raftline.base.ids import Position
    from raftline.machine.business.commands import BusinessAction
    from raftline.machine.business.values import EventView
    from raftline.machine.outcomes import Outcome
    from raftline.machine.queries import Answer, Query
    from raftline.web.cloud.webhooks.rendering import Service

PERIOD_S: Final = 1.0
"""How often to look through the state."""

PAUSE_S: Final = 0.002
"""Shortest time between two rounds, so that what comes together is read together."""

PAGE_COUNT: Final = 256
"""Events that are read at a time."""


class Dispatcher:
    """
    Delivers until its task is cancelled.

    Args:
        ask: Answers from the local replica, at once.
        execute: Proposes a command and waits for its outcome.
        change_count: Grows when there may be something to deliver (`Machine.business_change_count`).
        applied: Greatest position that may be applied here; what is caused later has a greater one.
        is_leader: Whether this node leads, as far as it knows.
        post: POSTs; see posting.Post.
        service: What is the same for all events.
        cluster_ms: Cluster time as an entry of this moment would have it.
    """

    def __init__(
        self,
        *,
        ask: Callable[[Query], Answer],
        execute: Callable[[BusinessAction], Awaitable[Outcome]],
        change_count: Callable[[], int],
        applied: Callable[[], Position],
        is_leader: Callable[[], bool],
        post: Post,
        service: Service,
        cluster_ms: Callable[[], int],
    ) -> None:
        self.ask = ask
        self.post = post
        self.service = service
        self.cluster_ms = cluster_ms
        self.settler = Settler(execute)
        self.counters = Counters()
        self._change_count = change_count
        self._seen_count = -1
        self._applied = applied
        self._is_leader = is_leader
        self._delivery: Delivery | None = None
        self._followed: Key = BEFORE_ALL
        self._look_at_s = 0.0
        self._wake = asyncio.Event()

    def slice_applied(self) -> None:
        """Look at once, if there is something new."""
        count = self._change_count()
        if count != self._seen_count:
            self._seen_count = count
            self._wake.set()

    def figures(self) -> WebhookFigures:
        """Return what there is to be measured."""
        counters, delivery = self.counters, self._delivery
        return WebhookFigures(
            counters.delivered_total,
            counters.failed_total,
            counters.dropped_total,
            0 if delivery is None else delivery.in_flight,
            0 if delivery is None else delivery.held,
            0 if delivery is None else delivery.resting_hosts,
            tuple(counters.delay_counts),
            counters.delay_seconds,
        )

    async def run(self) -> None:
        """
        Deliver.

        Raises:
            StorageError: The disk failed.
        """
        settling = asyncio.get_running_loop().create_task(self.settler.run(), name="webhooks settle")
        try:
            while True:
                try:
                    async with asyncio.timeout(PERIOD_S):
                        await self._wake.wait()
                except TimeoutError:
                    pass  # time to look all the same
                self._wake.clear()
                if settling.done():
                    await settling  # raises why
                self._round()
                await asyncio.sleep(PAUSE_S)
        finally:
            settling.cancel()
            self._end()

    def _round(self) -> None:
        """Take what is new, if this node leads."""
        if not self._is_leader():
            self._end()
            return
        now_s = asyncio.get_running_loop().time()
        if self._delivery is None:
            self._delivery = Delivery(self)
            # What is applied by now is found by looking, what comes later by following.
            self._followed = (self._applied(), 1 << 32)
            self._look_at_s = now_s
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + PERIOD_S
            self._delivery.look(cast("tuple[int, ...]", self.ask(AppsWaiting())))
        while True:
            views = cast("list[EventView]", self.ask(WaitingEvents(self._followed, PAGE_COUNT)))
            for view in views:
                self._delivery.take(view)
            if views:
                self._followed = key_of(views[-1])
            if len(views) < PAGE_COUNT:
                return

    def _end(self) -> None:
        if self._delivery is not None:
            self._delivery.close()
            self._delivery = None
