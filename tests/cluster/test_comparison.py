"""A leader looks whether the replicas are equal (P5), and whether its clock is like the others'."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cluster.clusters import Cluster, until
from cluster.people import Person
from raftline.base.ids import NodeId
from raftline.cluster.comparison import Comparison, median_lead_ms


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


async def test_a_leader_with_a_wrong_clock_hands_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour ahead of the others it leads no more, and is not elected again for long."""
    monkeypatch.setitem(Comparison.__init__.__kwdefaults__, "period_seconds", 0.05)
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    wrong = cluster.leader
    wall_ms = wrong.running.survey._wall_ms
    monkeypatch.setattr(wrong.running.survey, "_wall_ms", lambda: wall_ms() + 3_600_000)
    await until(lambda: {node.running.leader_id for node in cluster.running} in OTHERS[wrong.config.node_id])
    assert wrong.running.metrics().clock_lead_seconds == pytest.approx(3600, abs=5)
    leader = cluster.leader.running
    await until(lambda: leader.metrics().comparison_count > 2)
    assert leader.metrics().clock_lead_seconds == pytest.approx(0, abs=5)
    await cluster.stop()


OTHERS = {number: [{NodeId(other)} for other in (1, 2, 3) if other != number] for number in (1, 2, 3)}


@pytest.mark.parametrize(
    ("leads_ms", "voters", "median_ms"),
    [
        ({1: 0, 2: 7, 3: -5}, (1, 2, 3), 0),
        ({1: 0, 2: 9_000, 3: 9_100}, (1, 2, 3), 9_000),
        ({1: 0, 2: 9_000}, (1, 2, 3), None),
        ({1: 0, 2: 9_000}, (1, 2), None),
        ({1: 0, 2: 9_000, 3: 9_000, 9: 1}, (1, 2, 3, 4, 5), 9_000),
        ({1: 0, 2: 9_000, 3: 9_000}, (1, 2, 3, 4, 5, 6), None),
        ({1: 0}, (1,), None),
    ],
)
def test_median(leads_ms: dict[int, int], voters: tuple[int, ...], median_ms: int | None) -> None:
    """Of voters alone, and only where enough have told."""
    told = {NodeId(node_id): lead_ms for node_id, lead_ms in leads_ms.items()}
    assert median_lead_ms(told, [NodeId(voter) for voter in voters]) == median_ms
