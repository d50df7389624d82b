"""
Three nodes that become five, have one replaced and become three again, while people write to each other.

Every user keeps one session all along, resumed elsewhere when its node goes (XEP-0198). Nothing that was acknowledged
is missing, doubled or out of order on any node that is left, and no request fails but one that is tried again.
"""

from __future__ import annotations

import asyncio
import signal
from xml.etree import ElementTree as ET

import pytest

from integration.archive import ArchiveRow, check_exactly_once, check_order, check_received, read_archive
from integration.cluster_process import Cluster, wait_until
from integration.resumer import ResumingChatter
from integration.xmpp_raw import RawClient, register

pytestmark = pytest.mark.timeout(400)

PASSWORD = "while-it-moves"
PAIRS = (("anna", "bert"), ("carla", "dirk"), ("emma", "finn"))
WRITE_INTERVAL_S = 0.1  # per user
SETTLE_TIMEOUT_S = 40.0


class Guest(ResumingChatter):
    """A user who notes every error that the servers answer with."""

    def __init__(self, cluster: Cluster, username: str, partner: str, place: int) -> None:
        super().__init__(username, PASSWORD, f"{partner}@localhost", lambda: self._ports_from(cluster, place))
        self.errors: list[str] = []
        take = self.on_stanza

        def take_or_note(stanza: ET.Element) -> None:
            if stanza.get("type") == "error":
                self.errors.append(ET.tostring(stanza, encoding="unicode"))
            take(stanza)

        self.on_stanza = take_or_note

    @staticmethod
    def _ports_from(cluster: Cluster, place: int) -> list[int]:
        """The XMPP ports of all nodes there are now, each user's in another order."""
        ports = [cluster.node(node_id).xmpp for node_id in cluster.node_ids]
        turn = place % len(ports)
        return ports[turn:] + ports[:turn]


async def write_without_pause(guests: list[Guest]) -> None:
    """Every user writes at a steady pace, whatever happens to the nodes."""
    while True:
        for guest in guests:
            guest.write()
            await asyncio.sleep(WRITE_INTERVAL_S / len(guests))


async def ask_without_pause(cluster: Cluster, counts: list[int]) -> None:
    """An administrator's requests: each succeeds, if need be at the next node (the command tries them in turn)."""
    while True:
        done = await cluster.command("user", "list", "--data", str(cluster.data))
        assert done.returncode == 0, done.stderr
        counts.append(done.stdout.count("\n"))


async def test_a_cluster_grows_has_a_node_replaced_and_shrinks(cluster: Cluster) -> None:
    """P1, P2 and P5 on all nodes that are left; 3, 4, 5, 5 with another one, 4, 3."""
    names = [name for pair in PAIRS for name in pair]
    for name in names:
        await register(cluster.node(1).xmpp, name, PASSWORD)
    partners = {left: right for pair in PAIRS for left, right in (pair, pair[::-1])}
    guests = [Guest(cluster, name, partners[name], place) for place, name in enumerate(names)]
    asked: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(guest.run()) for guest in guests]
        writer = tasks.create_task(write_without_pause(guests))
        asker = tasks.create_task(ask_without_pause(cluster, asked))
        for expected in ([1, 2, 3, 4], [1, 2, 3, 4, 5]):
            await cluster.add_node()
            assert cluster.node_ids == expected
            await cluster.wait_healthy()
        leader = await cluster.leader()
        newest = await cluster.add_node(replaces=leader)
        assert leader not in cluster.node_ids
        assert newest == 6
        await cluster.wait_healthy()
        for _ in range(2):
            victim = min(node_id for node_id in cluster.node_ids if node_id not in {4, 6})
            done = await cluster.command("cluster", "remove", str(victim), "--data", str(cluster.data))
            assert done.returncode == 0, done.stderr
            await cluster.wait_healthy()
        assert len(cluster.node_ids) == 3
        writer.cancel()
        asker.cancel()
        await wait_until("every message acknowledged", lambda: all_acknowledged(guests), SETTLE_TIMEOUT_S)
        await wait_until("every message shown", lambda: all_shown(guests), SETTLE_TIMEOUT_S)
        for guest in guests:
            await guest.close()
        await asyncio.gather(*lives)
    assert len(asked) > 10
    assert set(asked) == {max(asked)}, "an account was missing for a moment"
    assert not [error for guest in guests for error in guest.errors]
    await cluster.wait_equal_hashes()
    await check_archives(cluster, guests)
    acknowledged = sum(len(guest.acknowledged) for guest in guests)
    print(
        f"\nnodes {cluster.node_ids} are left; messages acknowledged: {acknowledged}, "
        f"shown again under the same id: {sum(guest.repeat_count for guest in guests)}, sent again: "
        f"{sum(guest.resend_count for guest in guests)}, moves to another node: "
        f"{sum(guest.move_count for guest in guests)}, administrator's requests: {len(asked)}"
    )


async def all_acknowledged(guests: list[Guest]) -> bool:
    """Nobody waits for an acknowledgement."""
    return all(guest.unacknowledged_count == 0 for guest in guests)


async def all_shown(guests: list[Guest]) -> bool:
    """Each user has been shown all that the partner wrote."""
    by_jid = {f"{guest.username}@localhost": guest for guest in guests}
    return all(len(guest.shown) >= len(by_jid[guest.partner].numbers) for guest in guests)


async def check_archives(cluster: Cluster, guests: list[Guest]) -> None:
    """Read every archive through every node that is left."""
    by_jid = {f"{guest.username}@localhost": guest for guest in guests}
    for guest in guests:
        partner = by_jid[guest.partner]
        before: list[ArchiveRow] | None = None
        for node_id in cluster.node_ids:
            where = f"{guest.username} through node {node_id}"
            async with RawClient() as reader:
                await reader.log_in(cluster.node(node_id).xmpp, guest.username, PASSWORD)
                rows = await read_archive(reader)
            check_exactly_once(rows, guest.acknowledged | partner.acknowledged, where)
            check_order(rows, {**guest.numbers, **partner.numbers}, where)
            check_received(rows, guest.shown, where)
            assert before in (None, rows), f"{where}: another archive than through the node before"
            before = rows


async def test_a_node_that_lost_its_disk_is_refused_and_replaced(cluster: Cluster) -> None:
    """D14: it does not start on an empty directory, and founding it anew does not help; replacing it does."""
    await register(cluster.node(1).xmpp, "anna", PASSWORD)
    await cluster.wait_healthy()
    leader = await cluster.leader()
    lost = next(node_id for node_id in cluster.node_ids if node_id != leader)
    await cluster.kill(lost)
    data = cluster.data / f"node{lost}" / "data"
    data.rename(data.with_name("lost"))
    done = await cluster.command("node", "start", str(lost), "--data", str(cluster.data))
    assert done.returncode == 1
    assert f"raftline cluster replace {lost}" in done.stderr
    settings = cluster.data / f"node{lost}" / "node.toml"
    done = await cluster.command("node", "init", "--config", str(settings))
    assert done.returncode == 0, done.stderr
    process = await cluster.start_node(lost, wait_ready=False)

    async def is_told() -> bool:
        return "has lost its data" in cluster.log_tail(400)

    await wait_until("the node to be told", is_told, SETTLE_TIMEOUT_S)
    assert not await cluster.is_ready(lost)
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    node_id = await cluster.add_node(replaces=lost)
    await cluster.wait_healthy()
    assert cluster.node_ids == sorted({1, 2, 3, node_id} - {lost})
    done = await cluster.command("node", "init", "--config", str(settings))
    assert done.returncode == 1
    assert "stays as it is" in done.stderr
    async with RawClient() as anna:
        await anna.log_in(cluster.node(node_id).xmpp, "anna", PASSWORD)


async def test_a_drained_node_serves_nobody(cluster: Cluster) -> None:
    """Its clients go on elsewhere, it does not lead; undone, it serves again."""
    for name in ("anna", "bert"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    leader = await cluster.leader()
    anna = Guest(cluster, "anna", "bert", cluster.node_ids.index(leader))
    life = asyncio.create_task(anna.run())

    async def is_there() -> bool:
        return bool(anna.jid)

    await wait_until("anna to be there", is_there, SETTLE_TIMEOUT_S)
    done = await cluster.command("cluster", "drain", str(leader), "--data", str(cluster.data))
    assert done.returncode == 0, done.stderr

    async def has_moved() -> bool:
        return anna.move_count > 0 and not anna.stream.is_over and await cluster.leader() != leader

    await wait_until("anna and the leadership to move", has_moved, SETTLE_TIMEOUT_S)
    assert not await cluster.is_ready(leader)
    anna.write()
    await wait_until("her message to be acknowledged", anna.is_acknowledged, SETTLE_TIMEOUT_S)
    done = await cluster.command("cluster", "drain", str(leader), "--undo", "--data", str(cluster.data))
    assert done.returncode == 0, done.stderr

    async def is_back() -> bool:
        return await cluster.is_ready(leader)

    await wait_until("the node to be ready again", is_back, SETTLE_TIMEOUT_S)
    async with RawClient() as bert:
        await bert.log_in(cluster.node(leader).xmpp, "bert", PASSWORD)
    await anna.close()
    await life
