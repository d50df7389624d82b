"""What nodes tell to whoever watches the cluster: latencies, elections, figures of all, gathered by any of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest_asyncio

from cluster.clusters import Cluster, until
from cluster.test_frames import READING
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.frames import StatusReply, StatusRequest
from raftline.cluster.observer import CHANGE_COUNT_MAX, time_line
from raftline.cluster.reading import LEADS, LOST, STANDS, EdgeFigures, LeadershipChange, Reading
from raftline.machine.commands import CreateAccount


def change(time_ms: int, term: int, kind: str, node_id: int) -> LeadershipChange:
    """A change as a node notes it."""
    return LeadershipChange(time_ms, Term(term), kind, NodeId(node_id))


def telling(*changes: LeadershipChange) -> Reading:
    """A node that saw this."""
    return msgspec.structs.replace(READING, changes=changes)


class TestTimeLine:
    """Elections, as all nodes remember them."""

    def test_what_several_saw_is_told_once(self) -> None:
        """As the first of them saw it, in the order of terms, whatever the clocks say."""
        one = telling(change(10, 1, LEADS, 1), change(90, 1, LOST, 1), change(95, 3, LEADS, 2))
        two = telling(
            change(12, 1, LEADS, 1), change(80, 2, STANDS, 2), change(70, 3, STANDS, 2), change(71, 3, LEADS, 2)
        )
        assert time_line([one, two]) == [
            change(10, 1, LEADS, 1),
            change(90, 1, LOST, 1),
            change(80, 2, STANDS, 2),
            change(70, 3, STANDS, 2),
            change(71, 3, LEADS, 2),
        ]

    def test_it_has_a_bound(self) -> None:
        """The oldest are left out."""
        found = time_line([telling(*(change(term, term, LEADS, 1) for term in range(1, CHANGE_COUNT_MAX + 2)))])
        assert len(found) == CHANGE_COUNT_MAX
        assert found[0].term == 2


class TestReleases:
    """Nodes of an earlier release neither ask for readings nor tell them."""

    def test_the_fields_are_optional_at_the_end(self) -> None:
        """What an earlier release says is understood, and it understands what is said to it."""
        early_request = msgspec.msgpack.encode([4, 0, 0])
        assert not msgspec.msgpack.decode(early_request, type=StatusRequest).wants_reading
        early_reply = msgspec.msgpack.encode([4, "follower", 1, None, 0, 0, {}, None, 7])
        assert msgspec.msgpack.decode(early_reply, type=StatusReply).reading is None
        request = StatusRequest(4, LogIndex(0), wants_reading=True)
        reply = StatusReply(4, "follower", Term(1), None, LogIndex(0), LogIndex(0), {}, None, 7, READING)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(request))[:3] == [4, 0, 0]
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(reply))[:9] == [4, "follower", 1, None, 0, 0, {}, None, 7]


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes with a leader."""
    nodes = Cluster(tmp_path, 3)
    try:
        await nodes.start()
        yield nodes
    finally:
        await nodes.stop()


class TestGathering:
    """Any node asks all of them."""

    async def test_each_node_tells_its_figures(self, cluster: Cluster) -> None:
        """What the edges know included; latencies of the node that proposed, at that node alone."""
        cluster[2].running.observer.edges = lambda: EdgeFigures(5, 6)
        await cluster[3].node.execute(CreateAccount("anna", ()), key=os.urandom(16))
        await cluster.caught_up()
        applied = cluster[1].running.machine.applied_index
        status, readings = await cluster[1].running.survey.gather()
        assert [node.node_id for node in status.nodes] == [1, 2, 3]
        assert status.leader_id == cluster.leader.config.node_id
        assert set(readings) == {1, 2, 3}
        assert readings[NodeId(2)].edges == EdgeFigures(5, 6)
        assert sum(readings[NodeId(3)].latencies) >= 1
        for node_id, reading in readings.items():
            raft = cluster[node_id].running.raft
            # The log may have gone on since: nodes agree on the version of the state machine when they have time.
            assert reading.term == raft.term
            assert applied <= reading.last_index <= raft.last_index
            assert reading.sync_count > 0
            assert reading.disk_state == 0
        assert (LEADS, status.leader_id) in {(each.kind, each.node_id) for each in time_line(readings.values())}

    async def test_the_loss_of_a_leader_is_remembered(self, cluster: Cluster) -> None:
        """By those who are left: lost, somebody stood, leads; and the dead one is told as unreachable."""
        lost = cluster.leader.config.node_id
        term = cluster.leader.running.raft.term
        await cluster[lost].stop()
        left = [node for node in cluster.nodes.values() if node.driver is not None]
        await until(lambda: left[0].running.leader_id not in {None, lost})
        new = left[0].running.leader_id
        status, readings = await left[0].running.survey.gather()
        told = {(each.kind, each.node_id) for each in time_line(readings.values()) if each.term >= term}
        assert {(LOST, lost), (STANDS, new), (LEADS, new)} <= told
        assert lost not in readings
        assert {node.node_id: node.role for node in status.nodes}[lost] == "unknown"

    async def test_a_drained_node_says_so(self, cluster: Cluster) -> None:
        """To whoever asks."""
        follower = next(node for node in cluster.nodes.values() if node is not cluster.leader)
        follower.running.draining.drain(is_drained=True)
        _, readings = await cluster.leader.running.survey.gather()
        assert [node_id for node_id, reading in readings.items() if reading.is_drained] == [follower.config.node_id]
