"""Majorities against a slow, obviously right count."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from raftline.base.ids import NodeId
from raftline.raft.quorum import MajorityQuorum


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
