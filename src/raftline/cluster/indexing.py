"""
Makes messages searchable (XEP-0431) when a node has time for it: a few at once, with a rest after each slice.

Indexing is on the loop, since the database has one writer; so a slice takes a few milliseconds, and the rest after it
is a multiple of what it took, a greater one while commands come in numbers. What is not indexed yet is found all the
same, by reading it (machine/history/search.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from raftline.cluster.apply_loop import ApplyLoop

SLICE_MESSAGES: Final = 32
"""Messages of one slice: a millisecond or two."""

PERIOD_SECONDS: Final = 0.5
"""How often to look whether there is something new."""

QUIET_REST: Final = 4
BUSY_REST: Final = 49
"""How long a rest is, by the time the slice took: a fifth of the node's time, or a fiftieth."""

BUSY_COMMANDS_PER_SECOND: Final = 500


class Indexing:
    """
    Indexes until its task is cancelled.

    Args:
        apply: What writes the database.
        now_ns: The monotonic clock of this node.
    """

    def __init__(self, apply: ApplyLoop, *, now_ns: Callable[[], int]) -> None:
        self._apply = apply
        self._now_ns = now_ns

    async def run(self) -> None:
        """Look every now and then, and go on while there is something to do."""
        seen_ns, seen_count = self._now_ns(), self._apply.command_count
        is_busy = False
        while True:
            began_ns = self._now_ns()
            count = self._apply.index_some(SLICE_MESSAGES)
            now_ns = self._now_ns()
            if now_ns - seen_ns >= 1_000_000_000:
                rate = (self._apply.command_count - seen_count) * 1e9 / (now_ns - seen_ns)
                is_busy = rate > BUSY_COMMANDS_PER_SECOND
                seen_ns, seen_count = now_ns, self._apply.command_count
            rest_seconds = (BUSY_REST if is_busy else QUIET_REST) * (now_ns - began_ns) / 1e9
            await asyncio.sleep(rest_seconds if count else PERIOD_SECONDS)
