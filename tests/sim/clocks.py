"""
The clocks of a simulated node: wrong in all the ways in which clocks are wrong, and consistent in none but one.

The monotonic clock has an offset and a drift of its own and may jump ahead, as after a machine was suspended. It never
goes back. Reading it costs time, which makes the work of one callback take time, so that code which looks at the clock
to see how long it has worked sees something.

The wall clock may be wrong by an hour and jump by as much, either way.
"""

from __future__ import annotations

import random
from typing import Final

from raftline.cluster.config import Clocks
from sim.scheduler import MILLISECOND_NS, Scheduler

EPOCH_MS: Final = 1_700_000_000_000
WALL_ERROR_MAX_MS: Final = 3_600_000

_MILLION: Final = 1_000_000
_DRIFT_MAX_PPM: Final = 20_000
_OFFSET_MAX_NS: Final = 1 << 50


class NodeClock:
    """
    Monotonic and wall clock of one node; they go on while it is down.

    Attributes:
        read_cost_ns: What it takes to read the monotonic clock.
        spent_ns: What reads have cost since the node's loop last looked; virtual time follows when the callback ends.
    """

    def __init__(self, scheduler: Scheduler, chance: random.Random) -> None:
        self._scheduler = scheduler
        self._rate = _MILLION + chance.randint(-_DRIFT_MAX_PPM, _DRIFT_MAX_PPM)
        self._base_ns = scheduler.now_ns
        self._base_local_ns = chance.randrange(_OFFSET_MAX_NS)
        self._last_ns = 0
        self._wall_error_ms = chance.randint(-100, 100)
        self.read_cost_ns = 0
        self.spent_ns = 0

    def monotonic_ns(self) -> int:
        """Read the monotonic clock."""
        self.spent_ns += self.read_cost_ns
        self._last_ns = max(self._last_ns, self._local_ns(self._scheduler.now_ns + self.spent_ns))
        return self._last_ns

    def local_ns(self) -> int:
        """Return what the monotonic clock shows, without any cost."""
        return max(self._last_ns, self._local_ns(self._scheduler.now_ns))

    def _local_ns(self, time_ns: int) -> int:
        return self._base_local_ns + (time_ns - self._base_ns) * self._rate // _MILLION

    def delay_until(self, local_ns: int) -> int:
        """Return for how long to wait until the monotonic clock shows a time; 0 if it has passed."""
        left_ns = local_ns - self._local_ns(self._scheduler.now_ns)
        return 0 if left_ns <= 0 else -(-left_ns * _MILLION // self._rate)

    def jump(self, jump_ns: int) -> None:
        """Let the monotonic clock jump ahead."""
        assert jump_ns >= 0, jump_ns
        self._base_local_ns += jump_ns

    def wall_ms(self) -> int:
        """Read the wall clock."""
        return EPOCH_MS + self._wall_error_ms + self._scheduler.now_ns // MILLISECOND_NS

    def set_wall_error(self, error_ms: int) -> None:
        """Let the wall clock be wrong by so much from now on."""
        assert abs(error_ms) <= WALL_ERROR_MAX_MS, error_ms
        self._wall_error_ms = error_ms

    def as_clocks(self) -> Clocks:
        """Return the form in which nodes take their clocks."""
        return Clocks(self.monotonic_ns, self.wall_ms)
