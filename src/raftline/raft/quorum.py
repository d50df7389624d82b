"""
Majorities: pure functions of who voted and who stores what. Nothing outside this module counts voters.

A joint membership asks two majorities and takes the weaker answer (Raft thesis section 4.3). Values of nodes that do
not vote, a leader that is being removed among them, are never looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from raftline.base.ids import NodeId
from raftline.raft.membership import Membership


class Quorum(Protocol):
    """Who decides, and how many of them it takes."""

    @property
    def voters(self) -> frozenset[NodeId]:
        """Every node that is counted."""

    def reached(self, values: Mapping[NodeId, int]) -> int:
        """Return the greatest value that a quorum has reached; a voter without a value has reached 0."""

    def won(self, granted: Collection[NodeId]) -> bool:
        """Say whether those who granted their vote are a quorum; strangers do not count."""


class MajorityQuorum:
    """A majority of a fixed set of voters; of nobody, none."""

    __slots__ = ("majority", "voters")

    def __init__(self, voters: frozenset[NodeId]) -> None:
        self.voters = voters
        self.majority = len(voters) // 2 + 1

    def reached(self, values: Mapping[NodeId, int]) -> int:
        """See `Quorum`. Sorted anew each time: with a handful of voters nothing kept sorted would be faster."""
        if not self.voters:
            return 0
        ordered = sorted([values.get(voter, 0) for voter in self.voters], reverse=True)
        return ordered[self.majority - 1]

    def won(self, granted: Collection[NodeId]) -> bool:
        """See `Quorum`."""
        return len(self.voters.intersection(granted)) >= self.majority


class JointQuorum:
    """Majorities of two sets of voters at once."""

    __slots__ = ("incoming", "outgoing")

    def __init__(self, incoming: frozenset[NodeId], outgoing: frozenset[NodeId]) -> None:
        self.incoming = MajorityQuorum(incoming)
        self.outgoing = MajorityQuorum(outgoing)

    @property
    def voters(self) -> frozenset[NodeId]:
        """See `Quorum`."""
        return self.incoming.voters | self.outgoing.voters

    def reached(self, values: Mapping[NodeId, int]) -> int:
        """See `Quorum`."""
        return min(self.incoming.reached(values), self.outgoing.reached(values))

    def won(self, granted: Collection[NodeId]) -> bool:
        """See `Quorum`."""
        return self.incoming.won(granted) and self.outgoing.won(granted)


def quorum_of(membership: Membership) -> Quorum:
    """Return who decides in a membership."""
    voters = frozenset(membership.voters)
    return JointQuorum(voters, frozenset(membership.outgoing)) if membership.is_joint else MajorityQuorum(voters)
