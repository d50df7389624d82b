"""
Whether this process ran all the time: a machine that sleeps, swaps or is short of processors makes every timer late.

The core takes care of itself (`raftline.raft.election`): a follower that finds itself late reads before it stands, a
leader leads no more. Here it is only noticed, for people: many pauses mean that the machine is too small, or that
something in this process holds up the loop.
"""

from __future__ import annotations

import logging
from typing import Final

from raftline.cluster.config import MILLISECOND_NS

_LOG: Final = logging.getLogger(__name__)


class PauseWatch:
    """
    Told of a timer that is due at known times.

    Args:
        threshold_ns: How late the timer must be to count.

    Attributes:
        count: Pauses seen.
        total_ns: How long they were together.
    """

    def __init__(self, threshold_ns: int) -> None:
        self._threshold_ns = threshold_ns
        self._due_ns: int | None = None
        self.count = 0
        self.total_ns = 0

    def came(self, now_ns: int, next_due_ns: int) -> None:
        """Note that the timer came, and when it is due next."""
        late_ns = 0 if self._due_ns is None else now_ns - self._due_ns
        self._due_ns = next_due_ns
        if late_ns >= self._threshold_ns:
            self.count += 1
            self.total_ns += late_ns
            _LOG.warning("this process did not run for %d ms", late_ns // MILLISECOND_NS)
