"""`raftline bench` beside a real cluster."""

from __future__ import annotations

import json

import pytest

from integration.cluster_process import Cluster

pytestmark = pytest.mark.timeout(120)

KEYS = {
    "seconds",
    "pairs",
    "rate",
    "sent",
    "delivered",
    "refused",
    "per_second",
    "acknowledged_ms",
    "delivered_ms",
}


async def test_a_cluster_is_measured(cluster: Cluster) -> None:
    """Both loops, as JSON and for people, while a node is down; the accounts are gone in the end."""
    folder = ("--data", str(cluster.data))
    closed = await cluster.command("bench", *folder, "--seconds", "1", "--pairs", "3", "--json")
    assert closed.returncode == 0, closed.stderr
    told = json.loads(closed.stdout)
    assert set(told) == KEYS
    assert told["sent"] == told["delivered"] > 0
    assert 0 < told["acknowledged_ms"]["p50_ms"] <= told["acknowledged_ms"]["max_ms"]
    assert 0 < told["delivered_ms"]["p50_ms"] <= told["delivered_ms"]["p99_ms"]

    follower = next(node["id"] for node in (await cluster.status())["nodes"] if node["role"] == "follower")
    await cluster.kill(follower)
    opened = await cluster.command("bench", *folder, "--seconds", "1", "--pairs", "2", "--rate", "20", "--size", "5000")
    assert opened.returncode == 0, opened.stderr
    assert "2 pairs for 1 s, 20 a second: 20.0 messages/s" in opened.stdout
    listed = await cluster.command("user", "list", *folder)
    assert "bench-" not in listed.stdout


async def test_a_cluster_that_is_not_there(cluster: Cluster) -> None:
    """Nobody answers: exit code 6, and a sentence."""
    for node_id in cluster.node_ids:
        await cluster.kill(node_id)
    ended = await cluster.command("bench", "--data", str(cluster.data))
    assert ended.returncode == 6, ended
    assert "Nodes tried" in ended.stderr
