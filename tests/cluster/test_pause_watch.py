"""Pauses of the process are noticed and told."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest

from cluster.clusters import Cluster, until
from raftline.cluster.config import MILLISECOND_NS
from raftline.cluster.pause_watch import PauseWatch


def test_what_is_late_enough_counts(caplog: pytest.LogCaptureFixture) -> None:
    """From the second time on, since the first is due at no known time."""
    watch = PauseWatch(75 * MILLISECOND_NS)
    times_ms = [1000, 1050, 1124, 1250, 2000]
    with caplog.at_level(logging.WARNING):
        for now_ms in times_ms:
            watch.came(now_ms * MILLISECOND_NS, (now_ms + 50) * MILLISECOND_NS)
    assert (watch.count, watch.total_ns) == (2, (76 + 700) * MILLISECOND_NS)
    assert [record.getMessage() for record in caplog.records] == [
        "this process did not run for 76 ms",
        "this process did not run for 700 ms",
    ]


async def test_a_node_counts_its_pauses(tmp_path: Path) -> None:
    """A loop that stands still is told in the figures, and the cluster goes on."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    driver = cluster[1].running
    before = driver.metrics().pause_count
    time.sleep(0.5)  # noqa: ASYNC251  this is the pause
    await until(lambda: driver.metrics().pause_count > before)
    assert driver.metrics().pause_seconds >= 0.4
    await asyncio.wait_for(driver.read_barrier(), 10)
    await cluster.stop()
