"""
Pairs of clients, one of which writes to the other.

In a closed loop a pair's next message is written when the one before was acknowledged and has arrived; so as many are
under way as there are pairs, and the rate is what comes of it. In an open loop messages fall due at a rate, whatever
the servers do, and their time counts from then: a server that stalls is charged for all that fell due meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from raftline.cli.bench.chatter import Chatter
from raftline.cli.bench.figures import Measured, summarize

NS_PER_S: Final = 1_000_000_000
WARM_UP_S: Final = 1.0
"""Before what counts."""

OUTSTANDING_S: Final = 5.0
"""How long what is under way at the end may take."""


class Times(NamedTuple):
    """When a run counts, by the monotonic clock."""

    begin_ns: int
    start_ns: int
    end_ns: int


class Pair:
    """
    Two clients.

    Args:
        address: Of the reader.
        now_ns, sleep: Clock, and how to wait for so many seconds.

    Attributes:
        acknowledged_ns, delivered_ns: Durations of what counts.
        sent, refused: How many messages count, and how many of them came back.
    """

    def __init__(
        self,
        writer: Chatter,
        reader: Chatter,
        address: str,
        *,
        now_ns: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._writer = writer
        self._address = address
        self._now_ns = now_ns
        self._sleep = sleep
        self._due_ns: dict[str, int] = {}
        self._times = Times(0, 0, 0)
        self._unacknowledged: set[str] = set()
        self._undelivered: set[str] = set()
        self._is_calm = asyncio.Event()
        self._is_calm.set()
        self.acknowledged_ns: list[int] = []
        self.delivered_ns: list[int] = []
        self.sent = self.refused = 0
        writer.on_acknowledged = self._acknowledged
        writer.on_refused = self._refused
        reader.on_arrived = self._arrived

    async def write_in_turn(self, times: Times, body: str) -> None:
        """Closed loop; returns when nothing is under way any more."""
        self._times = times
        while (now_ns := self._now_ns()) < times.end_ns:
            await self._write(now_ns, body)
            await self._is_calm.wait()

    async def write_at_rate(self, times: Times, body: str, first_ns: int, interval_ns: float) -> None:
        """Open loop, whose first message is due `first_ns` after the beginning; returns as the closed one."""
        self._times = times
        number = 0
        while (due_ns := times.begin_ns + first_ns + round(number * interval_ns)) < times.end_ns:
            await self._sleep((due_ns - self._now_ns()) / NS_PER_S)
            await self._write(due_ns, body)
            number += 1
        await self._is_calm.wait()

    async def _write(self, due_ns: int, body: str) -> None:
        message_id = f"m{len(self._due_ns)}"
        self._due_ns[message_id] = due_ns
        self.sent += self._counts(due_ns)
        self._unacknowledged.add(message_id)
        self._undelivered.add(message_id)
        self._is_calm.clear()
        await self._writer.write(self._address, message_id, body)

    def _acknowledged(self, message_id: str, now_ns: int) -> None:
        self._note(self._unacknowledged, message_id, now_ns, self.acknowledged_ns)

    def _arrived(self, message_id: str, now_ns: int) -> None:
        self._note(self._undelivered, message_id, now_ns, self.delivered_ns)

    def _refused(self, message_id: str) -> None:
        if message_id in self._undelivered:
            self.refused += self._counts(self._due_ns[message_id])
            self._undelivered.discard(message_id)
            self._look()

    def _note(self, waiting: set[str], message_id: str, now_ns: int, durations_ns: list[int]) -> None:
        if message_id in waiting:
            waiting.discard(message_id)
            due_ns = self._due_ns[message_id]
            if self._counts(due_ns):
                durations_ns.append(now_ns - due_ns)
            self._look()

    def _look(self) -> None:
        if not (self._unacknowledged or self._undelivered):
            self._is_calm.set()

    def _counts(self, due_ns: int) -> bool:
        return self._times.start_ns <= due_ns < self._times.end_ns


async def run_load(
    pairs: list[Pair], *, seconds: float, rate: float | None, body: str, now_ns: Callable[[], int]
) -> Measured:
    """
    Let all pairs write for some time, and wait for what is under way at the end, while all of them listen.

    Args:
        rate: Messages in a second, of all pairs together; None for a closed loop.
    """
    begin_ns = now_ns()
    start_ns = begin_ns + round(WARM_UP_S * NS_PER_S)
    times = Times(begin_ns, start_ns, start_ns + round(seconds * NS_PER_S))
    try:
        async with asyncio.timeout(WARM_UP_S + seconds + OUTSTANDING_S), asyncio.TaskGroup() as writing:
            for place, pair in enumerate(pairs):
                if rate is None:
                    writing.create_task(pair.write_in_turn(times, body))
                else:
                    first_ns = round(place * NS_PER_S / rate)
                    writing.create_task(pair.write_at_rate(times, body, first_ns, len(pairs) * NS_PER_S / rate))
    except TimeoutError:
        pass  # what has not arrived by now is missing in what is told
    delivered = sum(len(pair.delivered_ns) for pair in pairs)
    return Measured(
        seconds=seconds,
        pairs=len(pairs),
        rate=rate,
        sent=sum(pair.sent for pair in pairs),
        delivered=delivered,
        refused=sum(pair.refused for pair in pairs),
        per_second=round(delivered / seconds, 1),
        acknowledged_ms=summarize([duration for pair in pairs for duration in pair.acknowledged_ns]),
        delivered_ms=summarize([duration for pair in pairs for duration in pair.delivered_ns]),
    )
