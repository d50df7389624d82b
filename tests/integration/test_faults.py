"""Faults seen from outside: no quorum, a damaged log, a whole cluster restarted, a cluster of one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from cluster.damage import flip_a_record, flip_the_mark
from integration.archive import check_exactly_once, read_archive
from integration.cluster_process import EXIT_TIMEOUT_S, Cluster
from integration.xmpp_raw import NS_SM, RawClient, register
from raftline.server.failures import ExitCode

pytestmark = pytest.mark.timeout(150)

NO_QUORUM_END_MIN_S = 4.0
NO_QUORUM_END_MAX_S = 9.0


async def test_without_quorum_nothing_is_acknowledged_and_the_stream_ends_clearly(cluster: Cluster) -> None:
    """P6: no answer and no count without a majority, then `resource-constraint`; service returns with a node."""
    await register(cluster.node(1).xmpp, "anna", "secret-1")
    await register(cluster.node(1).xmpp, "bert", "secret-2")
    survivor = 1
    others = [node_id for node_id in cluster.node_ids if node_id != survivor]
    async with RawClient() as anna:
        await anna.log_in(cluster.node(survivor).xmpp, "anna", "secret-1")
        await anna.wait_acked(anna.send_chat("bert@localhost", "before", "before"))
        covered = anna.acked_count
        for node_id in others:
            await cluster.kill(node_id)
        asked_at = time.monotonic()
        anna.send_chat("bert@localhost", "during", "during")
        condition = await anna.wait_end(NO_QUORUM_END_MAX_S + 5)
        lasted_s = time.monotonic() - asked_at
        assert condition == "resource-constraint"
        assert anna.acked_count == covered, "counted a stanza that no majority has"
        assert anna.has_stream_closed, "the socket was closed without closing the stream"
        assert NO_QUORUM_END_MIN_S < lasted_s < NO_QUORUM_END_MAX_S
    assert not await cluster.is_ready(survivor), "a node without quorum calls itself ready"

    await cluster.start_node(others[0])
    await cluster.wait_ready(survivor)
    async with RawClient() as anna:
        await anna.log_in(cluster.node(survivor).xmpp, "anna", "secret-1")
        await anna.wait_acked(anna.send_chat("bert@localhost", "during", "during"))
        await anna.wait_acked(anna.send_chat("bert@localhost", "after", "after"))
        rows = await read_archive(anna)
    assert [row.body for row in rows] == ["before", "during", "after"]
    await cluster.start_node(others[1])
    await cluster.wait_equal_hashes()


async def test_a_request_for_acknowledgement_is_answered_at_once(cluster: Cluster) -> None:
    """An `<r/>` right behind a message is answered at once with the count so far; the covering `<a/>` follows."""
    await register(cluster.node(1).xmpp, "anna", "secret-1")
    counts: list[int] = []
    async with RawClient() as anna:
        anna.on_ack = counts.append
        await anna.log_in(cluster.node(2).xmpp, "anna", "secret-1")
        for number in range(50):
            anna.send_chat("anna@localhost", f"note {number}", f"note-{number}")
        await anna.wait_acked(50)
        anna.write(f"<r xmlns='{NS_SM}'/>")
    assert counts == sorted(counts), "the count went back"
    assert counts[-1] == 50


async def test_a_node_that_cannot_know_its_vote_stops_with_a_plain_message(cluster: Cluster) -> None:
    """Log and mark file both damaged: it might vote twice. The node says so and exits; the others serve on."""
    await register(cluster.node(1).xmpp, "anna", "secret-1")
    async with RawClient() as anna:
        await anna.log_in(cluster.node(1).xmpp, "anna", "secret-1")
        for number in range(200):
            anna.send_chat("anna@localhost", f"a line that fills the log {number}", f"note-{number}")
        await anna.wait_acked(anna.sent_count)
    await cluster.wait_healthy()
    leader = await cluster.leader()
    victim = next(node_id for node_id in cluster.node_ids if node_id != leader)
    await cluster.kill(victim)
    flip_a_record(Path(cluster.node(victim).data))
    flip_the_mark(Path(cluster.node(victim).data))

    process = await cluster.start_node(victim, wait_ready=False)
    code = await asyncio.to_thread(process.wait, EXIT_TIMEOUT_S)
    assert code == ExitCode.STORAGE
    said = max(cluster.log_folder.glob(f"node-{victim}-*.log")).read_text(encoding="utf-8")
    assert "expected term and vote in the mark file or in the log" in said, said
    assert "Traceback" not in said, said

    async with RawClient() as anna:
        await anna.log_in(cluster.node(leader).xmpp, "anna", "secret-1")
        await anna.wait_acked(anna.send_chat("anna@localhost", "still here", "still-here"))


async def test_a_whole_cluster_restarted_keeps_everything(cluster: Cluster) -> None:
    """All processes ended in order, then started: accounts, archives and positions are as before."""
    await register(cluster.node(1).xmpp, "anna", "secret-1")
    origin_ids = [f"note-{number}" for number in range(30)]
    async with RawClient() as anna:
        await anna.log_in(cluster.node(1).xmpp, "anna", "secret-1")
        for origin_id in origin_ids:
            anna.send_chat("anna@localhost", origin_id, origin_id)
        await anna.wait_acked(anna.sent_count)
        before = await read_archive(anna)
    await cluster.stop()
    await cluster.start()
    async with RawClient() as anna:
        await anna.log_in(cluster.node(2).xmpp, "anna", "secret-1")
        after = await read_archive(anna)
    assert after == before
    check_exactly_once(after, origin_ids, "anna after the restart")
    await cluster.wait_equal_hashes()


async def test_a_whole_cluster_killed_keeps_what_it_acknowledged(cluster: Cluster) -> None:
    """SIGKILL to every node at once: what was acknowledged is on disk (P1)."""
    await register(cluster.node(1).xmpp, "anna", "secret-1")
    async with RawClient() as anna:
        await anna.log_in(cluster.node(3).xmpp, "anna", "secret-1")
        for number in range(100):
            anna.send_chat("anna@localhost", f"note {number}", f"note-{number}")
        await anna.wait_acked(40)
        await asyncio.gather(*(cluster.kill(node_id) for node_id in cluster.node_ids))
        await anna.wait_end(5)
        acknowledged = [f"note-{number}" for number in range(anna.acked_count)]
    await cluster.stop()
    await cluster.start()
    async with RawClient() as anna:
        await anna.log_in(cluster.node(1).xmpp, "anna", "secret-1")
        rows = await read_archive(anna)
    check_exactly_once(rows, acknowledged, "anna after the crash")
    assert [row.origin_id for row in rows] == [f"note-{number}" for number in range(len(rows))]


async def test_a_cluster_of_one_node_works(cluster_folder: Path) -> None:
    """A single node acknowledges what it has on its own disk, and has it after a SIGKILL."""
    async with Cluster(cluster_folder, node_count=1) as single:
        await register(single.node(1).xmpp, "anna", "secret-1")
        async with RawClient() as anna:
            await anna.log_in(single.node(1).xmpp, "anna", "secret-1")
            await anna.wait_acked(anna.send_chat("anna@localhost", "alone", "alone"))
        await single.kill(1)
        await single.start_node(1)
        async with RawClient() as anna:
            await anna.log_in(single.node(1).xmpp, "anna", "secret-1")
            assert [row.body for row in await read_archive(anna)] == ["alone"]
        status = await single.status()
        assert status["leader"] == 1
        assert len(status["nodes"]) == 1
