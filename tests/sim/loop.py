"""
An asyncio event loop on virtual time: one life of one process.

    call_soon ──> ready ──┐
    timers ── due ────────┴──> one iteration: what is ready by now, one after the other ──> the next one, a little later

It has what asyncio itself and a node's driver use of a loop. Many of them share one thread and one `Scheduler`: each
iteration is an event of it, during which the loop is the running one. An iteration takes time, which is why the next
one of the same loop comes later, while other nodes go on.

A process can be *paused* (SIGSTOP): nothing of it runs until it wakes, though its machine goes on. A process dies when
its loop is *killed*: no callback of that life ever runs again, not even those that follow the present one, and whatever
destructors and leftovers ask of it is ignored. `close` ends the coroutines of a dead life at a moment of the world's
choosing.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sim.clocks import NodeClock
from sim.scheduler import Scheduled, Scheduler

if TYPE_CHECKING:
    from sim.aside import Aside
    from sim.network import Host, Network

T = TypeVar("T")

_TASKS_KEPT_MIN: Final = 64
_CLOSE_COUNT_MAX: Final = 8


class SimulatedLoop(asyncio.AbstractEventLoop):
    """
    The loop of one process.

    Args:
        name: Of node and life, for the trace.
        iteration_ns: How long an iteration takes, beside what clock reads cost.
        aside: Runs functions that block; None where nobody asks for it.
        network, host: Where connections are made; None for a process without any.
        on_error: Takes what nobody caught, as `call_exception_handler` does.

    Attributes:
        is_dead: The process is no more.
        is_dying: It dies with the present callback.
        after_iteration: Called after each, unless the process died in it.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        clock: NodeClock,
        *,
        name: str,
        iteration_ns: int,
        on_error: Callable[[dict[str, Any]], None],
        aside: Aside | None = None,
        network: Network | None = None,
        host: Host | None = None,
    ) -> None:
        self.name = name
        self._scheduler = scheduler
        self._clock = clock
        self._iteration_ns = iteration_ns
        self._on_error = on_error
        self._aside = aside
        self._network = network
        self.host = host
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._timer_order = 0
        self._wake: Scheduled | None = None
        self._busy_until_ns = 0
        self._paused_until_ns = 0
        self._is_iterating = False
        self._tasks: list[asyncio.Task[Any]] = []
        self._tasks_kept = _TASKS_KEPT_MIN
        self.is_dead = False
        self.is_dying = False
        self.after_iteration: Callable[[], None] | None = None

    # Iterations

    def _schedule(self) -> None:
        """See to it that there is an iteration when there is something to do."""
        if self.is_dead:
            return
        now_ns = self._scheduler.now_ns
        due_ns = max(now_ns, self._busy_until_ns, self._paused_until_ns)
        if not self._ready:
            timers = self._timers
            while timers and timers[0][2].cancelled():
                heapq.heappop(timers)
            if not timers:
                return
            due_ns = max(due_ns, now_ns + self._clock.delay_until(timers[0][0]))
        if self._wake is not None:
            if self._wake[0] <= due_ns:
                return
            self._scheduler.cancel(self._wake)
        self._wake = self._scheduler.at(due_ns, self._iterate)

    def _iterate(self) -> None:
        self._wake = None
        if self.is_dead:
            return
        now_ns = self._scheduler.now_ns
        if now_ns < self._paused_until_ns or now_ns < self._busy_until_ns:
            self._schedule()
            return
        self._take_due_timers()
        clock = self._clock
        clock.spent_ns = 0
        ready = self._ready
        self._is_iterating = True
        _set_running_loop(self)
        try:
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()
                    if self.is_dying:
                        return
        finally:
            _set_running_loop(None)
            self._is_iterating = False
            self._busy_until_ns = now_ns + self._iteration_ns + clock.spent_ns
            clock.spent_ns = 0
        self._schedule()
        if self.after_iteration is not None:
            self.after_iteration()

    def _take_due_timers(self) -> None:
        timers = self._timers
        local_ns = self._clock.local_ns()
        while timers and (timers[0][0] <= local_ns or timers[0][2].cancelled()):
            handle = heapq.heappop(timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)

    def pause(self, until_ns: int) -> None:
        """Stop the process until then."""
        self._paused_until_ns = max(self._paused_until_ns, until_ns)

    def wake(self) -> None:
        """Let the process go on now."""
        self._paused_until_ns = 0
        self._schedule()

    @property
    def paused_until_ns(self) -> int:
        """When the process goes on; now or earlier if it is not paused."""
        return self._paused_until_ns

    def clock_jumped(self) -> None:
        """Look at the timers again."""
        self._schedule()

    def kill(self) -> None:
        """End this life."""
        self.is_dead = self.is_dying = True
        if self._wake is not None:
            self._scheduler.cancel(self._wake)
            self._wake = None

    def close(self) -> None:
        """End the coroutines of a life that is over; what they do on the way has no effect."""
        assert self.is_dead
        for task in self._tasks:
            if task.done():
                continue
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            for _ in range(_CLOSE_COUNT_MAX):
                with contextlib.suppress(BaseException):
                    coroutine.close()
                    break
        self._tasks.clear()
        self._ready.clear()
        self._timers.clear()

    # What asyncio asks of a loop

    def time(self) -> float:
        """Return the monotonic clock in seconds."""
        return self._clock.local_ns() / 1e9

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """Run a callback in the next iteration."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self.is_dead:
            self._ready.append(handle)
            if len(self._ready) == 1 and not self._is_iterating:
                self._schedule()
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback after so many seconds by this node's clock."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a time of this node's clock."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self.is_dead:
            self._timer_order += 1
            heapq.heappush(self._timers, (int(when * 1e9) + 1, self._timer_order, handle))
            if not self._is_iterating:
                self._schedule()
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Forget a timer; done when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        """Run a coroutine; the loop holds the task until it is done."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        if len(self._tasks) >= self._tasks_kept:
            self._tasks = [kept for kept in self._tasks if not kept.done()]
            self._tasks_kept = max(_TASKS_KEPT_MIN, 2 * len(self._tasks))
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        """No."""
        return False

    def is_running(self) -> bool:
        """Whether the process lives."""
        return not self.is_dead

    def is_closed(self) -> bool:
        """Whether it does not."""
        return self.is_dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell of an exception that nobody caught; those of a dead life concern nobody."""
        if not self.is_dying:
            self._on_error(context)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run a function that blocks on another thread: later, in one go."""
        assert self._aside is not None, "this process has no threads"
        return self._aside.run(executor, func, args)

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        ssl_handshake_timeout: float | None = None,
        **_options: Any,
    ) -> Any:
        """Listen on the simulated network."""
        assert self._network is not None, "this process has no network"
        timeout_s = ssl_handshake_timeout if ssl is not None else None
        return self._network.listen(self, protocol_factory, host, port, is_tls=ssl is not None, timeout_s=timeout_s)

    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        **_options: Any,
    ) -> Any:
        """Connect over the simulated network."""
        assert self._network is not None, "this process has no network"
        return await self._network.connect(self, protocol_factory, host, port, is_tls=ssl is not None)
