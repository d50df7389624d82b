"""
Virtual time: one heap of events, and the record of what happened.

    (time, order, action) ──step──> action() ──> more events ...

Everything that happens in a simulated world happens inside an event, on one thread, and follows from the world's seed.
Two events at the same time happen in the order in which they were asked for.

Not every entry of the heap is an *event* in the sense that is counted: those are what `note` is told of, namely bytes
that arrived, I/O that finished, crashes and operations of clients. Each goes into the trace hash, by which two runs are
compared, and the last ones are kept as text for the report of a failure.

A broken promise is told to `fail`, which does not raise: it is often found deep inside code under test that turns
every exception into a failure of its own. The loop in `run_until` raises it once the event is over.
"""

from __future__ import annotations

import heapq
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final

MICROSECOND_NS: Final = 1_000
MILLISECOND_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000

RECENT_COUNT: Final = 300
"""Events that are told when a run fails."""

STANDSTILL_COUNT_MAX: Final = 200_000
"""Entries of the heap that may happen at one moment; more is a loop that makes no progress."""

_ACTION: Final = 2

Scheduled = list[Any]
"""[time_ns, order, action, arguments]; the action is None when it was cancelled."""


class Violation(AssertionError):
    """A promise of the system under test was broken."""


class Scheduler:
    """
    The clock of a world, and what is due.

    Attributes:
        now_ns: Virtual time since the world began.
        event_count: Events that were noted.
        trace_hash: Over all of them, with their times.
        recent: The last of them, as text.
        violation: The first promise that was broken.
    """

    def __init__(self) -> None:
        self.now_ns = 0
        self.event_count = 0
        self.trace_hash = 0
        self.recent: deque[str] = deque(maxlen=RECENT_COUNT)
        self.violation: Violation | None = None
        self._heap: list[Scheduled] = []
        self._order = 0

    def at(self, time_ns: int, action: Callable[..., None], *arguments: object) -> Scheduled:
        """Do something at a time, which is not past; what is returned can be cancelled."""
        assert time_ns >= self.now_ns, (time_ns, self.now_ns)
        self._order += 1
        scheduled = [time_ns, self._order, action, arguments]
        heapq.heappush(self._heap, scheduled)
        return scheduled

    def after(self, delay_ns: int, action: Callable[..., None], *arguments: object) -> Scheduled:
        """Do something after a while."""
        return self.at(self.now_ns + delay_ns, action, *arguments)

    @staticmethod
    def cancel(scheduled: Scheduled) -> None:
        """Do it not; it stays in the heap until its time."""
        scheduled[_ACTION] = None

    def note(self, kind: str, *values: object) -> None:
        """Count an event; `values` say what happened, in a form that is the same in each run of a seed."""
        self.event_count += 1
        line = f"{self.now_ns} {kind} {values}"
        self.trace_hash = zlib.crc32(line.encode(), self.trace_hash)
        self.recent.append(line)

    def fail(self, text: str, *values: object) -> None:
        """A promise was broken; the run ends with this event. Only the first one counts."""
        if self.violation is None:
            self.violation = Violation(f"at {self.now_ns / SECOND_NS:.6f} s: {text}: {values}")

    def run_until(self, is_done: Callable[[], object], *, for_ns: int) -> bool:
        """
        Let events happen until a condition holds, or so much time has passed.

        Returns: Whether the condition holds.

        Raises:
            Violation: A promise was broken.
        """
        end_ns = self.now_ns + for_ns
        heap = self._heap
        standstill_count = 0
        while not is_done():
            if not heap or heap[0][0] > end_ns:
                self.now_ns = end_ns
                return bool(is_done())
            time_ns, _, action, arguments = heapq.heappop(heap)
            if action is None:
                continue
            standstill_count = standstill_count + 1 if time_ns == self.now_ns else 0
            if standstill_count > STANDSTILL_COUNT_MAX:
                self.fail("time stands still", action)
            self.now_ns = time_ns
            action(*arguments)
            if self.violation is not None:
                raise self.violation
        return True

    def run_for(self, duration_ns: int) -> None:
        """Let events happen for some time."""
        self.run_until(lambda: False, for_ns=duration_ns)
