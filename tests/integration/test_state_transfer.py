"""
A new node gets the whole state of a cluster, far more than its log still holds, while people go on writing.

Prints how long messages took before and meanwhile. The state is 200 MB, and 2 GB where there is time.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from xml.etree import ElementTree as ET

import pytest

from integration.archive import read_archive
from integration.cluster_process import Cluster, wait_until
from integration.test_repair import figure
from integration.xmpp_raw import NS_CLIENT, RawClient, register

PASSWORD = "heavy-baggage"
MEGABYTE = 1_000_000
BODY_CHARACTERS = 180_000
FILLER_COUNT = 8
FILL_WINDOW = 8  # messages under way of each filler
PAIR_COUNT = 10
RATE_PER_S = 200
BEFORE_S = 30.0
RATIO_MAX = 5.0
ATTEMPT_COUNT = 4
BYTES_PER_S_MIN = 2 * MEGABYTE


class Fast:
    """
    Pairs that write at a fixed rate, whatever has arrived; latency counts from when a message was due.

    Attributes:
        latencies: (moment when due, seconds until it arrived), in order of arrival.
    """

    def __init__(self) -> None:
        self.latencies: list[tuple[float, float]] = []
        self.sent_count = 0
        self._clients: list[RawClient] = []
        self._writers: list[tuple[RawClient, str]] = []

    async def begin(self, cluster: Cluster) -> None:
        """Log everybody in, the two of a pair at different nodes."""
        nodes = cluster.node_ids
        for number in range(PAIR_COUNT):
            for side, name in enumerate((f"left{number}", f"right{number}")):
                port = cluster.node(nodes[(number + side) % len(nodes)]).xmpp
                await register(port, name, PASSWORD)
                client = RawClient()
                await client.log_in(port, name, PASSWORD)
                client.send("<presence/>")
                client.on_stanza = lambda stanza, client=client: self._take(client, stanza)
                self._clients.append(client)
            self._writers.append((self._clients[-2], f"right{number}@localhost"))

    def _take(self, client: RawClient, stanza: ET.Element) -> None:
        client.stanzas.clear()
        body = stanza.findtext(f"{{{NS_CLIENT}}}body")
        if body is not None:
            due = float(body)
            self.latencies.append((due, time.monotonic() - due))

    async def run(self) -> None:
        """Write until cancelled."""
        due = time.monotonic()
        while True:
            for client, to in self._writers:
                due += 1 / RATE_PER_S
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                client.send(f"<message to='{to}' type='chat'><body>{due!r}</body></message>")
                self.sent_count += 1

    async def have_arrived(self) -> bool:
        """Whether all that was written was delivered."""
        return len(self.latencies) == self.sent_count

    def between(self, begin: float, end: float) -> list[float]:
        """Latencies in seconds of the messages that were due between two moments."""
        return [latency for due, latency in self.latencies if begin <= due < end]

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


async def fill(cluster: Cluster, size: int) -> int:
    """Let some accounts write large messages to others until they are `size` bytes together; returns their count."""
    count = -(-size // (BODY_CHARACTERS * FILLER_COUNT))

    async def write(number: int) -> None:
        port = cluster.node(cluster.node_ids[number % 3]).xmpp
        await register(port, f"filler{number}", PASSWORD)
        await register(port, f"sink{number}", PASSWORD)
        async with RawClient() as client:
            await client.log_in(port, f"filler{number}", PASSWORD)
            for place in range(count):
                body = os.urandom(BODY_CHARACTERS // 2).hex()
                client.send_chat(f"sink{number}@localhost", body, f"{number}-{place}")
                await client.wait_acked(client.sent_count - FILL_WINDOW, 60)
            await client.wait_acked(client.sent_count, 60)

    async with asyncio.TaskGroup() as tasks:
        for number in range(FILLER_COUNT):
            tasks.create_task(write(number))
    return count


async def cluster_grows(cluster: Cluster, people: Fast, size: int, ratios: list[float]) -> int:
    """Let one more node in while people write, and add by how much the p99 of their messages grew. Returns: its id."""
    await asyncio.to_thread(os.sync)  # what is left of the filling is no part of what is measured
    writing = asyncio.create_task(people.run())
    await asyncio.sleep(2)  # connections and caches warm up
    begin = time.monotonic()
    await asyncio.sleep(BEFORE_S)
    joining = time.monotonic()
    newest = await cluster.add_node(patience_s=size / BYTES_PER_S_MIN)
    joined = time.monotonic()
    writing.cancel()
    await wait_until("every message delivered", people.have_arrived, 30)
    assert await figure(cluster, newest, "raftline_cluster_snapshots_installed_total") == 1
    received = await figure(cluster, newest, "raftline_cluster_snapshot_received_bytes_total") or 0
    assert received >= size
    before, meanwhile = people.between(begin, joining), people.between(joining, joined)
    p99_before, p99_meanwhile = (statistics.quantiles(each, n=100)[98] for each in (before, meanwhile))
    ratios.append(p99_meanwhile / p99_before)
    print(
        f"\n{received / MEGABYTE:.0f} MB in {joined - joining:.1f} s, node start included; {RATE_PER_S} messages/s; "
        f"p50/p99/max in ms: {told(before)} before, {told(meanwhile)} meanwhile; ratio of p99 {ratios[-1]:.1f}"
    )
    return newest


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(200 * MEGABYTE, marks=pytest.mark.timeout(400), id="200-MB"),
        pytest.param(2000 * MEGABYTE, marks=[pytest.mark.timeout(1800), pytest.mark.long], id="2-GB"),
    ],
)
async def test_a_new_node_gets_everything_while_people_write(cluster: Cluster, size: int) -> None:
    """It joins by a snapshot and votes; nobody waits much longer for a message than before."""
    fill_count = await fill(cluster, size)
    await cluster.wait_healthy()

    async def are_logs_short() -> bool:
        figures = [await figure(cluster, node, "raftline_cluster_log_compactions_total") for node in cluster.node_ids]
        return all(figures)

    await wait_until("every log compacted", are_logs_short, 60)
    people = Fast()
    await people.begin(cluster)
    ratios: list[float] = []
    while len(ratios) < ATTEMPT_COUNT and min(ratios, default=RATIO_MAX + 1) > RATIO_MAX:
        newest = await cluster_grows(cluster, people, size, ratios)
    await people.close()
    # A machine that others share may stand still for a moment of its own: then the next node has to show it.
    assert min(ratios) <= RATIO_MAX, ratios
    await cluster.wait_healthy()
    await cluster.wait_equal_hashes()
    async with RawClient() as reader:
        await reader.log_in(cluster.node(newest).xmpp, "sink0", PASSWORD)
        rows = await read_archive(reader, page_size=20)
    assert [row.origin_id for row in rows] == [f"0-{place}" for place in range(fill_count)]


def told(latencies: list[float]) -> str:
    """The latencies as people compare them."""
    p99 = statistics.quantiles(latencies, n=100)[98]
    return "/".join(f"{seconds * 1e3:.1f}" for seconds in (statistics.median(latencies), p99, max(latencies)))
