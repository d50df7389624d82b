"""Majorities against a slow, obviously right count."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from raftline.base.ids import NodeId
from raftline.raft.membership import Member, Membership
from raftline.raft.quorum import JointQuorum, MajorityQuorum, quorum_of


def voters_of(count: int) -> frozenset[NodeId]:
    return frozenset(NodeId(number) for number in range(1, count + 1))


def by_voter(values: list[int]) -> dict[NodeId, int]:
    return {NodeId(number): value for number, value in enumerate(values, start=1)}


@given(st.lists(st.integers(0, 8), min_size=1, max_size=7))
def test_reached_is_the_greatest_value_a_majority_has(values: list[int]) -> None:
    """`reached` agrees with trying every value and counting."""
    reached = MajorityQuorum(voters_of(len(values))).reached(by_voter(values))
    assert reached == max(
        candidate for candidate in values if sum(value >= candidate for value in values) * 2 > len(values)
    )


@given(count=st.integers(1, 7), granted=st.sets(st.integers(1, 12)))
def test_won_counts_voters_alone(count: int, granted: set[int]) -> None:
    """`won` agrees with counting the voters among those who granted."""
    quorum = MajorityQuorum(voters_of(count))
    assert quorum.won({NodeId(number) for number in granted}) == (len(granted & set(range(1, count + 1))) * 2 > count)


def test_any_two_majorities_intersect() -> None:
    """No two winning sets of the same voters are disjoint."""
    for count in range(1, 6):
        quorum = MajorityQuorum(voters_of(count))
        winning = [
            set(chosen)
            for size in range(count + 1)
            for chosen in combinations(quorum.voters, size)
            if quorum.won(set(chosen))
        ]
        assert winning
        assert all(left & right for left in winning for right in winning)


SIDES = st.sets(st.integers(1, 7), min_size=1).map(lambda numbers: frozenset(map(NodeId, numbers)))


@given(incoming=SIDES, outgoing=SIDES, values=st.dictionaries(st.integers(1, 8).map(NodeId), st.integers(0, 8)))
def test_joint_reached_is_the_greatest_value_both_majorities_have(incoming, outgoing, values) -> None:
    """M6: trying every value and counting in both; nodes that do not vote change nothing."""

    def has(value: int, side: frozenset[NodeId]) -> bool:
        return sum(values.get(voter, 0) >= value for voter in side) * 2 > len(side)

    expected = max(value for value in range(9) if has(value, incoming) and has(value, outgoing))
    assert JointQuorum(incoming, outgoing).reached(values) == expected


@given(incoming=SIDES, outgoing=SIDES, granted=st.sets(st.integers(1, 8).map(NodeId)))
def test_joint_is_won_by_both_majorities(incoming, outgoing, granted) -> None:
    """Each side counts its own."""
    won = all(len(granted & side) * 2 > len(side) for side in (incoming, outgoing))
    quorum = JointQuorum(incoming, outgoing)
    assert quorum.won(granted) == won
    assert quorum.voters == incoming | outgoing


def test_quorum_of_a_membership() -> None:
    """One majority decides in a plain membership, two in a joint one; learners in neither."""
    members = tuple(Member(NodeId(number)) for number in range(1, 5))
    plain = quorum_of(Membership(members, (NodeId(1), NodeId(2)), learners=(NodeId(3), NodeId(4))))
    assert isinstance(plain, MajorityQuorum)
    assert plain.voters == {1, 2}
    joint = quorum_of(Membership(members, (NodeId(1), NodeId(2)), outgoing=(NodeId(3), NodeId(4))))
    assert isinstance(joint, JointQuorum)
    assert joint.voters == {1, 2, 3, 4}
