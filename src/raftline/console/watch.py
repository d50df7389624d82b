"""
The cluster, looked at once a second while somebody watches: one look for all who do.

Whoever wants a frame and finds none that is new enough has one made; those who come meanwhile wait for the same. So
nobody is asked while nobody watches, and there is no task to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from raftline.console.readings import Change, Frame, Reading, make_frame

PERIOD_S: Final = 1.0
_FRESH_NS: Final = 700_000_000


class Watch:
    """
    Makes frames.

    Args:
        gather: Asks all nodes; takes half a second at most.
        clock: Monotonic nanoseconds.
    """

    def __init__(self, gather: Callable[[], Awaitable[Reading]], clock: Callable[[], int]) -> None:
        self._gather = gather
        self._clock = clock
        self._made_ns = 0
        self._frame: Frame | None = None
        self._reading: Reading | None = None
        self._look: asyncio.Task[None] | None = None

    async def frame(self) -> tuple[Frame, tuple[Change, ...]]:
        """Return a frame that is new enough, and the time line."""
        if self._frame is None or self._clock() - self._made_ns > _FRESH_NS:
            if self._look is None or self._look.done():
                self._look = asyncio.get_running_loop().create_task(self._make(), name="console watch")
            await asyncio.shield(self._look)
        assert self._frame is not None
        assert self._reading is not None
        return self._frame, self._reading.changes

    async def _make(self) -> None:
        asked_ns = self._clock()
        reading = await self._gather()
        self._frame = make_frame(reading, self._reading)
        self._reading = reading
        self._made_ns = asked_ns
