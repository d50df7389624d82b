"""The rules of the Raft thesis, one class per section."""

from __future__ import annotations

import pytest

from raft.simulation.script import MILLISECOND_NS, Scripted, ScriptedCluster, append, leading, pre_vote_granted, stored
from raftline.base.errors import Busy, LocalProtocolError, NotLeader, RemoteProtocolError, StorageCorrupt
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.confchange import MembershipChange
from raftline.raft.config import RaftConfig
from raftline.raft.invariants import InvariantViolated
from raftline.raft.membership import Member
from raftline.raft.messages import (
    Append,
    AppendReply,
    CommitNotice,
    EntryKind,
    Heartbeat,
    HeartbeatReply,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from raftline.raft.node import Role
from raftline.raft.progress import ProgressState


class TestSection33Terms:
    """3.3: terms act as a clock."""

    def test_higher_term_is_adopted(self) -> None:
        """A leader that sees a higher term follows, and its vote is free again."""
        node = leading(3)
        node.step(append(5, 0, 0))
        assert (node.raft.role, node.raft.term, node.raft.leader_id) == (Role.FOLLOWER, 5, 2)

    def test_older_term_is_refused_with_ours(self) -> None:
        """A leader of an older term learns of ours."""
        node = Scripted(term=7)
        node.step(append(3, 0, 0, (3,)))
        node.step(Heartbeat(NodeId(2), NodeId(1), Term(3), 1, LogIndex(0)))
        assert [(reply.term, reply.success) for reply in node.take(AppendReply)] == [(7, False)]
        assert [reply.term for reply in node.take(HeartbeatReply)] == [7]
        assert node.raft.last_index == 0

    def test_term_is_durable_before_a_reply_shows_it(self) -> None:
        """No reply of a new term leaves before the term is written."""
        node = Scripted()
        node.step(Heartbeat(NodeId(2), NodeId(1), Term(4), 1, LogIndex(0)))
        assert node.sent == []
        node.sync()
        assert [reply.term for reply in node.take(HeartbeatReply)] == [4]
        assert node.disk.hard_state.term == 4

    def test_role_change_is_reported_once(self) -> None:
        """`role_changed` tells of role, term and leader, and is false when nothing changed."""
        node = Scripted()
        node.drain()
        assert node.role_changes == 0
        node.step(append(1, 0, 0))
        node.step(append(1, 0, 0))
        assert node.role_changes == 1


class TestSection34Election:
    """3.4: leader election."""

    def test_candidate_asks_when_its_own_vote_is_durable(self) -> None:
        """Vote requests leave after term and vote are written."""
        node = Scripted()
        node.tick()
        assert node.raft.role is Role.PRE_CANDIDATE
        node.step(pre_vote_granted(NodeId(2), Term(0)))
        assert (node.raft.role, node.raft.term) == (Role.CANDIDATE, 1)
        assert node.take(VoteRequest) == []
        node.sync()
        assert [request.receiver for request in node.take(VoteRequest)] == [2, 3]
        assert node.disk.hard_state == (type(node.disk.hard_state))(Term(1), NodeId(1))

    def test_majority_of_votes_leads_and_starts_with_a_no_op(self) -> None:
        """The winner announces itself at once and appends a no-op of its term (section 6.4)."""
        node = Scripted(1, 5)
        node.tick()
        for sender in (2, 3):
            node.step(pre_vote_granted(NodeId(sender), Term(0)))
        node.sync()
        node.step(VoteReply(NodeId(2), NodeId(1), Term(1), granted=True))
        node.step(VoteReply(NodeId(2), NodeId(1), Term(1), granted=True))
        node.step(VoteReply(NodeId(4), NodeId(1), Term(1), granted=False))
        assert node.raft.role is Role.CANDIDATE
        node.step(VoteReply(NodeId(3), NodeId(1), Term(1), granted=True))
        assert node.raft.role is Role.LEADER
        assert len(node.take(Heartbeat)) == 4
        assert [e.kind for request in node.take(Append) for e in request.entries] == [EntryKind.NOOP] * 4

    def test_votes_of_an_older_term_do_not_count(self) -> None:
        """A late vote for an earlier candidacy is ignored."""
        node = Scripted(term=3)
        node.tick()
        node.step(pre_vote_granted(NodeId(2), Term(3)))
        node.sync()
        node.step(VoteReply(NodeId(2), NodeId(1), Term(3), granted=True))
        assert node.raft.role is Role.CANDIDATE

    def test_candidate_follows_the_leader_of_its_term(self) -> None:
        """Who loses the election follows the winner."""
        node = Scripted()
        node.tick()
        node.step(pre_vote_granted(NodeId(3), Term(0)))
        node.step(append(1, 0, 0))
        assert (node.raft.role, node.raft.leader_id) == (Role.FOLLOWER, 2)

    def test_failed_candidate_tries_the_next_term(self) -> None:
        """Without a majority, a candidate asks for pre-votes again, soon, and stands in a higher term."""
        node = Scripted()
        node.tick()
        node.step(pre_vote_granted(NodeId(2), Term(0)))
        node.sync()
        before_ns = node.now_ns
        node.tick()
        assert node.now_ns - before_ns < 100 * MILLISECOND_NS
        assert (node.raft.role, node.raft.term) == (Role.PRE_CANDIDATE, 1)
        node.step(pre_vote_granted(NodeId(3), Term(1)))
        assert (node.raft.role, node.raft.term) == (Role.CANDIDATE, 2)

    def test_timeouts_are_random_within_the_bounds(self) -> None:
        """Nodes wait between the shortest and the longest timeout, not all the same."""
        config = RaftConfig()
        waits = {Scripted(1, 3, seed=seed).raft.deadline_ns() for seed in range(20)}
        assert len(waits) > 10
        assert all(config.election_timeout_min_ns <= wait < config.election_timeout_max_ns for wait in waits)

    def test_refused_candidate_delays_nobody(self) -> None:
        """A follower that learns of a higher term without voting waits no longer than it would have."""
        node = Scripted(terms=(1, 1))
        deadline_ns = node.raft.deadline_ns()
        node.now_ns = deadline_ns - 1
        node.step(VoteRequest(NodeId(2), NodeId(1), Term(5), LogIndex(0), Term(0), transfer=False))
        assert (node.raft.term, node.raft.deadline_ns()) == (5, deadline_ns)

    def test_leader_that_stepped_down_gives_others_time(self) -> None:
        """However long it led, it waits a whole timeout before it asks to lead again."""
        node = leading(3)
        node.now_ns += 5000 * MILLISECOND_NS
        node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(9), 1, LogIndex(0), LogIndex(0)))
        assert (node.raft.role, node.raft.term) == (Role.FOLLOWER, 9)
        assert node.raft.deadline_ns() - node.now_ns >= node.config.election_timeout_min_ns

    def test_heartbeats_keep_followers_quiet(self) -> None:
        """While a leader is heard, nobody stands."""
        cluster = ScriptedCluster()
        cluster.elect(1)
        cluster.elapse(3000 * MILLISECOND_NS)
        assert {node.raft.term for node in cluster.nodes.values()} == {1}

    def test_two_leaders_in_a_term_stop_the_node(self) -> None:
        """Election safety is checked, not assumed."""
        node = leading(3)
        with pytest.raises(InvariantViolated):
            node.step(append(1, 0, 0))

    def test_single_voter_leads_without_waiting(self) -> None:
        """One voter stands when it starts and leads when its vote is durable."""
        node = Scripted(1, 1)
        node.sync()
        assert node.raft.role is Role.LEADER
        assert node.now_ns == 0


class TestSection35Replication:
    """3.5: log replication."""

    def test_conflicting_suffix_is_replaced(self) -> None:
        """Entries that conflict are cut, with all that follow, and replaced."""
        node = Scripted(terms=(1, 1, 2, 2, 2), term=3)
        node.step(append(3, 2, 1, (3,)))
        assert node.terms == [1, 1, 3]
        node.sync()
        assert [e.term for e in node.disk.log] == [1, 1, 3]

    def test_conflict_within_an_append(self) -> None:
        """The entries before the one that conflicts stay, and all from there on are taken."""
        node = Scripted(terms=(1, 1, 1, 1), term=3)
        node.step(append(3, 1, 1, (1, 2, 3)))
        assert node.terms == [1, 1, 2, 3]
        node.sync()
        assert [e.payload for e in node.disk.log] == [b"old 1", b"old 2", b"new", b"new"]

    def test_restarted_follower_commits_nothing_by_itself(self) -> None:
        """What was committed before is learned from the leader anew, in the same term as well."""
        node = Scripted(terms=(1, 1), term=1)
        node.step(append(1, 2, 1))
        assert node.raft.commit_index == 0
        node.step(append(1, 2, 1, commit=1))
        assert node.raft.commit_index == 1

    def test_missing_previous_entry_is_refused_with_a_hint(self) -> None:
        """A follower that is behind says where its log ends."""
        node = Scripted(terms=(1, 1), term=2)
        node.step(append(2, 7, 2, (2,)))
        node.sync()
        (reply,) = node.take(AppendReply)
        assert (reply.success, reply.conflict_index, reply.conflict_term) == (False, 2, 1)

    def test_previous_entry_at_or_below_the_commit_matches(self) -> None:
        """What is committed is in every leader's log, so an append behind it is taken (and skipped)."""
        node = Scripted(terms=(1, 1, 1), term=1, applied_index=3)
        node.step(append(1, 1, 1, (1, 1, 1)))
        node.sync()
        assert [reply.match_index for reply in node.take(AppendReply)] == [4]
        assert node.terms == [1, 1, 1, 1]

    def test_entries_already_compacted_are_skipped(self) -> None:
        """A repeated append whose first entries are no longer kept is taken from where the log goes on."""
        node = Scripted(terms=(1, 1, 1), term=1, applied_index=3)
        node.raft.compact(LogIndex(2), 0)
        node.disk.trim(2)
        node.step(append(1, 0, 0, (1, 1, 1, 1)))
        assert node.raft.last_index == 4
        node.sync()
        assert [reply.match_index for reply in node.take(AppendReply)] == [4]

    def test_conflict_with_a_committed_entry_stops_the_node(self) -> None:
        """A leader that contradicts what is committed is not obeyed."""
        node = Scripted(terms=(1, 1, 1), term=2, applied_index=3)
        with pytest.raises(InvariantViolated):
            node.step(append(2, 1, 1, (2,)))

    @pytest.mark.parametrize(
        "entries_of",
        [
            lambda good: good[::-1],
            lambda good: good[1:],
            lambda good: [good[0], good[0]],
        ],
    )
    def test_entries_that_do_not_follow_are_a_protocol_error(self, entries_of) -> None:
        """Entries with gaps, or in disorder, drop the link and change nothing."""
        node = Scripted()
        good = append(1, 0, 0, (1, 1))
        bad = Append(good.sender, good.receiver, good.term, LogIndex(0), Term(0), LogIndex(0), entries_of(good.entries))
        with pytest.raises(RemoteProtocolError):
            node.step(bad)
        assert node.raft.last_index == 0

    @pytest.mark.parametrize(("sender", "receiver"), [(2, 3), (1, 1)])
    def test_misdirected_messages_are_protocol_errors(self, sender: int, receiver: int) -> None:
        """Only what is meant for this node is heard."""
        node = Scripted()
        with pytest.raises(RemoteProtocolError):
            node.step(Heartbeat(NodeId(sender), NodeId(receiver), Term(1), 1, LogIndex(0)))

    def test_claims_beyond_the_log_are_a_protocol_error(self) -> None:
        """A follower cannot have stored what was never sent."""
        node = leading(3)
        with pytest.raises(RemoteProtocolError):
            node.step(stored(2, 1, 99))

    def test_proposals_of_one_turn_share_an_append(self) -> None:
        """What is proposed before the next `ready` travels as one append per follower, the entries shared."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        node.step(stored(3, 1, 1))
        node.sent.clear()
        node.raft.propose([b"a", b"b"], node.now_ns)
        node.raft.propose([b"c"], node.now_ns)
        node.drain()
        appends = node.take(Append)
        assert [[e.payload for e in request.entries] for request in appends] == [[b"a", b"b", b"c"]] * 2
        assert appends[0].entries is appends[1].entries

    def test_idle_followers_learn_the_commit_at_once(self) -> None:
        """When nothing else is due, a commit notice carries the commit index."""
        cluster = ScriptedCluster()
        cluster.elect(1)
        cluster[1].propose(b"a")
        cluster.settle()
        assert [node.raft.commit_index for node in cluster.nodes.values()] == [2, 2, 2]
        cluster[1].propose(b"b")
        seen = []
        cluster.settle(lambda message: seen.append(type(message)) or True)
        assert seen.count(CommitNotice) == 2
        assert Heartbeat not in seen


class TestSection36Safety:
    """3.6: safety."""

    def test_log_behind_gets_no_vote(self) -> None:
        """A candidate whose log ends earlier is refused, but its term is adopted (3.6.1)."""
        node = Scripted(terms=(1, 2), term=2)
        node.step(VoteRequest(NodeId(2), NodeId(1), Term(3), LogIndex(5), Term(1), transfer=False))
        node.sync()
        assert [reply.granted for reply in node.take(VoteReply)] == [False]
        assert node.raft.term == 3

    def test_entries_of_older_terms_commit_with_one_of_the_new_term(self) -> None:
        """The no-op of a new leader commits what older leaders left (3.6.2)."""
        node = leading(3, terms=(1, 1))
        assert node.raft.commit_index == 0
        node.step(stored(3, 2, 3))
        assert [e.index for e in node.committed] == [1, 2, 3]


class TestSection38Persistence:
    """3.8: persisted state and server restarts."""

    def test_delivery_continues_behind_what_was_applied(self) -> None:
        """After a restart, entries up to the applied index are not delivered again."""
        node = Scripted(terms=(1, 1, 1), term=1, applied_index=2)
        assert node.raft.commit_index == 2
        node.step(append(1, 3, 1, (), commit=3))
        assert [e.index for e in node.committed] == [3]

    def test_delivery_is_cut_into_bounded_batches(self) -> None:
        """Many committed bytes come in several `ready`s; the deadline asks for the next."""
        cluster = ScriptedCluster(1)
        node = cluster[1]
        node.sync()
        big = b"x" * (1 << 20)
        for _ in range(10):
            node.raft.propose([big], 0)
        ready = node.raft.ready()
        node.disk.pending += ready.io
        (write,) = node.disk.sync(1)
        node.raft.io_completed(write.sequence, 0)
        sizes = []
        while True:
            committed = node.raft.ready().committed
            sizes.append(len(committed))
            if sum(sizes) == 10:
                break
            assert node.raft.deadline_ns() <= node.now_ns
        assert len(sizes) > 1
        assert node.raft.deadline_ns() > node.now_ns

    def test_delivery_held_back_leaves_the_timer_alone(self) -> None:
        """A driver with enough to apply gets nothing more, is not asked to hurry, and misses no timer."""
        node = Scripted(1, 1)
        node.sync()
        node.raft.propose([b"a"], 0)
        (write,) = node.raft.ready().io
        node.disk.pending.append(write)
        node.disk.sync(1)
        node.raft.io_completed(write.sequence, 0)
        assert node.raft.ready(deliver=False).committed == []
        assert 0 < node.raft.deadline_ns() <= node.config.heartbeat_ns
        assert [e.payload for e in node.raft.ready().committed] == [b"a"]

    def test_contradictions_on_disk_are_refused(self) -> None:
        """A log of a higher term than the written one is damage."""
        with pytest.raises(StorageCorrupt):
            Scripted(terms=(1, 5), term=4)


class TestSection310Transfer:
    """3.10: leadership transfer."""

    def test_transfer_waits_until_the_target_has_caught_up(self) -> None:
        """TimeoutNow goes to a target that stores everything; proposals are refused meanwhile."""
        node = leading(3)
        index, _ = node.propose(b"a")
        node.raft.transfer_leadership(NodeId(2), node.now_ns)
        node.drain()
        assert node.take(TimeoutNow) == []
        with pytest.raises(Busy):
            node.raft.propose([b"b"], node.now_ns)
        node.step(stored(2, 1, index))
        assert [message.receiver for message in node.take(TimeoutNow)] == [2]

    def test_transfer_moves_leadership_at_once(self) -> None:
        """The target stands without a pre-vote and is not held off by the others' leader."""
        cluster = ScriptedCluster()
        cluster.elect(1)
        cluster[1].raft.transfer_leadership(NodeId(3), cluster.now_ns)
        cluster.settle()
        assert cluster.leader.node_id == 3
        assert cluster[1].raft.leader_id == 3

    def test_removed_leader_hands_over_to_who_stores_most(self) -> None:
        """Of those that vote from then on, one that has everything, so that it can win at once."""
        node = leading(4)
        for sender in (2, 3, 4):
            node.step(stored(sender, 1, 1))
        node.raft.propose_membership(MembershipChange(remove=(NodeId(1),)), node.now_ns)
        node.sync()
        for index in (2, 3):
            for sender in (3, 4):
                node.step(stored(sender, 1, index))
            node.sync()
        assert node.raft.role is Role.FOLLOWER
        assert [request.receiver for request in node.take(TimeoutNow)] == [3]

    def test_transfer_is_given_up(self) -> None:
        """A target that does not take over in time gives the proposals back to the old leader."""
        node = leading(3)
        node.raft.transfer_leadership(NodeId(2), node.now_ns)
        assert node.raft.transfer_target == 2
        for _ in range(10):
            node.step(HeartbeatReply(NodeId(3), NodeId(1), Term(1), 1, LogIndex(0), LogIndex(0)))
            node.tick()
        assert node.raft.transfer_target is None
        node.propose(b"a")

    def test_transfer_to_itself_or_a_stranger(self) -> None:
        """A transfer to this node does nothing; to a stranger, it is an error of the caller."""
        node = leading(3)
        node.raft.transfer_leadership(NodeId(1), node.now_ns)
        assert node.raft.transfer_target is None
        with pytest.raises(LocalProtocolError):
            node.raft.transfer_leadership(NodeId(9), node.now_ns)

    def test_only_leaders_transfer_and_propose(self) -> None:
        """Others say who leads."""
        node = Scripted()
        node.step(append(1, 0, 0))
        for call in (lambda: node.raft.transfer_leadership(NodeId(2), 0), lambda: node.raft.propose([b"a"], 0)):
            with pytest.raises(NotLeader) as caught:
                call()
            assert caught.value.leader_id == 2


class TestSection62RoutingRequests:
    """6.2: a leader without a quorum steps down."""

    def test_leader_without_answers_steps_down(self) -> None:
        """After the longest election timeout without a majority, the leader follows nobody."""
        node = leading(3)
        begin_ns = node.now_ns
        for _ in range(8):
            if node.raft.role is Role.LEADER:
                node.tick()
        assert node.raft.role is Role.FOLLOWER
        assert 300 <= (node.now_ns - begin_ns) / MILLISECOND_NS <= 350
        assert (node.raft.term, node.raft.leader_id) == (1, None)

    def test_acknowledgements_are_answers(self) -> None:
        """A follower that stores what it is sent is there, whatever becomes of its answers to heartbeats."""
        node = leading(3)
        for _ in range(50):
            node.tick()
            index, term = node.propose(b"x")
            node.sync()
            node.step(stored(2, term, index))
        assert node.raft.role is Role.LEADER

    def test_leader_with_a_majority_stays(self) -> None:
        """Answers of one of two followers are enough."""
        node = leading(3)
        for _ in range(50):
            node.tick()
            node.step(HeartbeatReply(NodeId(3), NodeId(1), Term(1), 1, LogIndex(0), LogIndex(0)))
        assert node.raft.role is Role.LEADER

    def test_uncommitted_bytes_are_bounded(self) -> None:
        """Beyond the bound proposals are refused until something commits."""
        node = Scripted(1, 1, config=RaftConfig(append_bytes_max=10, uncommitted_bytes_max=10))
        node.sync()
        node.propose(b"12345678901234567890")
        with pytest.raises(Busy):
            node.propose(b"1")
        node.sync()
        node.propose(b"12345")
        node.propose(b"12345")
        with pytest.raises(Busy):
            node.propose(b"1")

    def test_what_still_waits_is_counted(self) -> None:
        """A commit takes off the bytes of its own entries and of none behind them."""
        node = leading(3, config=RaftConfig(append_bytes_max=10, uncommitted_bytes_max=10))
        node.propose(b"12345")
        node.propose(b"12345")
        node.sync()
        node.step(stored(2, 1, 2))
        assert node.raft.commit_index == 2
        node.propose(b"12345")
        with pytest.raises(Busy):
            node.propose(b"1")

    def test_changes_of_members_count_like_proposals(self) -> None:
        """What a change added to the bytes that wait is taken off when it commits, and no more."""
        node = Scripted(1, 1, config=RaftConfig(append_bytes_max=500, uncommitted_bytes_max=500))
        node.sync()
        node.raft.propose_membership(MembershipChange(add=(Member(NodeId(2), "host-2", b"key"),)), node.now_ns)
        with pytest.raises(Busy):
            node.propose(bytes(500))
        node.sync()
        node.propose(bytes(500))
        with pytest.raises(Busy):
            node.propose(b"1")


class TestSection102Pipelining:
    """10.2: writing to the leader's log in parallel, and pipelining."""

    def test_appends_leave_before_the_leaders_own_write(self) -> None:
        """The leader's disk and the network work at the same time (10.2.1)."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        node.propose(b"a")
        assert [request.receiver for request in node.take(Append)] == [2]
        assert node.raft.durable_index == 1

    def test_window_bounds_the_appends_under_way(self) -> None:
        """A follower in step is sent at most `inflight_appends_max` appends before it answers."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        for number in range(5):
            node.propose(b"%d" % number)
        assert [len(request.entries) for request in node.take(Append)] == [1, 1]
        node.step(stored(2, 1, 2))
        assert [len(request.entries) for request in node.take(Append)] == [3]

    def test_lost_append_is_sent_again_after_a_heartbeat(self) -> None:
        """A follower that answers a later round without the entries gets them again (L3)."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        index, _ = node.propose(b"a")
        node.take(Append)
        node.tick()
        beat = node.take(Heartbeat)[0]
        node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(1), beat.round, LogIndex(1), LogIndex(1)))
        assert [request.entries[0].index for request in node.take(Append) if request.receiver == 2] == [index]

    def test_slow_disk_is_not_sent_the_same_again(self) -> None:
        """A follower that accepted an append and waits for its disk gets no second copy."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        index, _ = node.propose(b"a")
        node.take(Append)
        for _ in range(5):
            node.tick()
            beat = node.take(Heartbeat)[0]
            node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(1), beat.round, index, LogIndex(1)))
        assert [request for request in node.take(Append) if request.receiver == 2] == []

    def test_lost_acknowledgement_is_repaired_by_a_heartbeat(self) -> None:
        """The durable index in a heartbeat's answer counts as an acknowledgement."""
        node = leading(3)
        node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(1), 1, LogIndex(1), LogIndex(1)))
        assert node.raft.commit_index == 1
        assert node.raft.match_index(NodeId(2)) == 1

    def test_dropped_link_stops_appends_until_the_follower_is_heard(self) -> None:
        """After a disconnect nothing is sent into the void; the next answer starts the search again."""
        node = leading(3)
        node.step(stored(2, 1, 1))
        node.raft.peer_disconnected(NodeId(2), node.now_ns)
        index, _ = node.propose(b"a")
        assert [request for request in node.take(Append) if request.receiver == 2] == []
        node.step(HeartbeatReply(NodeId(2), NodeId(1), Term(1), 1, LogIndex(1), LogIndex(1)))
        assert [request.entries[0].index for request in node.take(Append) if request.receiver == 2] == [index]
        status = node.raft.followers()[0]
        assert (status.node_id, status.state, status.match_index) == (2, ProgressState.PROBE, 1)
