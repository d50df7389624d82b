"""P5: a leader that looks after its replicas, and says so when they differ."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cluster.clusters import Cluster, until
from cluster.people import Person
from raftline.cluster.comparison import Comparison


async def test_equal_replicas_are_found_equal_and_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever leads compares; a row that one node alone was given is told, with the hashes."""
    monkeypatch.setitem(Comparison.__init__.__kwdefaults__, "period_seconds", 0.05)
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    alice = Person("alice")
    await alice.appear(cluster.leader.node)
    leader = cluster.leader.running
    await until(lambda: leader.metrics().comparison_count > 2)
    assert not leader.metrics().are_replicas_different
    assert all(follower.running.metrics().comparison_count == 0 for follower in cluster.followers)

    machine = cluster.followers[0].machine
    machine._head = machine._head._replace(state_hash=b"\0" * 32)
    alice.send("alice", "what comes next differs")
    with caplog.at_level(logging.ERROR):
        await until(lambda: leader.metrics().are_replicas_different)
    assert "the replicas differ at entry" in caplog.text
    await cluster.stop()
