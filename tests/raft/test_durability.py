"""Known mistakes of other implementations about durability, each told message by message. Letters name their class."""

from __future__ import annotations

from raft.simulation.script import Scripted, append, leading, stored
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import (
    AppendReply,
    Heartbeat,
    HeartbeatReply,
    VoteReply,
    VoteRequest,
)
from raftline.raft.node import Role


class TestDurability:
    def test_d1_single_node_commits_after_its_own_sync(self) -> None:
        """D1: with one voter nothing is committed before it is durable here."""
        node = Scripted(1, 1)
        node.sync()
        assert node.raft.role is Role.LEADER
        index, _ = node.propose(b"a")
        assert node.raft.commit_index == index - 1
        assert [e.payload for e in node.committed] == [b""]
        node.sync()
        assert node.raft.commit_index == index
        assert [e.payload for e in node.committed] == [b"", b"a"]

    def test_d1_leader_does_not_count_itself_before_durable(self) -> None:
        """D1: one follower's acknowledgement is no majority while the leader's own disk is behind."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        index, _ = node.propose(b"a")
        node.step(stored(2, 1, index))
        assert node.raft.commit_index == index - 1
        node.sync()
        assert node.raft.commit_index == index

    def test_d1_commit_may_run_ahead_of_the_leaders_disk(self) -> None:
        """A majority without the leader commits, but the leader applies only what its own disk has."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        index, _ = node.propose(b"a")
        node.step(stored(2, 1, index))
        node.step(stored(3, 1, index))
        assert node.raft.commit_index == index
        assert [e.index for e in node.committed] == [1]
        node.sync()
        assert [e.index for e in node.committed] == [1, index]

    def test_d2_repeated_append_waits_for_the_first_copy(self) -> None:
        """D2: a duplicate is not acknowledged while the first copy's write is under way."""
        node = Scripted()
        node.step(append(1, 0, 0, (1,)))
        assert len(node.disk.pending) == 1
        node.step(append(1, 0, 0, (1,)))
        assert node.take(AppendReply) == []
        node.sync()
        assert [reply.match_index for reply in node.take(AppendReply)] == [1, 1]

    def test_d2_repeated_append_of_durable_entries_is_answered_at_once(self) -> None:
        """A duplicate of what is durable does not wait for younger writes."""
        node = Scripted()
        node.step(append(1, 0, 0, (1,)))
        node.sync()
        node.sent.clear()
        node.step(append(1, 1, 1, (1,)))
        node.step(append(1, 0, 0, (1,)))
        assert [reply.match_index for reply in node.take(AppendReply)] == [1]

    def test_d2_heartbeat_reply_reports_only_the_durable_part(self) -> None:
        """A heartbeat is answered with what is accepted and, apart from it, what is durable."""
        node = Scripted(term=1)
        node.step(append(1, 0, 0, (1, 1)))
        node.step(Heartbeat(NodeId(2), NodeId(1), Term(1), 1, LogIndex(0)))
        (reply,) = node.take(HeartbeatReply)
        assert (reply.accepted_index, reply.match_index) == (2, 0)

    def test_d3_vote_survives_a_crash(self) -> None:
        """D3: a vote leaves when it is durable, and after a crash no other candidate of the term gets one."""
        node = Scripted()
        node.step(VoteRequest(NodeId(2), NodeId(1), Term(1), LogIndex(0), Term(0), transfer=False))
        assert node.take(VoteReply) == []
        node.sync()
        assert [reply.granted for reply in node.take(VoteReply)] == [True]
        node.restart()
        node.step(VoteRequest(NodeId(3), NodeId(1), Term(1), LogIndex(0), Term(0), transfer=False))
        node.sync()
        assert [reply.granted for reply in node.take(VoteReply)] == [False]
        node.step(VoteRequest(NodeId(2), NodeId(1), Term(1), LogIndex(0), Term(0), transfer=False))
        assert [reply.granted for reply in node.take(VoteReply)] == [True]

    def test_d4_term_is_written_before_or_with_its_entries(self) -> None:
        """D4: no write holds an entry whose term an earlier or the same write does not hold."""
        node = Scripted()
        node.step(append(7, 0, 0, (7,)))
        (write,) = node.disk.pending
        assert write.hard_state is not None
        assert write.hard_state.term == 7
        assert [e.term for e in write.entries] == [7]

    def test_d5_completion_of_an_overwritten_write_counts_for_nothing(self) -> None:
        """D5: entries cut and rewritten while the first write is under way are durable only with the second."""
        node = Scripted()
        node.step(append(1, 0, 0, (1, 1, 1)))
        node.step(append(2, 1, 1, (2, 2)))
        assert [[e.term for e in write.entries] for write in node.disk.pending] == [[1, 1, 1], [2, 2]]
        node.sync(1)
        assert node.raft.durable_index == 1
        assert node.raft.last_index == 3
        node.sync()
        assert node.raft.durable_index == 3
        assert [e.term for e in node.disk.log] == [1, 2, 2]

    def test_d5_same_index_and_length_twice(self) -> None:
        """D5: the rewritten entry is not acknowledged when the first one's write completes."""
        node = Scripted()
        node.step(append(1, 0, 0, (1,)))
        node.step(append(2, 0, 0, (2,)))
        node.step(append(3, 0, 0, (3,)))
        for expected in (0, 0, 1):
            node.sync(1)
            assert node.raft.durable_index == expected
        assert {(r.term, r.match_index) for r in node.take(AppendReply) if r.term == 3} == {(3, 1)}

    def test_promises_of_an_older_term_are_withdrawn(self) -> None:
        """An acknowledgement that has not left when the term rises never leaves."""
        node = Scripted()
        node.raft.step(append(1, 0, 0, (1, 1)), 0)
        node.raft.step(append(2, 0, 0, (2,)), 0)
        node.sync()
        assert [(reply.term, reply.match_index) for reply in node.take(AppendReply)] == [(2, 1)]
