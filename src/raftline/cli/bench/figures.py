"""Durations as what is told of them. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

NS_PER_MS = 1_000_000


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in milliseconds; all are 0 where nothing was measured."""

    p50_ms: float = 0
    p95_ms: float = 0
    p99_ms: float = 0
    max_ms: float = 0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a run came to; messages of the time before it, and after, are not in it.

    Attributes:
        sent: Messages that were written, or due.
        delivered: Of these, those that reached their recipient.
        refused: Of these, those that came back as errors.
        acknowledged_ms: From writing a message to the server's word that it has it (XEP-0198).
        delivered_ms: From writing a message to its arrival at the recipient.
    """

    seconds: float
    pairs: int
    rate: float | None
    sent: int
    delivered: int
    refused: int
    per_second: float
    acknowledged_ms: Durations
    delivered_ms: Durations


def summarize(durations_ns: Sequence[int]) -> Durations:
    """Sum up durations in nanoseconds."""
    if not durations_ns:
        return Durations()
    in_ms = sorted(duration / NS_PER_MS for duration in durations_ns)
    cuts = statistics.quantiles(in_ms, n=100, method="inclusive") if len(in_ms) > 1 else in_ms * 99
    p50, p95, p99 = (round(cuts[place - 1], 3) for place in (50, 95, 99))
    return Durations(p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=round(in_ms[-1], 3))
