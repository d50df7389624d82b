"""What the delivery of events is measured by; counters since the start of the process."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final, NamedTuple

DELAY_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0)


class WebhookFigures(NamedTuple):
    """
    Figures of one node.

    Attributes:
        delivered_total: POSTs that a receiver has taken.
        failed_total: POSTs that it has not.
        dropped_total: Events that waited no more when they were about to be tried again.
        in_flight: POSTs that have no answer yet.
        held: Events that this node holds, as it leads.
        resting_hosts: Hosts that cannot be connected to.
        delay_counts, delay_seconds: From the cause of an event, by cluster time, to its being taken.
    """

    delivered_total: int
    failed_total: int
    dropped_total: int
    in_flight: int
    held: int
    resting_hosts: int
    delay_counts: tuple[int, ...]
    delay_seconds: float


@dataclass(slots=True)
class Counters:
    """Counters that outlive leaderships."""

    delivered_total: int = 0
    failed_total: int = 0
    dropped_total: int = 0
    delay_counts: list[int] = field(default_factory=lambda: [0] * (len(DELAY_BOUNDS_S) + 1))
    delay_seconds: float = 0.0

    def delivered(self, delay_ms: int) -> None:
        """Count a POST that was taken, so long after its cause."""
        delay_s = max(delay_ms, 0) / 1000
        self.delivered_total += 1
        self.delay_seconds += delay_s
        self.delay_counts[bisect_left(DELAY_BOUNDS_S, delay_s)] += 1
