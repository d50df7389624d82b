"""
A cluster is upgraded while people write to each other: every node is restarted, one after the other.

It begins on the data of the first release, and with processes that understand what that release did and nothing more.
Nothing that was acknowledged is missing, doubled or out of order anywhere, no request fails but one that is tried
again, and what the later release can do beyond counts when the last node runs it, no sooner.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.released import NODE_IDS, RELEASES, move
from integration.archive import read_archive
from integration.cluster_process import Cluster, wait_until
from integration.test_formats import check_archives as check_old_archives
from integration.test_formats import machine_version, wait_upgraded
from integration.test_membership import (
    PAIRS,
    PASSWORD,
    SETTLE_TIMEOUT_S,
    Guest,
    all_acknowledged,
    check_archives,
    write_without_pause,
)
from integration.test_repair import figure
from integration.xmpp_raw import RawClient, register
from raftline.server.cluster_file import write_cluster_file
from raftline.server.development_layout import lay_out, settle_parameters

pytestmark = pytest.mark.timeout(400)

FIRST = RELEASES[0]
BETWEEN_COUNT = 15  # messages of each user between two restarts: longer than the leader takes to look at its duties
OLD_VERSION = 1
OLD_RELEASE = f"""
from raftline.machine import versions
versions.VERSION_MAX = {OLD_VERSION}
from raftline.cli.main import main
main()
"""


class OldCluster(Cluster):
    """Nodes on the data of the first release, by a program that understands no later version of the state machine."""

    version = OLD_VERSION

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, data=FIRST.unpack(folder))
        move(self.data, self.base_port)

    async def start(self) -> None:
        """Start each node by itself, as `raftline up` would."""
        parameters = settle_parameters(self.data, None, None, None)
        layout = lay_out(self.data, parameters, open_registration=True, allow_plaintext=True)
        write_cluster_file(self.data, layout.content)
        processes = {node_id: self._spawn_old(node_id) for node_id in NODE_IDS}
        for node_id, process in processes.items():
            await self.wait_ready(node_id, process)

    def _spawn_old(self, node_id: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", OLD_RELEASE, "node", "start", str(node_id), "--data", str(self.data)]
        with (self.log_folder / f"old-{node_id}.log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self._processes.append(process)
        return process


async def versions(cluster: Cluster) -> set[int]:
    """The versions of the state machine that count anywhere."""
    return {await machine_version(cluster, node_id) for node_id in cluster.node_ids}


async def write_on(guests: list[Guest]) -> None:
    """Wait until everybody has had some more messages acknowledged."""
    due = {guest.username: len(guest.acknowledged) + BETWEEN_COUNT for guest in guests}

    async def is_done() -> bool:
        return all(len(guest.acknowledged) >= due[guest.username] for guest in guests)

    await wait_until("everybody to write on", is_done, SETTLE_TIMEOUT_S)


async def drain(cluster: Cluster, node_id: int) -> None:
    """`cluster drain`, and wait until the node has no client and does not lead."""
    done = await cluster.command("cluster", "drain", str(node_id), "--data", str(cluster.data))
    assert done.returncode == 0, done.stderr

    async def is_drained() -> bool:
        connections = await figure(cluster, node_id, "raftline_gateway_connections")
        return connections == 0 and await cluster.leader() != node_id

    await wait_until(f"node {node_id} to serve nobody", is_drained, SETTLE_TIMEOUT_S)


async def restart(cluster: Cluster, node_id: int, guests: list[Guest]) -> None:
    """SIGTERM, a new process on the same data, and everybody writes on."""
    await cluster.kill(node_id, signal.SIGTERM)
    await cluster.start_node(node_id)
    await cluster.wait_healthy()
    await write_on(guests)


async def upgrade_every_node(cluster: Cluster, guests: list[Guest]) -> None:
    """Drained first, as an operator does it, and the leader last: the later version counts when that one is back."""
    leader = await cluster.leader()
    for node_id in [*(node_id for node_id in NODE_IDS if node_id != leader), leader]:
        assert await versions(cluster) == {OLD_VERSION}
        await drain(cluster, node_id)
        await restart(cluster, node_id, guests)
    await wait_upgraded(cluster)


async def restart_every_node(cluster: Cluster, guests: list[Guest]) -> None:
    """Without a warning, and the leader first."""
    leader = await cluster.leader()
    for node_id in [leader, *(node_id for node_id in NODE_IDS if node_id != leader)]:
        await restart(cluster, node_id, guests)


async def add_accounts(cluster: Cluster, added: list[str], enough: asyncio.Event) -> None:
    """An administrator's changes, one after the other: each is made, if need be by the next node, and once."""
    while not enough.is_set():
        name = f"guest-{len(added)}"
        arguments = ("user", "add", name, "--password-stdin", "--data", str(cluster.data))
        done = await cluster.command(*arguments, stdin=PASSWORD)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        added.append(name)


async def check_accounts(cluster: Cluster, added: list[str]) -> None:
    """Every account that was added is there, and nobody else."""
    done = await cluster.command("user", "list", "--data", str(cluster.data))
    listed = [word.removesuffix("@localhost") for word in done.stdout.split() if word.endswith("@localhost")]
    assert sorted(listed) == sorted({*added, *(name for pair in PAIRS for name in pair)})


async def everything_shown(guests: list[Guest]) -> bool:
    """Whether everybody has seen each message of the partner; old ones that waited do not make up for it."""
    by_jid = {f"{guest.username}@localhost": guest for guest in guests}
    return all(
        {origin_id.replace("-", " says ") for origin_id in by_jid[guest.partner].numbers} <= set(guest.shown.values())
        for guest in guests
    )


async def check_old_messages(cluster: Cluster) -> None:
    """What was there before the upgrade is still the beginning of both archives, through every node."""
    for username in PAIRS[0]:
        for node_id in NODE_IDS:
            async with RawClient() as reader:
                await reader.log_in(cluster.node(node_id).xmpp, username, PASSWORD)
                rows = await read_archive(reader)
            assert [row.origin_id for row in rows[: len(FIRST.origin_ids)]] == FIRST.origin_ids


async def make_guests(cluster: Cluster) -> list[Guest]:
    """Three pairs, of which the first had accounts in the old data already."""
    names = [name for pair in PAIRS for name in pair]
    partners = {left: right for pair in PAIRS for left, right in (pair, pair[::-1])}
    for name in names[2:]:
        await register(cluster.node(1).xmpp, name, PASSWORD)
    for name in names[:2]:
        done = await cluster.command(
            "user", "passwd", name, "--password-stdin", "--data", str(cluster.data), stdin=PASSWORD
        )
        assert done.returncode == 0, done.stderr
    return [Guest(cluster, name, partners[name], place) for place, name in enumerate(names)]


async def test_every_node_is_restarted_and_nobody_notices(cluster_folder: Path) -> None:
    """P1, P2, P5 through an upgrade with the leader last, and a rolling restart with the leader first."""
    added: list[str] = []
    enough = asyncio.Event()
    async with OldCluster(cluster_folder) as cluster:
        await check_old_archives(cluster, FIRST, [])
        guests = await make_guests(cluster)
        async with asyncio.TaskGroup() as tasks:
            lives = [tasks.create_task(guest.run()) for guest in guests]
            writer = tasks.create_task(write_without_pause(guests))
            asker = tasks.create_task(add_accounts(cluster, added, enough))
            await write_on(guests)
            await upgrade_every_node(cluster, guests)
            await restart_every_node(cluster, guests)
            writer.cancel()
            enough.set()
            await asker
            await wait_until("every message acknowledged", lambda: all_acknowledged(guests), SETTLE_TIMEOUT_S)
            await wait_until("every message shown", lambda: everything_shown(guests), SETTLE_TIMEOUT_S)
            for guest in guests:
                await guest.close()
            await asyncio.gather(*lives)
        assert not [error for guest in guests for error in guest.errors]
        assert all(guest.move_count >= 2 for guest in guests), "nobody had to move: the restarts showed nothing"
        await cluster.wait_equal_hashes()
        await check_archives(cluster, guests)
        await check_old_messages(cluster)
        await check_accounts(cluster, added)
        assert "repaired from the peers" not in cluster.log_tail(1000)
    print(
        f"\n{2 * len(NODE_IDS)} restarts; messages acknowledged: {sum(len(guest.acknowledged) for guest in guests)}, "
        f"sent again: {sum(guest.resend_count for guest in guests)}, shown again under the same id: "
        f"{sum(guest.repeat_count for guest in guests)}, moves to another node: "
        f"{sum(guest.move_count for guest in guests)}, accounts added: {len(added)}"
    )
