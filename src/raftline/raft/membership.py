"""
Who takes part in a cluster, as a value: voters, learners, and where each can be reached.

    plain   voters decide; learners store the log and are counted for nothing
    joint   `voters` and `outgoing` both decide, each by a majority of its own (Raft thesis section 4.3)

A membership is the payload of an entry of kind MEMBERSHIP, part of a snapshot, and kept beside a log whose beginning
is gone. To the core, address and fingerprint are text and bytes that travel with the node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from raftline.base.ids import NodeId

MEMBERSHIP_BYTES_MAX: Final = 1_700
"""Encoded bytes of a membership: two of them fit the header of a log segment. Room for about twenty nodes."""


class Member(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One node.

    Attributes:
        node_id: Never used twice in the life of a cluster.
        address: Where others reach it; for the driver.
        fingerprint: Of its key; for the driver, which lets nobody in who has another.
    """

    node_id: NodeId
    address: str = ""
    fingerprint: bytes = b""


class Membership(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """
    A cluster configuration. Its tag is the version of the format.

    Attributes:
        members: All nodes, ordered by id.
        voters: Who decides, ordered; of a joint membership, the majority to be. Empty where nothing is known yet.
        outgoing: The majority that was, ordered; empty unless the membership is joint.
        learners: Who only listens, ordered. A voter on its way to be a learner is in `outgoing` too.
        node_id_max: Greatest id that any member ever had; a new one is greater.
    """

    members: tuple[Member, ...]
    voters: tuple[NodeId, ...]
    outgoing: tuple[NodeId, ...] = ()
    learners: tuple[NodeId, ...] = ()
    node_id_max: int = 0

    @property
    def is_joint(self) -> bool:
        """Whether two majorities decide."""
        return bool(self.outgoing)

    @property
    def deciders(self) -> frozenset[NodeId]:
        """Every node whose vote counts in either majority."""
        return frozenset(self.voters + self.outgoing)

    def member(self, node_id: NodeId) -> Member | None:
        """Return a node by its id; None if it takes no part."""
        return next((member for member in self.members if member.node_id == node_id), None)


NOBODY: Final = Membership((), ())
"""Of a node that has joined no cluster yet."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Membership)


def initial_membership(members: Iterable[Member]) -> Membership:
    """Return the membership a cluster is begun with: all of `members` vote."""
    ordered = tuple(sorted(members, key=lambda member: member.node_id))
    ids = tuple(member.node_id for member in ordered)
    return Membership(ordered, ids, node_id_max=max(ids, default=0))


def membership_of_voters(voters: Iterable[NodeId]) -> Membership:
    """Return the membership of nodes of which only the ids are known."""
    return initial_membership(Member(node_id) for node_id in voters)


def encode_membership(membership: Membership) -> bytes:
    """Build the payload of a membership entry; equal memberships give equal bytes."""
    return _ENCODER.encode(membership)


def decode_membership(payload: bytes) -> Membership:
    """
    Read the payload of a membership entry.

    Raises:
        ValueError: It is none, or of a version this release does not know, or contradicts itself.
    """
    try:
        membership = _DECODER.decode(payload)
    except msgspec.DecodeError as error:
        raise ValueError(f"no membership: {error}") from error
    known = {member.node_id for member in membership.members}
    named = {*membership.voters, *membership.outgoing, *membership.learners}
    if known != named or len(known) != len(membership.members) or set(membership.voters) & set(membership.learners):
        raise ValueError(f"a membership that contradicts itself: {membership}")
    return membership
