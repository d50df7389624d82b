"""What waits for the log: read barriers, off-log stanzas, and the answers of a status."""

from __future__ import annotations

from raftline.base.ids import LogIndex, NodeId, SessionId, Term
from raftline.cluster.frames import OffLogStanza, StatusReply
from raftline.cluster.off_log import OffLogInbox
from raftline.cluster.reads import ReadBarriers
from raftline.cluster.status import StatusInquiry, combine, comparable_index


class TestReadBarriers:
    """Batched read indexes (thesis section 6.4)."""

    def test_one_request_at_a_time_serves_all_before_it(self) -> None:
        """Waiters share a request; those that come while it is open share the next, under another number."""
        reads: ReadBarriers[str] = ReadBarriers(100)
        assert reads.next_request(0) is None
        reads.add("a")
        reads.add("b")
        assert reads.next_request(0) == 100
        reads.add("c")
        assert reads.next_request(1) is None
        reads.granted(100, LogIndex(7))
        assert reads.applied(LogIndex(6)) == []
        assert reads.applied(LogIndex(7)) == ["a", "b"]
        assert reads.next_request(2) == 101
        reads.granted(101, LogIndex(7))
        assert reads.applied(LogIndex(9)) == ["c"]
        assert len(reads) == 0

    def test_a_failed_request_is_asked_anew_under_another_number(self) -> None:
        """An answer to the failed number that comes late counts for nobody."""
        reads: ReadBarriers[str] = ReadBarriers(1)
        reads.add("a")
        assert reads.next_request(0) == 1
        reads.failed(1)
        assert reads.next_request(0) == 2
        reads.granted(1, LogIndex(1))
        assert reads.applied(LogIndex(9)) == []
        reads.failed(1)
        reads.granted(2, LogIndex(5))
        assert reads.applied(LogIndex(5)) == ["a"]

    def test_a_lost_answer(self) -> None:
        """A request older than the deadline is given up; a younger one is not."""
        reads: ReadBarriers[str] = ReadBarriers(1)
        reads.add("a")
        assert reads.next_request(10) == 1
        reads.give_up_older_than(10)
        assert reads.next_request(20) is None
        reads.give_up_older_than(11)
        assert reads.next_request(20) == 2

    def test_grants_out_of_order(self) -> None:
        """A lower index granted later is released first."""
        reads: ReadBarriers[str] = ReadBarriers(1)
        reads.add("late")
        assert reads.next_request(0) == 1
        reads.granted(1, LogIndex(9))
        reads.add("early")
        assert reads.next_request(0) == 2
        reads.granted(2, LogIndex(4))
        assert reads.applied(LogIndex(4)) == ["early"]
        assert reads.drop() == ["late"]
        assert len(reads) == 0


def off_log(index: int, stanza: bytes) -> OffLogStanza:
    return OffLogStanza(LogIndex(index), SessionId(1), stanza)


class TestOffLogInbox:
    """Stanzas that must not overtake their cause."""

    def test_waits_for_its_cause(self) -> None:
        """What refers to an applied index passes; the rest waits until it is applied, in order for each sender."""
        inbox = OffLogInbox(count_max=9)
        assert inbox.add(NodeId(2), off_log(5, b"now"), LogIndex(5))
        assert not inbox.add(NodeId(2), off_log(7, b"a"), LogIndex(5))
        assert not inbox.add(NodeId(2), off_log(7, b"b"), LogIndex(7))  # behind "a", though its index is applied
        assert inbox.add(NodeId(3), off_log(5, b"another sender"), LogIndex(5))
        assert inbox.take_ready(LogIndex(6)) == []
        assert inbox.take_ready(LogIndex(7)) == [(1, b"a"), (1, b"b")]
        assert inbox.waiting_count == 0

    def test_bounded(self) -> None:
        """A sender far ahead loses stanzas rather than fill the memory."""
        inbox = OffLogInbox(count_max=2)
        for number in range(4):
            assert not inbox.add(NodeId(2), off_log(9, b"%d" % number), LogIndex(1))
        assert (inbox.waiting_count, inbox.dropped_count) == (2, 2)
        assert inbox.take_ready(LogIndex(9)) == [(1, b"0"), (1, b"1")]


def reply(
    role: str, term: int, applied: int, *, match: dict[int, int] | None = None, digest: bytes | None = None
) -> StatusReply:
    return StatusReply(1, role, Term(term), NodeId(1), LogIndex(9), LogIndex(applied), match or {}, digest)


class TestStatus:
    """Joined answers."""

    def test_combine(self) -> None:
        """Hashes belong to the lowest applied index; an unreachable node says nothing; match is the leader's."""
        replies = {
            NodeId(1): reply("leader", 3, 9, match={1: 9, 2: 8, 3: 4}),
            NodeId(2): reply("follower", 3, 8),
        }
        index = comparable_index(replies.values())
        assert index == 8
        digests = {NodeId(1): reply("leader", 3, 9, digest=b"\xab"), NodeId(2): reply("follower", 3, 8, digest=None)}
        told = combine([NodeId(3), NodeId(1), NodeId(2)], {1, 2, 3}, replies, index, digests).as_json()
        assert told == {
            "leader": 1,
            "term": 3,
            "commit_index": 9,
            "nodes": [
                {
                    "id": 1, "role": "leader", "reachable": True, "applied_index": 9, "match_index": 9,
                    "state_hash": "ab", "state_hash_index": 8,
                },
                {
                    "id": 2, "role": "follower", "reachable": True, "applied_index": 8, "match_index": 8,
                    "state_hash": None, "state_hash_index": None,
                },
                {
                    "id": 3, "role": "unknown", "reachable": False, "applied_index": None, "match_index": 4,
                    "state_hash": None, "state_hash_index": None,
                },
            ],
        }  # fmt: skip

    def test_a_leader_of_an_older_term_is_none(self) -> None:
        """Who still thinks it leads an older term is not named."""
        replies = {NodeId(2): reply("leader", 2, 5, match={1: 1}), NodeId(3): reply("follower", 3, 5)}
        status = combine(replies, replies, replies, LogIndex(0), {})
        assert status.leader_id == 1
        assert all(node.match_index is None for node in status.nodes)

    def test_who_was_just_added_is_a_learner(self) -> None:
        """The node itself cannot tell yet; one that cannot be asked is neither."""
        replies = {
            NodeId(1): reply("leader", 3, 9),
            NodeId(4): reply("follower", 3, 5),
            NodeId(5): reply("recovering", 3, 0),
        }
        nodes = [NodeId(1), NodeId(4), NodeId(5), NodeId(6)]
        status = combine(nodes, {NodeId(1), NodeId(5)}, replies, LogIndex(0), {})
        assert [node.role for node in status.nodes] == ["leader", "learner", "recovering", "unknown"]

    def test_an_inquiry_ends_when_all_answered_or_are_lost(self) -> None:
        """Lost nodes are not waited for."""
        inquiry = StatusInquiry([NodeId(2), NodeId(3)])
        inquiry.answered(NodeId(2), reply("follower", 1, 1))
        assert not inquiry.is_complete
        inquiry.lost(NodeId(3))
        assert inquiry.is_complete
