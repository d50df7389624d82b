"""`raftline bench` beside a real cluster."""

from __future__ import annotations

import asyncio
import json

import pytest

from integration.cluster_process import Cluster, wait_until

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


async def test_a_node_dies_meanwhile(cluster: Cluster) -> None:
    """A client that is cut off ends the run with a sentence and exit code 6, and the accounts go all the same."""
    folder = ("--data", str(cluster.data))
    leader = await cluster.leader()
    victim = next(node_id for node_id in cluster.node_ids if node_id != leader)
    running = asyncio.create_task(cluster.command("bench", *folder, "--seconds", "60", "--pairs", "3"))

    async def are_connected() -> bool:
        listed = await cluster.command("user", "list", *folder, "--json")
        users = json.loads(listed.stdout)["users"]
        return sum(user["session_count"] for user in users if user["name"].startswith("bench-")) == 6

    await wait_until("all clients are connected", are_connected, 30.0)
    await cluster.kill(victim)
    ended = await running
    assert ended.returncode == 6, ended
    assert "The cluster could not be measured" in ended.stderr
    assert "Traceback" not in ended.stderr
    listed = await cluster.command("user", "list", *folder)
    assert "bench-" not in listed.stdout
