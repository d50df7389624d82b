"""
How long commands take, from the proposal until their outcome is applied where they were proposed. Pure.

Noting one costs an append; all else is done when somebody asks. Counts by logarithmic buckets can be added over nodes,
which quantiles cannot. Decided against: a histogram that is kept all the time, which every command would have to pay.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

WINDOW_NS: Final = 10_000_000_000
"""Older commands do not count any more."""

SAMPLE_COUNT_MAX: Final = 4_096
"""Commands that are remembered; of more in the window the latest."""

BUCKETS_PER_DOUBLING: Final = 8
"""A quantile is right within 5 %."""


class LatencyWindow:
    """The commands of the last seconds."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLE_COUNT_MAX)

    def add(self, now_ns: int, duration_ns: int) -> None:
        """Note that a command has its outcome."""
        self._samples.append((now_ns, duration_ns))

    def counts(self, now_ns: int) -> dict[int, int]:
        """Return how many of the window fell into each bucket."""
        found: dict[int, int] = {}
        for noted_ns, duration_ns in self._samples:
            if now_ns - noted_ns <= WINDOW_NS:
                bucket = bucket_of(duration_ns)
                found[bucket] = found.get(bucket, 0) + 1
        return found


def bucket_of(duration_ns: int) -> int:
    """Return the bucket of a duration; 0 holds everything up to a microsecond."""
    return max(0, round(math.log2(max(duration_ns, 1_000) / 1_000) * BUCKETS_PER_DOUBLING))


def joined(counts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Add counts of several nodes."""
    total: dict[int, int] = {}
    for each in counts:
        for bucket, count in each.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


def quantile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """Return the duration in milliseconds that this share of the commands did not exceed; None without any."""
    wanted = share * sum(counts.values())
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return float(2.0 ** (bucket / BUCKETS_PER_DOUBLING)) / 1_000
    return None
