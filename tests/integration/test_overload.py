"""
More than the servers can take, and parts of them that are slow: queues have bounds, and nobody pays for another.

The load generator of the bench writes on a schedule, whatever has arrived (an open loop), at shares of the capacity
that it measured right before. Beyond capacity the servers stop reading, so what waits stays with the clients.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.task import Endpoint, Kind, Measured, Task
from integration.archive import check_exactly_once, read_archive
from integration.cluster_process import Cluster
from integration.xmpp_raw import RawClient, register

pytestmark = pytest.mark.timeout(240)

REPOSITORY = Path(__file__).resolve().parents[2]
USER_COUNT = 40
SHARES = (0.5, 1.0, 1.5)
P99_MAX_MS = 5_000
NODE_MEMORY_MAX = 768 << 20
GENERATOR_TIMEOUT_S = 90
PASSWORD = "secret-1"


async def generate(cluster: Cluster, kind: Kind, *, rate_per_s: float = 0.0, duration_s: float = 3.0) -> Measured:
    """Run the generator in a process of its own."""
    task = Task(
        kind=kind,
        endpoints=tuple(Endpoint("127.0.0.1", cluster.node(node_id).xmpp) for node_id in cluster.node_ids),
        domain="localhost",
        user_count=USER_COUNT,
        window=10,
        rate_per_s=rate_per_s,
        server_pids=tuple(cluster.node(node_id).pid for node_id in cluster.node_ids),
        warm_up_s=0.5,
        duration_s=duration_s,
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bench.generator"],
        input=msgspec.json.encode(task),
        capture_output=True,
        cwd=REPOSITORY,
        timeout=GENERATOR_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr.decode()[-2000:]}\n{cluster.log_tail()}"
    return msgspec.json.decode(done.stdout, type=Measured)


def memory_of(pid: int) -> int:
    """Resident bytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


async def test_an_open_loop_beyond_capacity_stays_bounded(cluster_folder: Path, node_count: int) -> None:
    """At 50, 100 and 150 % of capacity every message that was written arrives, once, in order, in bounded time."""
    async with Cluster(cluster_folder, node_count=node_count) as cluster:
        await generate(cluster, Kind.REGISTER)
        capacity = (await generate(cluster, Kind.CHAT)).rate_per_s
        print(f"\n{node_count} nodes: capacity {capacity:.0f} messages/s (20 pairs, window 10)")
        for share in SHARES:
            measured = await generate(cluster, Kind.OPEN_LOOP, rate_per_s=share * capacity)
            assert measured.latency is not None
            memory = max(memory_of(cluster.node(node_id).pid) for node_id in cluster.node_ids)
            print(
                f"  {share:.0%}: {measured.rate_per_s:.0f}/s arrived, p99 {measured.latency.p99_ms:.0f} ms, "
                f"memory of the largest node {memory >> 20} MiB"
            )
            assert (measured.undelivered, measured.doubled, measured.reordered) == (0, 0, 0)
            assert measured.latency.p99_ms < P99_MAX_MS
            assert memory < NODE_MEMORY_MAX
        assert all([await cluster.is_ready(node_id) for node_id in cluster.node_ids])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One node, and three."""
    if "node_count" in metafunc.fixturenames:
        metafunc.parametrize("node_count", [1, 3])


async def write_and_wait(client: RawClient, prefix: str, count: int) -> list[str]:
    """Write messages to oneself and wait until all are acknowledged; returns their origin-ids."""
    origin_ids = [f"{prefix}-{number}" for number in range(count)]
    for origin_id in origin_ids:
        client.send_chat("anna@localhost", origin_id, origin_id)
    await client.wait_acked(client.sent_count)
    return origin_ids


async def test_a_paused_follower_costs_the_others_nothing(cluster: Cluster) -> None:
    """A node that answers nothing (SIGSTOP) is waited for by nobody, and has everything soon after it goes on."""
    await register(cluster.node(1).xmpp, "anna", PASSWORD)
    leader = await cluster.leader()
    paused = next(node_id for node_id in cluster.node_ids if node_id != leader)
    pid = cluster.node(paused).pid
    async with RawClient() as anna:
        await anna.log_in(cluster.node(leader).xmpp, "anna", PASSWORD)
        sent = await write_and_wait(anna, "before", 50)
        os.kill(pid, signal.SIGSTOP)
        try:
            sent += await write_and_wait(anna, "during", 500)
        finally:
            os.kill(pid, signal.SIGCONT)
        await cluster.wait_healthy()
        check_exactly_once(await read_archive(anna), sent, "anna")
    await cluster.wait_equal_hashes()


async def test_a_reader_that_reads_nothing_costs_the_others_nothing(cluster: Cluster) -> None:
    """What waits for it has a bound; another's messages, 15 MB of them to it, are acknowledged all along."""
    for name in ("anna", "slow"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    port = cluster.node(1).xmpp
    pid = cluster.node(1).pid
    async with RawClient() as slow, RawClient() as anna:
        await slow.log_in(port, "slow", PASSWORD)
        slow.write("<presence/>")
        await anna.log_in(port, "anna", PASSWORD)
        await slow.ask("get", "<ping xmlns='urn:xmpp:ping'/>", "localhost")
        slow.stop_reading()
        for number in range(300):
            count = anna.send_chat("slow@localhost", "x" * 50_000, f"large-{number}")
            await anna.wait_acked(count)

        assert memory_of(pid) < NODE_MEMORY_MAX
        await write_and_wait(anna, "after", 50)
