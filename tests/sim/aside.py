"""
Threads of a simulated process: functions that block, run at a later time, each in one go.

    run ──> waits behind others of its executor ──> runs ──> a little later its future is done

Functions of one executor run one at a time, in order; those of none in particular run as they come. When a function has
run and its process dies before the future is done, nobody hears of it: what it wrote is on the disk all the same.
While the process is paused no function begins.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sim.scheduler import MICROSECOND_NS, Scheduler

if TYPE_CHECKING:
    from sim.loop import SimulatedLoop

T = TypeVar("T")

_BEGUN_SHARE: Final = 0.5
"""Functions that had begun when nobody wanted them any more; they run to their end."""

_Job = tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]


class Aside:
    """
    The threads of one life.

    Args:
        duration_ns: Draws how long the disk takes for a function.

    Attributes:
        loop: Of the process; set once it is there.
    """

    def __init__(self, scheduler: Scheduler, chance: random.Random, duration_ns: Callable[[], int]) -> None:
        self._scheduler = scheduler
        self._chance = chance
        self._duration_ns = duration_ns
        self._queues: dict[int, list[_Job]] = {}
        self.loop: SimulatedLoop | None = None

    def run(self, executor: object, function: Callable[..., T], arguments: tuple[Any, ...]) -> asyncio.Future[T]:
        """Run a function; see `loop.run_in_executor`."""
        assert self.loop is not None
        future: asyncio.Future[T] = self.loop.create_future()
        job = (future, function, arguments)
        if executor is None:
            self._scheduler.after(self._duration_ns(), self._run, job, None)
            return future
        queue = self._queues.setdefault(id(executor), [])
        queue.append(job)
        if len(queue) == 1:
            self._scheduler.after(self._duration_ns(), self._run, job, queue)
        return future

    def _run(self, job: _Job, queue: list[_Job] | None) -> None:
        loop = self.loop
        assert loop is not None
        if loop.is_dying:
            return
        if loop.paused_until_ns > self._scheduler.now_ns:
            self._scheduler.at(loop.paused_until_ns, self._run, job, queue)
            return
        future, function, arguments = job
        error: BaseException | None = None
        result = None
        if not future.cancelled() or self._chance.random() < _BEGUN_SHARE:
            try:
                result = function(*arguments)
            except BaseException as raised:  # noqa: BLE001  it goes where the future's reader is
                error = raised
            self._scheduler.note("aside", loop.name, getattr(function, "__qualname__", ""))
        if queue is not None:
            queue.pop(0)
            if queue:
                self._scheduler.after(self._duration_ns(), self._run, queue[0], queue)
        self._scheduler.after(self._chance.randrange(1, 100 * MICROSECOND_NS), self._tell, future, result, error)

    def _tell(self, future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
        loop = self.loop
        assert loop is not None

        def tell() -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        loop.call_soon(tell)
