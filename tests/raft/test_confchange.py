"""From one membership to the next, and what a log remembers of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raft.simulation.checkers import quorums_meet
from raftline.base.errors import LocalProtocolError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.confchange import MembershipChange, begin, leave
from raftline.raft.invariants import InvariantViolated
from raftline.raft.membership import (
    MEMBERSHIP_BYTES_MAX,
    NOBODY,
    Member,
    Membership,
    decode_membership,
    encode_membership,
    membership_of_voters,
)
from raftline.raft.membership_log import MembershipLog
from raftline.raft.messages import Entry, EntryKind


def ids(*numbers: int) -> tuple[NodeId, ...]:
    return tuple(map(NodeId, numbers))


def cluster(voters: tuple[int, ...], learners: tuple[int, ...] = ()) -> Membership:
    members = tuple(Member(NodeId(number), f"host-{number}", b"key") for number in sorted({*voters, *learners}))
    return Membership(members, ids(*voters), learners=ids(*learners), node_id_max=9)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Membership, MembershipChange]:
    """Draw a membership and a change of some of its nodes, which may leave no voter."""
    numbers = draw(st.sets(st.integers(1, 7), min_size=1, max_size=6))
    learning = draw(st.sets(st.sampled_from(sorted(numbers)), max_size=len(numbers) - 1))
    current = cluster(tuple(sorted(numbers - learning)), tuple(sorted(learning)))
    fates = {number: draw(st.sampled_from(["stay", "stay", "turn", "remove"])) for number in sorted(numbers)}
    turned = {number for number, fate in fates.items() if fate == "turn"}
    return current, MembershipChange(
        add=tuple(Member(NodeId(number)) for number in draw(st.sets(st.integers(10, 12), max_size=2))),
        promote=ids(*sorted(turned & learning)),
        demote=ids(*sorted(turned - learning)),
        remove=ids(*sorted(number for number, fate in fates.items() if fate == "remove")),
    )


@given(changes())
def test_quorums_of_each_step_meet(drawn: tuple[Membership, MembershipChange]) -> None:
    """Any quorum before a step has a node in common with any quorum after it, and the end is what was asked for."""
    current, change = drawn
    try:
        begun = begin(current, change)
    except LocalProtocolError:
        voters = set(current.voters) - set(change.demote) - set(change.remove) | set(change.promote)
        assert not voters or not any((change.add, change.promote, change.demote, change.remove))
        return
    assert quorums_meet((current.voters, current.outgoing), (begun.voters, begun.outgoing))
    ended = begun
    if begun.is_joint:
        assert begun.outgoing == current.voters
        ended = leave(begun)
        assert quorums_meet((begun.voters, begun.outgoing), (ended.voters, ended.outgoing))
    else:
        assert begun.voters == current.voters
    kept = {member.node_id for member in current.members} - set(change.remove)
    assert {member.node_id for member in ended.members} == kept | {member.node_id for member in change.add}
    assert set(change.promote) <= set(ended.voters)
    assert set(change.demote) <= set(ended.learners)
    assert not set(ended.voters) & set(ended.learners)
    for membership in (begun, ended):
        assert decode_membership(encode_membership(membership)) == membership


def test_replacement_is_one_change() -> None:
    """The new node is promoted and the old one removed at once; the old one is reachable until that is over."""
    begun = begin(cluster((1, 2, 3), (4,)), MembershipChange(promote=ids(4), remove=ids(2)))
    assert (begun.voters, begun.outgoing) == (ids(1, 3, 4), ids(1, 2, 3))
    assert begun.member(NodeId(2)) is not None
    assert leave(begun) == Membership(
        tuple(Member(NodeId(number), f"host-{number}", b"key") for number in (1, 3, 4)), ids(1, 3, 4), node_id_max=9
    )


def test_demoted_voter_votes_until_the_end() -> None:
    """A voter on its way to be a learner is in the outgoing majority and among the learners."""
    begun = begin(cluster((1, 2, 3)), MembershipChange(demote=ids(3)))
    assert (begun.voters, begun.outgoing, begun.learners) == (ids(1, 2), ids(1, 2, 3), ids(3))
    assert leave(begun).learners == ids(3)


def test_address_changes_without_a_joint_membership() -> None:
    """A new address or key touches no majority."""
    begun = begin(cluster((1, 2, 3)), MembershipChange(update=(Member(NodeId(2), "elsewhere", b"new key"),)))
    assert begun.member(NodeId(2)) == Member(NodeId(2), "elsewhere", b"new key")
    assert not begun.is_joint


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (MembershipChange(), "no effect"),
        (MembershipChange(add=(Member(NodeId(9)),)), "no new id"),
        (MembershipChange(promote=ids(1)), "no learner"),
        (MembershipChange(demote=ids(4)), "no voter"),
        (MembershipChange(remove=ids(7)), "no member"),
        (MembershipChange(update=(Member(NodeId(7)),)), "no member"),
        (MembershipChange(remove=ids(1, 2, 3)), "needs a voter"),
        (MembershipChange(promote=ids(4), remove=ids(4)), "twice"),
        (MembershipChange(add=(Member(NodeId(10), "x" * MEMBERSHIP_BYTES_MAX),)), "larger than"),
    ],
)
def test_change_that_does_not_fit_is_refused(change: MembershipChange, text: str) -> None:
    """The refusal says what is wrong."""
    with pytest.raises(LocalProtocolError, match=text):
        begin(cluster((1, 2, 3), (4,)), change)


def test_no_change_of_a_joint_membership() -> None:
    """M8: the first change ends before the next begins; only a joint membership can be left."""
    plain = cluster((1, 2, 3))
    joint = begin(plain, MembershipChange(remove=ids(3)))
    with pytest.raises(LocalProtocolError, match="under way"):
        begin(joint, MembershipChange(remove=ids(2)))
    with pytest.raises(LocalProtocolError, match="not joint"):
        leave(plain)


def test_ids_are_never_used_again() -> None:
    """D14: the id of a removed node is not given to another."""
    current = membership_of_voters(ids(1, 2, 3))
    ended = leave(begin(current, MembershipChange(remove=ids(3))))
    with pytest.raises(LocalProtocolError, match="no new id"):
        begin(ended, MembershipChange(add=(Member(NodeId(3)),)))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        encode_membership(Membership((), ids(1))),
        encode_membership(Membership((Member(NodeId(1)), Member(NodeId(1))), ids(1))),
        encode_membership(Membership((Member(NodeId(1)),), ids(1), learners=ids(1))),
    ],
)
def test_what_is_no_membership_is_refused(payload: bytes) -> None:
    """Neither damage nor contradiction is taken for a membership."""
    with pytest.raises(ValueError, match="membership"):
        decode_membership(payload)


def stored(index: int, membership: Membership) -> tuple[LogIndex, bytes]:
    return LogIndex(index), encode_membership(membership)


def entry(index: int, membership: Membership) -> Entry:
    return Entry(LogIndex(index), Term(1), EntryKind.MEMBERSHIP, encode_membership(membership))


class TestMembershipLog:
    """The history of memberships follows the log."""

    ONE, TWO, THREE = cluster((1,)), cluster((1, 2)), cluster((1, 2, 3))

    def test_last_one_is_in_force_and_cut_again(self) -> None:
        """M5: a cut brings back the one before, down to what the cluster was begun with."""
        found = MembershipLog(self.ONE, [])
        found.appended([entry(5, self.TWO), Entry(LogIndex(6), Term(1), EntryKind.DATA, b"x"), entry(7, self.THREE)])
        assert (found.index, found.current, found.previous) == (7, self.THREE, self.TWO)
        assert [found.at(LogIndex(index)) for index in (4, 5, 6, 7)] == [self.ONE, self.TWO, self.TWO, self.THREE]
        found.cut_from(LogIndex(8))
        assert found.current == self.THREE
        found.cut_from(LogIndex(6))
        assert (found.index, found.current, found.quorum.voters) == (5, self.TWO, set(ids(1, 2)))
        found.cut_from(LogIndex(1))
        assert (found.index, found.current, found.previous) == (0, self.ONE, None)

    def test_compaction_keeps_the_one_in_force(self) -> None:
        """R6: what was in force at the base stays, and is not cut below it."""
        found = MembershipLog(NOBODY, [stored(2, self.ONE), stored(5, self.TWO), stored(9, self.THREE)])
        found.compacted(LogIndex(7))
        assert found.at(LogIndex(7)) == self.TWO
        found.cut_from(LogIndex(8))
        assert found.current == self.TWO
        with pytest.raises(InvariantViolated):
            found.cut_from(LogIndex(3))

    def test_snapshot_brings_its_own(self) -> None:
        """R6: after a snapshot, its membership counts, and no older one."""
        found = MembershipLog(self.ONE, [stored(2, self.TWO)])
        found.installed(LogIndex(30), self.THREE)
        assert (found.index, found.current, found.previous) == (30, self.THREE, None)

    def test_log_of_a_new_node_may_be_cut_to_nothing(self) -> None:
        """Who joined, and lost its only entries again, knows nobody."""
        found = MembershipLog(NOBODY, [stored(3, self.TWO)])
        found.cut_from(LogIndex(1))
        assert found.current == NOBODY
        assert not found.quorum.won(ids(1, 2, 3))
        assert found.quorum.reached({NodeId(1): 5}) == 0
