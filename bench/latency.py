"""Percentiles, the timetable of an open loop, and the account of what arrived in order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of a set of durations, in milliseconds."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


def percentile(ordered: Sequence[int], fraction: float) -> int:
    """
    Return the nearest-rank percentile: the least value that at least `fraction` of all values do not exceed.

    Args:
        ordered: In ascending order, not empty.
        fraction: Over 0, at most 1.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be over 0 and at most 1, not {fraction}")
    return ordered[max(math.ceil(len(ordered) * fraction), 1) - 1]


def summarize(durations_ns: Sequence[int]) -> Latency | None:
    """Sum up durations in nanoseconds; None for none."""
    if not durations_ns:
        return None
    ordered = sorted(durations_ns)
    p50, p95, p99 = (percentile(ordered, fraction) / NS_PER_MS for fraction in (0.50, 0.95, 0.99))
    return Latency(count=len(ordered), p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=ordered[-1] / NS_PER_MS)


class OpenLoopSchedule:
    """
    When each message of an open loop is due, whatever the server does.

    Latency counts from the time a message was due, not from when it could be written: a server (or a generator) that
    stalls is charged for every message that fell due meanwhile, so no omission is coordinated with the stall.

    Args:
        rate_per_s: Messages per second.
        start_ns: When the first message is due.
    """

    def __init__(self, rate_per_s: float, start_ns: int) -> None:
        if rate_per_s <= 0:
            raise ValueError(f"rate must be over 0, not {rate_per_s}")
        self._rate_per_s = rate_per_s
        self._start_ns = start_ns
        self.next_number = 0

    def due_ns(self, number: int) -> int:
        """Return when message `number` (from 0) is due; computed from the start, so that rounding never adds up."""
        return self._start_ns + round(number * NS_PER_S / self._rate_per_s)

    def take_due(self, now_ns: int) -> range:
        """Return the numbers of all messages that are due by now and were not taken before."""
        first = self.next_number
        if now_ns < self.due_ns(first):
            return range(first, first)
        end = max(int((now_ns - self._start_ns) * self._rate_per_s / NS_PER_S), first)
        while self.due_ns(end) <= now_ns:
            end += 1
        while end > first and self.due_ns(end - 1) > now_ns:
            end -= 1
        self.next_number = end
        return range(first, end)


class Ledger:
    """
    What one sender has under way to one receiver, and what of it arrived.

    Messages are numbered from 0 and must arrive in order. A number beyond the expected one means those between are
    late or lost: they count as missing until they come, and as out of order when they do.

    Attributes:
        expected: Number of the message that comes next if all is well.
        doubled: Arrivals of what had arrived.
        reordered: Arrivals after a later message.
    """

    __slots__ = ("_missing", "_started_ns", "doubled", "expected", "reordered", "sent")

    def __init__(self) -> None:
        self._started_ns: dict[int, int] = {}
        self._missing: set[int] = set()
        self.sent = 0
        self.expected = 0
        self.doubled = 0
        self.reordered = 0

    def start(self, started_ns: int) -> int:
        """Note a message as sent at this time (or due, in an open loop); return its number."""
        number = self.sent
        self.sent = number + 1
        self._started_ns[number] = started_ns
        return number

    def arrive(self, number: int) -> int | None:
        """Note an arrival; return when the message was started, None if it had arrived before or was never sent."""
        started_ns = self._started_ns.pop(number, None)
        if started_ns is None:
            self.doubled += 1
        elif number == self.expected:
            self.expected = number + 1
        elif number > self.expected:
            self._missing.update(range(self.expected, number))
            self.expected = number + 1
        else:
            self._missing.discard(number)
            self.reordered += 1
        return started_ns

    @property
    def outstanding(self) -> int:
        """Messages sent that did not arrive."""
        return len(self._started_ns)

    @property
    def overtaken(self) -> int:
        """Messages that did not arrive though later ones did."""
        return len(self._missing)
