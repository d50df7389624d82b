"""
D7 with real processes: disks are damaged while people write to each other; nodes repair themselves from the others.

Nothing that was acknowledged is missing, doubled or out of order anywhere afterwards, least of all on a node that had
lost it.
"""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import pytest

from cluster import damage
from integration.archive import read_archive
from integration.cluster_process import Cluster, http_get, is_alive, wait_until
from integration.test_membership import (
    PASSWORD,
    SETTLE_TIMEOUT_S,
    Guest,
    all_acknowledged,
    all_shown,
    check_archives,
    write_without_pause,
)
from integration.xmpp_raw import RawClient, StreamEndedError, register

pytestmark = pytest.mark.timeout(400)

REPAIR_TIMEOUT_S = 40.0

# A lost database is built again from a log that was never compacted, without any help.
DAMAGES = [hurt for hurt in damage.REPAIRABLE if hurt is not damage.lose_the_database]


async def figure(cluster: Cluster, node_id: int, name: str) -> float | None:
    """One of a node's metrics; None while it does not answer."""
    status, body = await http_get(cluster.node(node_id).http, "/metrics")
    found = re.search(rf"^{name} (\S+)$", body.decode(), re.MULTILINE)
    return float(found[1]) if status == 200 and found else None


async def wait_repaired(cluster: Cluster, node_id: int) -> None:
    """Wait until a node says that it has repaired itself, and until nothing is left of the damage."""

    async def is_repaired() -> bool:
        return await figure(cluster, node_id, "raftline_cluster_repairs_total") == 1

    await wait_until(f"node {node_id} repaired", is_repaired, REPAIR_TIMEOUT_S)
    assert await figure(cluster, node_id, "raftline_cluster_recovering") == 0
    assert not (Path(cluster.node(node_id).data) / "damaged").exists()
    assert "the node is repaired" in cluster.log_tail(1000)


async def test_nodes_with_damaged_disks_repair_themselves(cluster: Cluster) -> None:
    """After each kind of damage, one node after the other, followers and leaders, while four people write."""
    names = ("anna", "bert", "carla", "dirk")
    for name in names:
        await register(cluster.node(1).xmpp, name, PASSWORD)
    partners = dict(zip(names, ("bert", "anna", "dirk", "carla"), strict=True))
    guests = [Guest(cluster, name, partners[name], place) for place, name in enumerate(names)]
    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(guest.run()) for guest in guests]
        writer = tasks.create_task(write_without_pause(guests))
        await wait_until("people at work", lambda: all_acknowledged(guests), SETTLE_TIMEOUT_S)
        for place, hurt in enumerate(DAMAGES):
            leader = await cluster.leader()
            victim = leader if place % 2 else next(node for node in cluster.node_ids if node != leader)
            # What SIGKILL leaves beside the database would hide pages that are damaged in it.
            is_of_database = hurt in {damage.flip_a_page, damage.flip_the_header}
            await cluster.kill(victim, signal.SIGTERM if is_of_database else signal.SIGKILL)
            hurt(Path(cluster.node(victim).data))
            await cluster.start_node(victim)
            await wait_repaired(cluster, victim)
            await cluster.wait_healthy()
        await find_damage_at_work(cluster, names[0])
        writer.cancel()
        await wait_until("every message acknowledged", lambda: all_acknowledged(guests), SETTLE_TIMEOUT_S)
        await wait_until("every message shown", lambda: all_shown(guests), SETTLE_TIMEOUT_S)
        for guest in guests:
            await guest.close()
        await asyncio.gather(*lives)
    assert not [error for guest in guests for error in guest.errors]
    await cluster.wait_equal_hashes()
    await check_archives(cluster, guests)
    print(f"\n{sum(len(guest.acknowledged) for guest in guests)} messages, {len(DAMAGES) + 1} repairs")


async def find_damage_at_work(cluster: Cluster, reader_name: str) -> None:
    """A page goes bad under a node that runs: whoever reads it is not answered, and the same process repairs itself."""
    leader = await cluster.leader()
    victim = next(node for node in cluster.node_ids if node != leader)
    await cluster.kill(victim, signal.SIGTERM)
    await cluster.start_node(victim)
    pid = cluster.node(victim).pid
    damage.flip_a_page(Path(cluster.node(victim).data))
    async with RawClient() as reader:
        with pytest.raises(StreamEndedError):
            await read_through(reader, cluster.node(victim).xmpp, reader_name)
    await wait_repaired(cluster, victim)
    assert cluster.node(victim).pid == pid
    assert is_alive(pid)


async def read_through(reader: RawClient, port: int, username: str) -> None:
    """Log in at a node and read the archive there."""
    await reader.log_in(port, username, PASSWORD)
    await read_archive(reader)
