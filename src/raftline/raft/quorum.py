"""
Majorities: pure functions of who voted and who stores what.

Joint consensus (thesis section 4.3) will add a second class of the same two methods that asks two majorities and
takes the weaker answer; nothing outside this module counts voters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from raftline.base.ids import NodeId


class MajorityQuorum:
    """A majority of a fixed set of voters."""

    __slots__ = ("majority", "voters")

    def __init__(self, voters: frozenset[NodeId]) -> None:
        assert voters, "a cluster has at least one voter"
        self.voters = voters
        self.majority = len(voters) // 2 + 1

    def reached(self, values: Iterable[int]) -> int:
        """
        Return the greatest value that a majority has reached.

        Args:
            values: One value per voter, in any order, such as match indexes.
        """
        ordered = sorted(values, reverse=True)
        assert len(ordered) == len(self.voters), (ordered, self.voters)
        return ordered[self.majority - 1]

    def won(self, granted: Collection[NodeId]) -> bool:
        """Say whether those who granted their vote are a majority; strangers do not count."""
        return len(self.voters.intersection(granted)) >= self.majority
