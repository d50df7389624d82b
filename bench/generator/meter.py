"""What is read at both ends of the time measured: the server's CPU, the generator's, the clock."""

from __future__ import annotations

import asyncio
import time

from bench import process_tree
from bench.latency import NS_PER_S, summarize
from bench.task import GroupFigures, Measured, Timed, WebhookFigures


class Meter:
    """
    Collects what happens in the time measured.

    `measure` waits out warm-up and measured time; meanwhile callbacks call `note` for each thing that is done, and it
    counts if the time is on.

    Attributes:
        is_on: The time measured has begun and is not over.
    """

    def __init__(self, task: Timed) -> None:
        self._task = task
        self._durations_ns: list[int] = []
        self.note = self._durations_ns.append
        self.is_on = False
        self._duration_s = 0.0
        self._server_cpu_s = 0.0
        self._own_cpu_s = 0.0
        self._machine_cpu_s = 0.0

    async def measure(self) -> None:
        """Let the warm-up pass, then the time measured."""
        await asyncio.sleep(self._task.warm_up_s)
        self.begin()
        await asyncio.sleep(self._task.duration_s)
        self.end()

    def begin(self) -> None:
        """Begin the time measured."""
        self._durations_ns.clear()
        self._server_cpu_s = -self._server_cpu()
        self._machine_cpu_s = -process_tree.machine_busy_s()
        self._own_cpu_s = -time.process_time()
        self._duration_s = -time.perf_counter_ns() / NS_PER_S
        self.is_on = True

    def end(self) -> None:
        """End it."""
        self.is_on = False
        self._duration_s += time.perf_counter_ns() / NS_PER_S
        self._own_cpu_s += time.process_time()
        self._machine_cpu_s += process_tree.machine_busy_s()
        self._server_cpu_s += self._server_cpu()

    def _server_cpu(self) -> float:
        return process_tree.measure(self._task.server_pids).cpu_s

    def result(
        self,
        *,
        undelivered: int = 0,
        doubled: int = 0,
        reordered: int = 0,
        memory_bytes: int | None = None,
        lag_p99_ms: float | None = None,
        presence_count: int = 0,
        group: GroupFigures | None = None,
        webhooks: WebhookFigures | None = None,
    ) -> Measured:
        """Sum up; memory is read now unless it is given."""
        if memory_bytes is None:
            memory_bytes = process_tree.measure(self._task.server_pids, with_memory=True).memory_bytes
        return Measured(
            count=len(self._durations_ns),
            duration_s=self._duration_s,
            latency=summarize(self._durations_ns),
            server_cpu_s=self._server_cpu_s,
            server_memory_bytes=memory_bytes,
            generator_cpu_share=self._own_cpu_s / self._duration_s,
            other_cpu_share=max(self._machine_cpu_s - self._own_cpu_s - self._server_cpu_s, 0.0) / self._duration_s,
            undelivered=undelivered,
            doubled=doubled,
            reordered=reordered,
            lag_p99_ms=lag_p99_ms,
            presence_count=presence_count,
            group=group,
            webhooks=webhooks,
        )
