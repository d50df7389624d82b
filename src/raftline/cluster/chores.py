"""
What a node does beside its turns: tasks of its event loop, and functions that block on the disk, off the loop.

A task that fails ends the node, like any other error of storage or of ours; one that ends is forgotten. Functions run
one at a time in the order they were asked for, on one thread, and are expected to be short: whoever has much to do asks
for it in steps, so that nobody waits long behind another, and rests in between: messages come first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

BULK_BYTES_PER_SECOND: Final = 64 << 20
"""How fast a snapshot is written, at either end: disks share their time badly between a bulk and the syncs of a log."""


class Chores:
    """
    Tasks and blocking functions of one node.

    Args:
        on_failure: Takes the error of a task that failed.
        now_ns: The monotonic clock of this node.

    Attributes:
        last_seconds: How long the last function ran.
    """

    def __init__(self, on_failure: Callable[[BaseException], None], now_ns: Callable[[], int]) -> None:
        self._on_failure = on_failure
        self._now_ns = now_ns
        self.last_seconds = 0.0
        self._tasks: dict[asyncio.Task[None], None] = {}  # in order, so that they end in order
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")

    def begin(self, work: Coroutine[None, None, None], name: str) -> None:
        """Let a task run until it ends by itself, or `stop` ends it."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)

    def aside(self, function: Callable[[], T]) -> Awaitable[T]:
        """Run a function off the loop, behind those that wait already."""

        def run() -> T:
            began_ns = self._now_ns()
            try:
                return function()
            finally:
                self.last_seconds = (self._now_ns() - began_ns) / 1e9

        return asyncio.get_running_loop().run_in_executor(self._executor, run)

    async def rest(self, byte_count: int = 0) -> None:
        """Leave disk and processor to others after a step of bulk work: as long as it took, or as its bytes ask for."""
        await asyncio.sleep(max(self.last_seconds, byte_count / BULK_BYTES_PER_SECOND - self.last_seconds))

    async def stop(self) -> None:
        """Cancel all tasks, and wait until none of them and no function runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._executor.shutdown)
