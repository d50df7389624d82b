"""Known mistakes of other implementations about commits and elections, told message by message."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

from raft.simulation.script import MILLISECOND_NS, Scripted, ScriptedCluster, append, leading, stored
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import (
    Append,
    AppendReply,
    CommitNotice,
    VoteReply,
    VoteRequest,
)
from raftline.raft.node import Role


class TestCommitAndElection:
    def test_e1_old_terms_are_not_committed_by_counting(self) -> None:
        """E1, Raft thesis figure 3.7: an entry of an older term on a majority is committed only under a new one."""
        node = leading(5, terms=(1, 2), term=3)
        assert node.raft.term == 4
        for other in (2, 3, 4):
            node.step(stored(other, 4, 2))
        assert node.raft.commit_index == 0
        node.step(stored(2, 4, 3))
        assert node.raft.commit_index == 0
        node.step(stored(3, 4, 3))
        assert node.raft.commit_index == 3

    def test_e2_acknowledges_what_the_append_covered(self) -> None:
        """E2: entries behind the append are left over from an older term and are not acknowledged."""
        node = Scripted(terms=(1, 1, 1, 1), term=2)
        node.step(append(2, 1, 1, (1,)))
        node.sync()
        assert [reply.match_index for reply in node.take(AppendReply)] == [2]
        node.step(append(2, 1, 1, ()))
        assert [reply.match_index for reply in node.take(AppendReply)] == [1]

    def test_e2_commit_is_believed_only_up_to_the_match(self) -> None:
        """E2: the leader's commit index does not commit what was left over from an older term."""
        node = Scripted(terms=(1, 1, 1, 1), term=2)
        node.step(append(2, 1, 1, (1,), commit=4))
        assert node.raft.commit_index == 2
        node.step(CommitNotice(NodeId(2), NodeId(1), Term(2), LogIndex(4)))
        assert node.raft.commit_index == 2
        node.step(append(2, 2, 1, (2, 2), commit=4))
        assert node.raft.commit_index == 4

    def test_e3_matching_entries_are_never_cut(self) -> None:
        """E3: a late, shorter append does not remove what a younger one of the same leader brought."""
        node = Scripted()
        node.step(append(1, 0, 0, (1, 1, 1, 1)))
        node.sync()
        node.step(append(1, 0, 0, (1, 1)))
        node.step(append(1, 1, 1, ()))
        assert node.terms == [1, 1, 1, 1]
        assert not node.disk.pending

    def test_e4_logs_are_compared_by_term_then_length(self) -> None:
        """E4: a vote is granted exactly if (last term, length) of the candidate is at least ours."""
        logs = [terms for size in range(4) for terms in combinations_with_replacement((1, 2, 3), size)]
        for ours, theirs in product(logs, logs):
            node = Scripted(terms=ours, term=5)
            last_term = theirs[-1] if theirs else 0
            node.step(
                VoteRequest(NodeId(2), NodeId(1), Term(6), LogIndex(len(theirs)), Term(last_term), transfer=False)
            )
            node.sync()
            (reply,) = node.take(VoteReply)
            assert reply.granted == ((last_term, len(theirs)) >= (ours[-1] if ours else 0, len(ours)))

    def test_e6_appends_are_contiguous(self) -> None:
        """E6: what a follower is sent follows its previous entry without a gap, whatever it acknowledges."""
        cluster = ScriptedCluster()
        cluster.elect(1)
        for number in range(30):
            cluster[1].propose(b"%d" % number)
            cluster.deliver(lambda _, number=number: number % 3 != 0)
            cluster[2].sync()
        cluster.elapse(500 * MILLISECOND_NS)
        assert cluster[2].terms == cluster[3].terms == cluster[1].terms
        assert len(cluster[2].committed) == 31

    def test_e7_one_round_trip_per_conflicting_term(self) -> None:
        """E7: sixty terms that differ need at most sixty appends, however many entries they have."""
        mine = (1, *range(2, 122, 2))
        other = (1, *range(3, 123, 2))
        cluster = ScriptedCluster(logs={1: (*mine, 123), 2: other, 3: mine})
        cluster.only(1, 3)
        cluster.elect(1)
        cluster.only(1, 2, 3)
        appends = 0

        def count(message: object) -> bool:
            nonlocal appends
            appends += isinstance(message, Append) and message.receiver == 2
            return True

        cluster[1].tick()
        cluster.settle(count)
        cluster[1].tick()
        cluster.settle(count)
        assert cluster[2].terms == cluster[1].terms
        assert appends <= 62

    def test_e7_long_terms_are_skipped_whole(self) -> None:
        """E7: a thousand entries of one wrong term cost a few appends, not a thousand."""
        cluster = ScriptedCluster(logs={1: (1,) * 10 + (3,) * 500, 2: (1,) * 10 + (2,) * 1000, 3: (1,) * 10})
        cluster.only(1, 3)
        cluster.elect(1)
        cluster.only(1, 2, 3)
        appends = 0

        def count(message: object) -> bool:
            nonlocal appends
            appends += isinstance(message, Append) and message.receiver == 2
            return True

        for _ in range(3):
            cluster[1].tick()
            cluster.settle(count)
        assert cluster[2].terms == cluster[1].terms
        assert appends <= 6

    def test_e8_returning_node_disturbs_nobody(self) -> None:
        """E8: a node that was cut off for long comes back without deposing the leader."""
        cluster = ScriptedCluster()
        cluster.elect(1)
        cluster.only(1, 2)
        cluster.elapse(100 * MILLISECOND_NS)
        for _ in range(20):
            cluster[3].tick()
        assert cluster[3].raft.role is Role.PRE_CANDIDATE
        assert cluster[3].raft.term == 1
        cluster[3].sent.clear()
        cluster.only(1, 2, 3)
        cluster[3].tick()
        cluster.settle()
        cluster.elapse(1000 * MILLISECOND_NS)
        assert cluster.leader.node_id == 1
        assert {node.raft.term for node in cluster.nodes.values()} == {1}

    def test_e8_vote_request_of_a_higher_term_is_ignored_near_a_leader(self) -> None:
        """E8: who hears its leader neither votes nor adopts the term; the leader itself neither."""
        cluster = ScriptedCluster()
        cluster.elect(1)
        for receiver in (1, 2):
            request = VoteRequest(NodeId(3), NodeId(receiver), Term(9), LogIndex(9), Term(9), transfer=False)
            cluster[receiver].step(request)
            assert cluster[receiver].raft.term == 1
            assert cluster[receiver].take(VoteReply) == []

    def test_e10_node_with_a_higher_term_is_not_stuck(self) -> None:
        """E10: a node whose term is above its working leader's makes the cluster move on, and follows again."""
        cluster = ScriptedCluster()
        cluster.elect(1)
        node = cluster[3]
        node.disk.hard_state = type(node.disk.hard_state)(Term(8), None)
        node.restart()
        cluster.elapse(2000 * MILLISECOND_NS)
        assert {node.raft.term for node in cluster.nodes.values()} == {cluster.leader.raft.term}
        assert cluster.leader.raft.term > 8
        cluster.leader.propose(b"on")
        cluster.settle()
        assert [n.committed[-1].payload for n in cluster.nodes.values()] == [b"on"] * 3

    def test_e11_restarted_nodes_elect_within_one_timeout(self) -> None:
        """E11: nodes that all restarted elect a leader within the longest timeout and a retry."""
        cluster = ScriptedCluster()
        cluster.elect(1)
        for node in cluster.nodes.values():
            node.now_ns = cluster.now_ns
            node.restart()
        cluster.elapse(400 * MILLISECOND_NS)
        assert cluster.leader.raft.term >= 2
