"""The simulated event loop does what asyncio's does, in virtual time, and nothing after its process died."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from sim.aside import Aside
from sim.clocks import NodeClock
from sim.loop import SimulatedLoop
from sim.scheduler import MILLISECOND_NS, SECOND_NS, Scheduler, Violation


class Process:
    """A loop with threads, and what it complained of."""

    def __init__(self, scheduler: Scheduler | None = None, seed: int = 1) -> None:
        chance = random.Random(seed)
        self.scheduler = scheduler or Scheduler()
        self.clock = NodeClock(self.scheduler, chance)
        self.errors: list[dict[str, Any]] = []
        self.aside = Aside(self.scheduler, chance, lambda: MILLISECOND_NS)
        self.loop = SimulatedLoop(
            self.scheduler,
            self.clock,
            name="process",
            iteration_ns=1000,
            on_error=self.errors.append,
            aside=self.aside,
        )
        self.aside.loop = self.loop

    def run(self, work: Coroutine[Any, Any, Any], seconds: float = 60.0) -> Any:
        """Run a coroutine to its end and return its result."""
        task = self.loop.create_task(work)
        assert self.scheduler.run_until(task.done, for_ns=int(seconds * SECOND_NS)), "it did not end"
        return task.result()

    @property
    def seconds(self) -> float:
        return self.scheduler.now_ns / SECOND_NS


@pytest.fixture
def process() -> Process:
    return Process()


class TestAsyncio:
    """What asyncio and its users rely on."""

    def test_sleeping_takes_virtual_time(self, process: Process) -> None:
        """An hour passes at once, give or take the drift of the node's clock."""
        process.run(asyncio.sleep(3600), seconds=4000)
        assert 3600 * 0.97 < process.seconds < 3600 * 1.03

    def test_callbacks_run_in_order_and_not_at_once(self, process: Process) -> None:
        """`call_soon` keeps order, and what a callback asks for comes after all that was asked before."""
        order = []
        loop = process.loop

        def first() -> None:
            order.append("first")
            loop.call_soon(order.append, "later")

        loop.call_soon(first)
        loop.call_soon(order.append, "second")
        process.scheduler.run_for(SECOND_NS)
        assert order == ["first", "second", "later"]

    def test_timers_run_by_time_and_then_by_order(self, process: Process) -> None:
        """Equal times keep the order of the calls; a cancelled timer does not ring."""
        order: list[str] = []
        loop = process.loop
        loop.call_later(0.2, order.append, "late")
        loop.call_later(0.1, order.append, "early")
        when = loop.time() + 0.1
        loop.call_at(when, order.append, "one")
        loop.call_at(when, order.append, "two")
        loop.call_later(0.05, order.append, "never").cancel()
        process.scheduler.run_for(SECOND_NS)
        assert order == ["early", "one", "two", "late"]

    def test_timeouts_gather_and_events(self, process: Process) -> None:
        """The parts of asyncio that nodes are made of work."""

        async def work() -> list[str]:
            event = asyncio.Event()
            seen = []

            async def waiter(name: str) -> str:
                await event.wait()
                seen.append(name)
                return name

            async def hopeless() -> str:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await asyncio.get_running_loop().create_future()
                event.set()
                return "timed out"

            results = await asyncio.gather(waiter("a"), waiter("b"), hopeless())
            assert seen == ["a", "b"]
            assert asyncio.get_running_loop() is process.loop
            return results

        assert process.run(work()) == ["a", "b", "timed out"]
        assert 0.48 < process.seconds < 0.52

    def test_threads(self, process: Process) -> None:
        """A function that blocks runs later, outside of the loop; its result or error comes back."""

        def divide(number: int) -> float:
            assert asyncio._get_running_loop() is None
            return 1 / number

        async def work() -> float:
            with pytest.raises(ZeroDivisionError):
                await asyncio.to_thread(divide, 0)
            return await process.loop.run_in_executor(object(), divide, 4)

        assert process.run(work()) == 0.25
        assert process.seconds > 0.001

    def test_functions_of_one_executor_run_one_at_a_time(self, process: Process) -> None:
        """In the order they were asked for."""
        executor = object()
        order: list[int] = []

        async def work() -> None:
            await asyncio.gather(*(process.loop.run_in_executor(executor, order.append, n) for n in range(5)))

        process.run(work())
        assert order == list(range(5))
        assert process.seconds > 0.005

    def test_an_exception_that_nobody_caught_is_told(self, process: Process) -> None:
        """As `call_exception_handler` does."""
        process.loop.call_soon(lambda: 1 / 0)
        process.scheduler.run_for(SECOND_NS)
        assert isinstance(process.errors[0]["exception"], ZeroDivisionError)


class TestProcesses:
    """Pauses, deaths and clocks."""

    def test_a_paused_process_does_nothing_until_it_wakes(self, process: Process) -> None:
        """Then it finds all its timers due."""
        seen: list[float] = []
        for delay in (0.1, 0.2, 3.0):
            process.loop.call_later(delay, lambda: seen.append(process.seconds))
        process.loop.pause(SECOND_NS)
        process.scheduler.run_for(2 * SECOND_NS)
        assert [round(moment, 3) for moment in seen] == [1.0, 1.0]
        process.scheduler.run_for(2 * SECOND_NS)
        assert len(seen) == 3

    def test_a_woken_process_goes_on(self, process: Process) -> None:
        """A pause can be cut short."""
        seen: list[float] = []
        process.loop.pause(100 * SECOND_NS)
        process.loop.call_soon(lambda: seen.append(process.seconds))
        process.scheduler.run_for(SECOND_NS)
        assert not seen
        process.loop.wake()
        process.scheduler.run_for(SECOND_NS)
        assert len(seen) == 1

    def test_nothing_of_a_dead_process_runs(self, process: Process) -> None:
        """Neither what is ready, nor timers, threads, tasks, nor what is still asked for; destructors included."""
        ran: list[str] = []

        async def work() -> None:
            try:
                await asyncio.sleep(1)
            finally:
                asyncio.get_running_loop().call_soon(ran.append, "farewell")
            ran.append("work")

        task = process.loop.create_task(work())
        process.loop.call_soon(ran.append, "before")
        process.loop.call_later(0.5, ran.append, "timer")
        process.aside.run(None, ran.append, ("thread",))
        process.scheduler.run_for(1000)
        process.loop.call_soon(ran.append, "soon")
        process.loop.kill()
        process.loop.call_soon(ran.append, "after")
        process.scheduler.run_for(10 * SECOND_NS)
        process.loop.close()
        process.scheduler.run_for(10 * SECOND_NS)
        assert ran == ["before"]
        assert not task.done()
        assert process.errors == []

    def test_a_process_that_dies_in_a_callback(self, process: Process) -> None:
        """The callbacks behind it in the same iteration do not run."""
        ran: list[str] = []

        def die() -> None:
            process.loop.is_dying = True
            ran.append("dying")

        process.loop.call_soon(die)
        process.loop.call_soon(ran.append, "behind")
        process.scheduler.run_for(SECOND_NS)
        assert ran == ["dying"]

    def test_clocks_drift_apart_and_jump_ahead(self) -> None:
        """Each node's clock has its own pace; a jump makes timers due, and time never goes back."""
        scheduler = Scheduler()
        one, two = Process(scheduler, seed=1), Process(scheduler, seed=2)
        begin = one.clock.monotonic_ns(), two.clock.monotonic_ns()
        scheduler.run_for(1000 * SECOND_NS)
        passed = one.clock.monotonic_ns() - begin[0], two.clock.monotonic_ns() - begin[1]
        assert passed[0] != passed[1]
        rang: list[float] = []
        one.loop.call_later(60, lambda: rang.append(one.seconds))
        one.clock.jump(59 * SECOND_NS)
        one.loop.clock_jumped()
        scheduler.run_for(2 * SECOND_NS)
        assert len(rang) == 1

    def test_reading_the_clock_takes_time(self, process: Process) -> None:
        """A callback that looks again and again sees time pass, and virtual time follows behind it."""
        process.clock.read_cost_ns = MILLISECOND_NS
        seen: list[int] = []

        def look() -> None:
            seen.extend(process.clock.monotonic_ns() for _ in range(10))

        process.loop.call_soon(look)
        process.loop.call_soon(process.loop.call_soon, seen.append, 0)
        process.scheduler.run_until(lambda: 0 in seen, for_ns=SECOND_NS)
        assert seen[:10] == sorted(set(seen[:10]))
        assert process.scheduler.now_ns >= 9 * MILLISECOND_NS

    def test_the_wall_clock_may_go_back(self, process: Process) -> None:
        """By up to an hour."""
        before = process.clock.wall_ms()
        process.clock.set_wall_error(-3_600_000)
        assert process.clock.wall_ms() < before - 3_000_000


class TestScheduler:
    """The heap of events."""

    def test_a_broken_promise_ends_the_run(self) -> None:
        """After the event that broke it, with the first of several."""
        scheduler = Scheduler()

        def break_promises() -> None:
            scheduler.fail("first", 1)
            scheduler.fail("second", 2)

        scheduler.after(5, break_promises)
        with pytest.raises(Violation, match="first"):
            scheduler.run_for(10)

    def test_a_loop_without_progress_is_found(self) -> None:
        """Virtual time that stands still is a failure, not a hang."""
        scheduler = Scheduler()

        def again() -> None:
            scheduler.after(0, again)

        scheduler.after(0, again)
        with pytest.raises(Violation, match="stands still"):
            scheduler.run_for(10)

    def test_the_trace_tells_runs_apart(self) -> None:
        """The same events make the same hash; another time makes another."""

        def trace(delay_ns: int) -> int:
            scheduler = Scheduler()
            scheduler.after(delay_ns, scheduler.note, "event", 1)
            scheduler.run_for(100)
            return scheduler.trace_hash

        assert trace(5) == trace(5) != trace(6)
