"""Pre-votes (Raft thesis section 9.6): who may disturb a leader that works, and who asks how soon."""

from __future__ import annotations

from raft.simulation.script import MILLISECOND_NS, Scripted, ScriptedCluster, append
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import PreVoteReply, PreVoteRequest
from raftline.raft.node import Role


class TestSection96PreVote:
    """9.6 and 4.2.3: pre-votes, and disruptive servers."""

    def test_pre_vote_changes_nothing_at_the_voter(self) -> None:
        """Who grants a pre-vote keeps its term, vote and timer."""
        node = Scripted(term=2)
        deadline_ns = node.raft.deadline_ns()
        node.step(PreVoteRequest(NodeId(2), NodeId(1), Term(5), LogIndex(0), Term(0)))
        assert [(reply.granted, reply.term) for reply in node.take(PreVoteReply)] == [(True, 5)]
        assert (node.raft.term, node.raft.deadline_ns()) == (2, deadline_ns)
        assert not node.disk.pending

    def test_pre_vote_is_refused_near_a_leader(self) -> None:
        """Who heard its leader within the shortest timeout refuses; later it grants."""
        node = Scripted()
        node.step(append(1, 0, 0))
        node.sync()
        request = PreVoteRequest(NodeId(3), NodeId(1), Term(1), LogIndex(0), Term(0))
        node.step(request)
        node.now_ns += node.config.election_timeout_min_ns
        node.step(request)
        assert [reply.granted for reply in node.take(PreVoteReply)] == [False, True]

    def test_pre_vote_of_an_older_term_brings_ours(self) -> None:
        """A node whose term is behind learns the term from the refusal."""
        cluster = ScriptedCluster()
        cluster[2].disk.hard_state = type(cluster[2].disk.hard_state)(Term(6), None)
        cluster[2].restart()
        cluster[1].tick()
        cluster.only(1, 2)
        cluster.settle()
        assert cluster[1].raft.term == 6

    def test_lost_connection_asks_within_the_jitter(self) -> None:
        """The end of the leader's connection brings a pre-vote within ten milliseconds; others' ends do not."""
        node = Scripted()
        node.step(append(1, 0, 0))
        before_ns = node.raft.deadline_ns()
        node.raft.peer_disconnected(NodeId(3), 0)
        assert node.raft.deadline_ns() == before_ns
        node.raft.peer_disconnected(NodeId(2), 0)
        assert node.raft.deadline_ns() <= node.config.connection_loss_jitter_ns_max
        node.tick()
        assert node.raft.role is Role.PRE_CANDIDATE

    def test_false_alarm_is_harmless(self) -> None:
        """A dropped connection to a leader that works costs no election."""
        cluster = ScriptedCluster()
        cluster.elect(1)
        cluster.elapse(50 * MILLISECOND_NS)
        cluster[2].raft.peer_disconnected(NodeId(1), cluster.now_ns)
        cluster.elapse(500 * MILLISECOND_NS)
        assert cluster.leader.node_id == 1
        assert cluster[2].raft.leader_id == 1
        assert {node.raft.term for node in cluster.nodes.values()} == {1}

    def test_refused_pre_vote_is_repeated_soon(self) -> None:
        """A split pre-vote is repeated after tens of milliseconds, more slowly if that goes on."""
        node = Scripted()
        node.tick()
        waits = []
        for _ in range(8):
            before_ns = node.now_ns
            node.tick()
            waits.append((node.now_ns - before_ns) / MILLISECOND_NS)
        assert 20 <= waits[0] <= 60
        assert max(waits) <= 300
        assert waits[-1] > 60

    def test_retries_are_spread(self) -> None:
        """Two nodes that were quick at once wait for different times, from half of a heartbeat to one and a half."""
        waits = []
        for seed in range(60):
            node = Scripted(seed=seed)
            node.tick()
            waits.append((node.raft.deadline_ns() - node.now_ns) / node.config.heartbeat_ns)
        assert 0.5 <= min(waits) < 0.7
        assert 1.3 < max(waits) < 1.5
