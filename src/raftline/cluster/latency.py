"""
How long commands of a node took from their proposal until they were applied there: what its clients wait for. Pure.

They are counted by classes, since counts of several nodes can be added and quantiles cannot; of two counts the
difference tells of the time between.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

BOUNDS_S: Final = (
    0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.016, 0.024, 0.032, 0.048, 0.064, 0.1, 0.15, 0.25,
    0.5, 1.0, 2.0, 5.0, 10.0,
)  # fmt: skip
"""Greatest duration of each class, in seconds; what took longer is in one more. About two to each doubling."""

CLASS_COUNT: Final = len(BOUNDS_S) + 1

_BOUNDS_NS: Final = tuple(round(bound * 1e9) for bound in BOUNDS_S)


class LatencyFigures(NamedTuple):
    """
    Durations by classes.

    Attributes:
        bounds_s: Greatest duration of each class but the last, which has none.
        counts: How many were in each class alone; one more than bounds.
        total_seconds: The sum of all durations.
    """

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]
    total_seconds: float


class CommitLatency:
    """Counts durations. Costs a fraction of a microsecond each, which a chat message can bear."""

    __slots__ = ("_counts", "_total_ns")

    def __init__(self) -> None:
        self._counts = [0] * CLASS_COUNT
        self._total_ns = 0

    def observe(self, duration_ns: int) -> None:
        """Take one duration."""
        self._counts[bisect_left(_BOUNDS_NS, duration_ns)] += 1
        self._total_ns += duration_ns

    def figures(self) -> LatencyFigures:
        """Return what was counted so far."""
        return LatencyFigures(BOUNDS_S, tuple(self._counts), self._total_ns / 1e9)


def cumulative(counts: Sequence[int]) -> dict[float, int]:
    """Return how many took at most so many seconds, of counts by class; the last bound is infinite."""
    return dict(zip((*BOUNDS_S, float("inf")), accumulate(counts), strict=True))


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """
    Estimate a quantile from cumulative classes, as Prometheus' `histogram_quantile` does.

    Args:
        share: 0.99 for the 99th percentile.
        buckets: Count of what is at most the bound; the greatest bound is infinite.

    Returns: Seconds; the greatest finite bound for what lies beyond it, None if there is nothing.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    rank = share * total
    lower, lower_count = 0.0, 0.0
    for bound in bounds[:-1]:
        count = buckets[bound]
        if count >= rank:
            return lower + (bound - lower) * (rank - lower_count) / (count - lower_count)
        lower, lower_count = bound, count
    return lower
