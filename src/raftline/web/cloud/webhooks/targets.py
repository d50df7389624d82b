"""
Hosts that receivers are at: how many POSTs each may have under way, and how long one that is not there is left alone.

A host that cannot be connected to rests, twice as long each time; then one POST finds out whether it is back, and the
others go on only if it is. All that waits for a host is parked here, in the order it came.

What a receiver answers, or does not answer once connected, is no matter of the host: the line of that person waits
(delivery.py), and nobody else. Pure: the time comes in.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from raftline.base.webhook_limits import (
    WEBHOOK_REST_MAX_S,
    WEBHOOK_RETRY_MIN_S,
    WEBHOOK_TARGET_IN_FLIGHT_COUNT_MAX,
)

if TYPE_CHECKING:
    from raftline.web.cloud.webhooks.lanes import Lane


class Target:
    """
    One scheme, host and port.

    Attributes:
        in_flight: POSTs that have no answer yet.
        failure_count: How often in a row no connection came about.
        rests_until_s: Nothing is sent before.
        parked: Applications' lanes that wait for their turn, by application.
    """

    __slots__ = ("failure_count", "in_flight", "parked", "rests_until_s")

    def __init__(self) -> None:
        self.in_flight = 0
        self.failure_count = 0
        self.rests_until_s = 0.0
        self.parked: deque[tuple[int, Lane]] = deque()

    def admits(self, now_s: float) -> bool:
        """Whether one more may be sent."""
        if self.failure_count:
            return self.in_flight == 0 and now_s >= self.rests_until_s
        return self.in_flight < WEBHOOK_TARGET_IN_FLIGHT_COUNT_MAX

    def connected(self) -> None:
        """Take note that the host is there."""
        self.failure_count = 0

    def failed(self, now_s: float) -> float:
        """Take note that it is not; returns for how long it rests, 0 when that was known."""
        if now_s < self.rests_until_s:
            return 0.0  # of those that were under way together, the first counts
        rest_s = min(WEBHOOK_RETRY_MIN_S * 2.0 ** min(self.failure_count, 16), WEBHOOK_REST_MAX_S)
        self.failure_count += 1
        self.rests_until_s = now_s + rest_s
        return rest_s

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to remember."""
        return not (self.in_flight or self.failure_count or self.parked)
