"""
Publishes notifications to push services (XEP-0357 section 7): a chore of the leader.

    apply writes a notification ──> the leader publishes it ──> the service answers, at whatever node
              ^                                                            │
              └── gone, or resting (machine/push/outbox.py) <── command <──┘

The outbox is replicated; that something was sent is not. So the answer, not the sending, settles a notification, and it
goes through the log whoever sent, and whoever leads by then.

What is promised, once a message is acknowledged:

- Each notification is published, until its service answers or it is too old, whichever leaders come and go.
- Each publication of it has the same item id, so a service that gets it again can tell, and its node keeps one item.
- It is published once if the service answers in time (`ANSWER_NS`) and the node that holds the service's stream lives
  to propose that; also if the leader dies, before or after the request left. For a new leader waits (`TAKEOVER_NS`)
  until answers to its predecessor are in the log. If that node dies as well, or the request was lost with a link, the
  notification is published again. So it is at least once, and exactly once when nothing is lost in between.

Decided against at most once: a message that nobody is told of is worse than one that is told twice, and the id is there
to tell. Decided against noting each sending in the log first: it would cost a round for each, and still not say
whether the request arrived.

A leader that was replaced and does not know must not publish beside its successor. So a read barrier precedes each
round: a majority confirms that it led when the round began, and the round ends long before a successor begins.

Services are kept apart. Each has at most `IN_FLIGHT_COUNT_MAX` requests without an answer, and one that cannot be
reached, or does not answer, rests for a time that doubles; nobody else waits for it. What services answer with an error
is the state's business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

from raftline.base.errors import Unavailable
from raftline.cluster.config import MILLISECOND_NS
from raftline.machine.push.answers import WaitingNotification
from raftline.machine.push.queries import PushNotifications, PushServices

if TYPE_CHECKING:
    from raftline.machine.queries import Answer, Query

_LOG: Final = logging.getLogger(__name__)

IN_FLIGHT_COUNT_MAX: Final = 32
"""Requests to one service that have no answer yet."""

SERVICE_COUNT_MAX: Final = 512
"""Services of one round; the others are in the next."""

ANSWER_NS: Final = 30_000 * MILLISECOND_NS
"""How long a service may take to answer before it counts as one that does not."""

REST_NS_MIN: Final = 1_000 * MILLISECOND_NS
REST_NS_MAX: Final = 60_000 * MILLISECOND_NS
"""How long a service rests that cannot be reached, or does not answer: twice as long each time."""

TAKEOVER_NS: Final = 2_000 * MILLISECOND_NS
"""How long a new leader lets answers to its predecessor arrive."""

PERIOD_SECONDS: Final = 1.0
"""How often to look when nothing has changed: for services whose rest is over."""

PAUSE_SECONDS: Final = 0.01
"""Shortest time between two rounds, so that what comes together is published together."""

_Key = tuple[int, int]


class _Service:
    """
    What this leader knows of one service.

    Attributes:
        in_flight: When each request left that has no answer yet, by the notification's position and registration.
        rests_until_ns: Nothing is sent before.
    """

    __slots__ = ("_failure_count", "in_flight", "rests_until_ns")

    def __init__(self) -> None:
        self.in_flight: dict[_Key, int] = {}
        self.rests_until_ns = 0
        self._failure_count = 0

    def settle(self, waiting: set[_Key]) -> None:
        """Forget requests that were answered: those whose notification waits no longer."""
        answered = [key for key in self.in_flight if key not in waiting]
        for key in answered:
            del self.in_flight[key]
        if answered:
            self._failure_count = 0

    def is_silent(self, now_ns: int) -> bool:
        """Whether a request has waited too long."""
        return any(now_ns - sent_ns >= ANSWER_NS for sent_ns in self.in_flight.values())

    def rest(self, now_ns: int) -> None:
        """Leave the service alone for a while, then send everything again that has no answer."""
        self.in_flight.clear()
        self.rests_until_ns = now_ns + min(REST_NS_MIN << min(self._failure_count, 16), REST_NS_MAX)
        self._failure_count += 1


class Publisher:
    """
    Publishes until its task is cancelled.

    Args:
        ask: Answers from the local replica.
        change_count: Grows when there may be something to publish (`Machine.push_change_count`).
        is_leader: Whether this node leads, as far as it knows.
        barrier: Returns once a majority has confirmed that; raises Unavailable.
        send: Sends a request to a JID; False when nobody is there to take it.
        write: Writes the request that publishes a notification to a service.
        with_message: Whether `write` looks at messages.
        now_ns: The monotonic clock of this node.
        cluster_ms: Cluster time as an entry of this moment would have it: it never falls behind what is applied.
    """

    def __init__(
        self,
        *,
        ask: Callable[[Query], Answer],
        change_count: Callable[[], int],
        is_leader: Callable[[], bool],
        barrier: Callable[[], Awaitable[None]],
        send: Callable[[str, bytes], bool],
        write: Callable[[WaitingNotification, str], bytes],
        with_message: bool,
        now_ns: Callable[[], int],
        cluster_ms: Callable[[], int],
    ) -> None:
        self._ask = ask
        self._change_count = change_count
        self._is_leader = is_leader
        self._barrier = barrier
        self._send = send
        self._write = write
        self._with_message = with_message
        self._now_ns = now_ns
        self._cluster_ms = cluster_ms
        self._services: dict[str, _Service] = {}
        self._led_since_ns: int | None = None
        self._cursor = ""
        self._listed: set[str] = set()
        self._seen_count = -1
        self._wake = asyncio.Event()

    def slice_applied(self) -> None:
        """Look at once, if there is something new."""
        count = self._change_count()
        if count != self._seen_count:
            self._seen_count = count
            self._wake.set()

    async def run(self) -> None:
        """
        Publish, round by round.

        Raises:
            StorageError: The disk failed.
        """
        while True:
            try:
                async with asyncio.timeout(PERIOD_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass  # time to look all the same
            self._wake.clear()
            await self.publish_round()
            await asyncio.sleep(PAUSE_SECONDS)

    async def publish_round(self) -> None:
        """
        Publish what may be published now, if this node leads.

        Raises:
            StorageError: The disk failed.
        """
        if not self._is_leader():
            self._led_since_ns = None
            self._services.clear()
            self._listed.clear()
            self._cursor = ""
            return
        began_ns = self._now_ns()
        if self._led_since_ns is None:
            self._led_since_ns = began_ns
        if began_ns - self._led_since_ns < TAKEOVER_NS:
            return
        services = self._services_to_serve(began_ns)
        if not services:
            return
        try:
            await self._barrier()
        except Unavailable as error:
            _LOG.info("nothing is published now: %s", error)
            return
        if not self._is_leader() or self._now_ns() - began_ns >= TAKEOVER_NS // 2:
            return  # who may lead by now would publish as well
        for service in services:
            self._publish_some(service)

    def _services_to_serve(self, now_ns: int) -> list[str]:
        """Return services that something waits for and that can take more."""
        names = cast("tuple[str, ...]", self._ask(PushServices(self._cursor, SERVICE_COUNT_MAX)))
        self._listed.update(names)
        self._cursor = names[-1] if len(names) == SERVICE_COUNT_MAX else ""
        if not self._cursor:  # that was the last of them: what is not listed has nothing that waits
            self._services = {name: state for name, state in self._services.items() if name in self._listed}
            self._listed.clear()
        return [name for name in names if now_ns >= self._services.setdefault(name, _Service()).rests_until_ns]

    def _publish_some(self, name: str) -> None:
        """Send a service what has room beside its requests under way, the oldest first."""
        service = self._services[name]
        now_ns = self._now_ns()
        limit = IN_FLIGHT_COUNT_MAX + len(service.in_flight)
        waiting = self._ask(PushNotifications(name, self._cluster_ms(), limit, self._with_message))
        by_key = {(row.position, row.registration_id): row for row in cast("list[WaitingNotification]", waiting)}
        service.settle(set(by_key))
        if service.is_silent(now_ns):
            _LOG.info("push service %s does not answer", name)
            service.rest(now_ns)
            return
        for key, row in by_key.items():
            if len(service.in_flight) >= IN_FLIGHT_COUNT_MAX:
                return
            if key in service.in_flight:
                continue
            if not self._send(name, self._write(row, name)):
                service.rest(now_ns)
                return
            service.in_flight[key] = now_ns
