"""One timer that is set again and again, nearly always to a later time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """
    Calls back at a time, or earlier: a timer that fires early is set anew by its owner, so it is seldom cancelled.

    Args:
        callback: Called on the event loop; looks at what is due and sets the alarm again.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_ns = 0

    def set(self, deadline_ns: int, now_ns: int) -> None:
        """Ring at `deadline_ns` at the latest."""
        if self._timer is not None:
            if self._deadline_ns <= deadline_ns:
                return
            self._timer.cancel()
        self._deadline_ns = deadline_ns
        self._timer = asyncio.get_running_loop().call_later((deadline_ns - now_ns) / 1e9, self._ring)

    def cancel(self) -> None:
        """Ring no more until set again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        self._callback()
