"""How long commands take, counted by classes; and where a driver counts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cluster.clusters import Cluster, until
from raftline.cluster.latency import BOUNDS_S, CommitLatency, cumulative, quantile


class TestClasses:
    """Each duration is in the first class whose bound it does not pass."""

    def test_bounds_belong_to_their_class(self) -> None:
        """What took exactly as long as a bound says is below it, a nanosecond more is in the next."""
        latency = CommitLatency()
        for bound in BOUNDS_S:
            latency.observe(round(bound * 1e9))
            latency.observe(round(bound * 1e9) + 1)
        counts = latency.figures().counts
        assert counts == (1, *([2] * (len(BOUNDS_S) - 1)), 1)

    def test_the_last_has_no_bound(self) -> None:
        """However long; nothing is lost."""
        latency = CommitLatency()
        latency.observe(3_600 * 10**9)
        assert latency.figures().counts[-1] == 1
        assert latency.figures().total_seconds == 3_600

    def test_bounds_rise(self) -> None:
        """As a histogram's have to."""
        assert list(BOUNDS_S) == sorted(set(BOUNDS_S))


class TestQuantiles:
    """What took at most so long, for a share of all."""

    def test_within_a_class(self) -> None:
        """Between its bounds by the share of its members; nothing of nothing."""
        buckets = {0.1: 10.0, 0.2: 20.0, math.inf: 20.0}
        assert quantile(0.5, buckets) == pytest.approx(0.1)
        assert quantile(0.75, buckets) == pytest.approx(0.15)
        assert quantile(0.99, {0.1: 0.0, math.inf: 3.0}) == 0.1
        assert quantile(0.5, {0.1: 0.0, math.inf: 0.0}) is None
        assert quantile(0.5, {}) is None

    def test_of_what_was_counted(self) -> None:
        """Within the class that the right one lies in."""
        latency = CommitLatency()
        for duration_ms in range(1, 101):
            latency.observe(duration_ms * 1_000_000)
        found = quantile(0.5, cumulative(latency.figures().counts))
        assert found is not None
        assert 0.048 <= found <= 0.064


async def test_a_driver_counts_its_own_commands(tmp_path: Path) -> None:
    """Every node its own and none twice, from proposal to application: its start is the first one."""
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    await until(lambda: all(sum(node.running.metrics().commit_latency.counts) for node in cluster.running))
    for node in cluster.running:
        figures = node.running.metrics().commit_latency
        assert sum(figures.counts) == node.running.forwarding.pending.resolved_count
        assert figures.total_seconds > 0
    await cluster.stop()
