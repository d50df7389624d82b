"""Known mistakes of other implementations about reads, each told message by message. Letters name their class."""

from __future__ import annotations

import pytest

from raft.simulation.script import MILLISECOND_NS, Scripted, ScriptedCluster, append, leading, stored
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import (
    Heartbeat,
    HeartbeatReply,
    ReadIndexReply,
    ReadIndexRequest,
)


class TestReads:
    def test_s1_new_leader_answers_no_read_before_its_own_entry_commits(self) -> None:
        """S1: a read at a new leader waits until an entry of its term is committed, and covers it."""
        node = leading(3, terms=(1, 1))
        node.raft.read_index(5, node.now_ns)
        node.drain()
        node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(2), 1, LogIndex(0), LogIndex(0)))
        assert node.reads == []
        node.step(stored(2, 2, 3))
        beats = node.take(Heartbeat)
        assert node.reads == []
        node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(2), beats[-1].round, LogIndex(3), LogIndex(3)))
        assert node.reads == [(5, 3)]

    def test_read_needs_a_round_begun_after_it(self) -> None:
        """An answer to a heartbeat sent before the read arrived confirms nothing."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        node.tick()
        early = node.take(Heartbeat)[-1]
        node.raft.read_index(1, node.now_ns)
        node.drain()
        node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(1), early.round, LogIndex(1), LogIndex(1)))
        assert node.reads == []
        late = node.take(Heartbeat)[-1]
        node.step(HeartbeatReply(NodeId(3), NodeId(1), Term(1), late.round, LogIndex(1), LogIndex(1)))
        assert node.reads == [(1, 1)]

    def test_reads_share_rounds(self) -> None:
        """All reads that arrive while a round is under way share the next one."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        node.take(Heartbeat)
        for request_id in range(50):
            node.raft.read_index(request_id, node.now_ns)
            node.drain()
        first = node.take(Heartbeat)
        assert len(first) == 2
        node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(1), first[0].round, LogIndex(1), LogIndex(1)))
        second = node.take(Heartbeat)
        assert len(second) == 2
        node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(1), second[0].round, LogIndex(1), LogIndex(1)))
        assert [request_id for request_id, _ in node.reads] == list(range(50))

    def test_s2_late_answer_of_an_earlier_life_confirms_nothing(self) -> None:
        """S2: after a restart, an answer to a request of the life before fits no request."""
        node = Scripted()
        lives = []
        for _ in range(2):
            node.step(append(1, 0, 0, (1,), commit=1))
            node.raft.read_index(1, node.now_ns)
            node.drain()
            (request,) = node.take(ReadIndexRequest)
            lives.append(request.context)
            node.sync()
            if len(lives) == 1:
                node.restart()
        node.step(ReadIndexReply(NodeId(2), NodeId(1), Term(1), lives[0], LogIndex(0)))
        assert node.reads == []
        node.step(ReadIndexReply(NodeId(2), NodeId(1), Term(1), lives[1], LogIndex(1)))
        assert node.reads == [(1, 1)]
        node.step(ReadIndexReply(NodeId(2), NodeId(1), Term(1), lives[1], LogIndex(1)))
        assert node.reads == [(1, 1)]

    def test_reads_fail_when_the_leader_is_gone(self) -> None:
        """Reads without a leader, and reads whose leader's link dropped or whose term ended, are reported."""
        node = Scripted()
        node.raft.read_index(1, 0)
        node.drain()
        node.step(append(1, 0, 0, (1,)))
        node.raft.read_index(2, 0)
        node.drain()
        node.raft.peer_disconnected(NodeId(2), 0)
        node.drain()
        node.step(append(1, 1, 1, (1,)))
        node.raft.read_index(3, 0)
        node.step(Heartbeat(NodeId(3), NodeId(1), Term(2), 1, LogIndex(0)))
        assert node.reads_failed == [1, 2, 3]
        assert node.reads == []

    def test_reads_fail_when_leadership_ends(self) -> None:
        """A leader that steps down fails its own reads and tells followers about theirs."""
        node = leading(3)
        node.raft.read_index(1, node.now_ns)
        node.step(ReadIndexRequest(NodeId(3), NodeId(1), Term(1), 77))
        node.step(Heartbeat(NodeId(2), NodeId(1), Term(2), 1, LogIndex(0)))
        assert node.reads_failed == [1]
        assert [(reply.context, reply.index) for reply in node.take(ReadIndexReply)] == [(77, None)]

    def test_forwarded_reads_without_answer_expire(self) -> None:
        """A request lost on the way to a leader that goes on sending heartbeats is reported as failed."""
        node = Scripted(term=1)
        node.step(Heartbeat(NodeId(2), NodeId(1), Term(1), 1, LogIndex(0)))
        node.raft.read_index(4, node.now_ns)
        node.drain()
        for number in range(2, 30):
            node.now_ns += 40 * MILLISECOND_NS
            node.step(Heartbeat(NodeId(2), NodeId(1), Term(1), number, LogIndex(0)))
        assert node.reads_failed == [4]


@pytest.mark.parametrize("size", [1, 3, 5])
def test_reads_on_every_node_see_what_was_committed(size: int) -> None:
    """A read on any node gets an index at or above all that was committed before."""
    cluster = ScriptedCluster(size)
    cluster.elect(1)
    index, _ = cluster[1].propose(b"a")
    cluster.settle()
    for node in cluster.nodes.values():
        node.raft.read_index(9, node.now_ns)
    cluster.settle()
    assert [node.reads for node in cluster.nodes.values()] == [[(9, index)]] * size
