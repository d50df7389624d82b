"""
Twenty SIGKILLs of the leader under load: the promises P1, P2, P3 and P5 on every node.

Six slixmpp users on all nodes write to each other without pause; one whose node died goes to another and resends, under
the same origin-id, what was not acknowledged. Two more users, on raw sockets, each keep one session all along, which is
resumed on another node every time (the library's clients log in anew). Around each kill two probes on the
surviving nodes send small messages every few milliseconds; the time to the next commit is from the SIGKILL to the first
acknowledgement of a probe message that was sent after it. Each killed node is restarted and the cluster is whole again
before the next kill.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from integration.archive import ArchiveRow, check_exactly_once, check_order, check_received, read_archive
from integration.cluster_process import Cluster, wait_until
from integration.resumer import ResumingChatter
from integration.xmpp_client import Chatter
from integration.xmpp_raw import RawClient, register

KILL_COUNT = 20
WRITE_INTERVAL_S = 0.1  # per user
PROBE_LINE_BYTES_MAX = 16 << 20
COMMIT_GAP_MAX_S = 5.0
SETTLE_TIMEOUT_S = 40.0
PASSWORD = "through-the-fire"
PAIRS = (("anna", "bert"), ("carla", "dirk"), ("emma", "finn"))
RESUMING_PAIR = ("gina", "hugo")


class Probe:
    """One `commit_probe` process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, port: int, username: str, run_name: str) -> Probe:
        """Start a probe and wait until acknowledgements flow."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "integration.commit_probe", str(port), username, PASSWORD, run_name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=PROBE_LINE_BYTES_MAX,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )
        probe = cls(process)
        assert await probe._read("warm") == ""
        return probe

    async def commit_after(self, killed_at: float) -> float:
        """When a message that was sent after the kill was acknowledged (monotonic seconds)."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"killed {killed_at!r}\n".encode())
        return float(await self._read("commit"))

    async def finish(self) -> list[str]:
        """End the probe; returns the origin-ids of its acknowledged messages."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        acknowledged = (await self._read("acknowledged")).split()
        assert await self._process.wait() == 0
        return acknowledged

    async def end(self) -> None:
        """End the process if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _read(self, word: str) -> str:
        assert self._process.stdout is not None
        line = (await asyncio.wait_for(self._process.stdout.readline(), SETTLE_TIMEOUT_S)).decode()
        assert line.startswith(word), f"the probe said {line!r} and not {word!r}"
        return line.removeprefix(word).strip()


@pytest.mark.timeout(540)
async def test_twenty_leader_kills_lose_double_and_reorder_nothing(cluster: Cluster) -> None:
    """P1, P2, P3 and P5 hold on all three nodes after twenty SIGKILLs of the leader under load."""
    usernames = [name for pair in PAIRS for name in pair]
    for name in (*usernames, *RESUMING_PAIR, "probe-1", "probe-2", "sink"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    partners = {left: right for pair in PAIRS for left, right in (pair, pair[::-1])}
    chatters: list[Chatter | ResumingChatter] = [
        Chatter(cluster, name, PASSWORD, f"{partners[name]}@localhost", node_id=place % cluster.node_count + 1)
        for place, name in enumerate(usernames)
    ]
    for name, partner in (RESUMING_PAIR, RESUMING_PAIR[::-1]):
        chatters.append(ResumingChatter(name, PASSWORD, f"{partner}@localhost", lambda: ports_of(cluster)))
    probed: list[str] = []
    gaps_s = []
    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(chatter.run()) for chatter in chatters]
        writer = tasks.create_task(write_without_pause(chatters))
        for kill_number in range(KILL_COUNT):
            gap_s, acknowledged = await kill_leader_and_measure(cluster, kill_number)
            gaps_s.append(gap_s)
            probed.extend(acknowledged)
        writer.cancel()
        await wait_until("every message acknowledged", all_acknowledged(chatters), SETTLE_TIMEOUT_S)
        await wait_until("every message shown", all_shown(chatters), SETTLE_TIMEOUT_S)
        for chatter in chatters:
            await chatter.close()
        await asyncio.gather(*lives)

    report(gaps_s, chatters, probed)
    await cluster.wait_equal_hashes()
    await check_archives(cluster, chatters, probed)
    assert max(gaps_s) < COMMIT_GAP_MAX_S


def ports_of(cluster: Cluster) -> list[int]:
    """The XMPP ports of all nodes."""
    return [cluster.node(node_id).xmpp for node_id in cluster.node_ids]


async def write_without_pause(chatters: list[Chatter | ResumingChatter]) -> None:
    """Every user writes at a steady pace, whatever happens to the nodes."""
    while True:
        for chatter in chatters:
            chatter.write()
            await asyncio.sleep(WRITE_INTERVAL_S / len(chatters))


async def kill_leader_and_measure(cluster: Cluster, kill_number: int) -> tuple[float, list[str]]:
    """
    Kill the leader, wait for the next commit, bring the node back.

    Returns:
        Seconds from the SIGKILL to the next commit seen on a surviving node, and the acknowledged probe messages.
    """
    leader = await cluster.leader()
    survivors = [node_id for node_id in cluster.node_ids if node_id != leader]
    probes: list[Probe] = []
    try:
        for place, node_id in enumerate(survivors, start=1):
            probes.append(await Probe.start(cluster.node(node_id).xmpp, f"probe-{place}", str(kill_number)))
        killed_at = await cluster.kill(leader)
        committed_at = min(await asyncio.gather(*(probe.commit_after(killed_at) for probe in probes)))
        acknowledged = [origin_id for probe in probes for origin_id in await probe.finish()]
    finally:
        for probe in probes:
            await probe.end()
    await cluster.start_node(leader)
    await cluster.wait_healthy()
    return committed_at - killed_at, acknowledged


def all_acknowledged(chatters: list[Chatter | ResumingChatter]):
    """Probe: nobody waits for an acknowledgement."""

    async def probe() -> bool:
        return all(chatter.unacknowledged_count == 0 for chatter in chatters)

    return probe


def all_shown(chatters: list[Chatter | ResumingChatter]):
    """Probe: each user has been shown all that the partner wrote."""

    async def probe() -> bool:
        return all(
            len(set(chatter.shown.values())) >= len(partner.numbers)
            for chatter in chatters
            for partner in chatters
            if partner.jid.partition("/")[0] == chatter.partner
        )

    return probe


async def check_archives(cluster: Cluster, chatters: list[Chatter | ResumingChatter], probed: list[str]) -> None:
    """Read every archive through every node and hold it against what the clients saw."""
    by_jid = {chatter.jid.partition("/")[0]: chatter for chatter in chatters}
    for chatter in chatters:
        partner = by_jid[chatter.partner]
        numbers = {**chatter.numbers, **partner.numbers}
        seen_before: list[ArchiveRow] | None = None
        for node_id in cluster.node_ids:
            where = f"{chatter.username} through node {node_id}"
            rows = await archive_of(cluster, chatter.username, node_id)
            check_exactly_once(rows, chatter.acknowledged | partner.acknowledged, where)
            check_order(rows, numbers, where)
            check_received(rows, chatter.shown, where)
            assert seen_before in (None, rows), f"{where}: another archive than through the node before"
            seen_before = rows
    for node_id in cluster.node_ids:
        check_exactly_once(await archive_of(cluster, "sink", node_id), probed, f"sink through node {node_id}")


async def archive_of(cluster: Cluster, username: str, node_id: int) -> list[ArchiveRow]:
    """A user's whole archive through one node."""
    async with RawClient() as reader:
        await reader.log_in(cluster.node(node_id).xmpp, username, PASSWORD)
        return await read_archive(reader)


def report(gaps_s: list[float], chatters: list[Chatter | ResumingChatter], probed: list[str]) -> None:
    """Print what was measured."""
    gaps_ms = sorted(round(gap * 1000, 1) for gap in gaps_s)
    print(
        f"\nSIGKILL of the leader to the next commit, {len(gaps_ms)} kills: "
        f"min {gaps_ms[0]} ms, median {statistics.median(gaps_ms):.1f} ms, max {gaps_ms[-1]} ms"
    )
    print(f"all gaps (ms): {gaps_ms}")
    print(
        f"chat messages acknowledged: {sum(len(chatter.acknowledged) for chatter in chatters)}, "
        f"shown: {sum(len(chatter.shown) for chatter in chatters)}, "
        f"shown again under the same id: {sum(chatter.repeat_count for chatter in chatters)}, "
        f"moves to another node: {sum(chatter.move_count for chatter in chatters)}, "
        f"probe messages acknowledged: {len(probed)}"
    )
