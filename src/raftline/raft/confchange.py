"""
From one membership to the next; pure.

    plain ── begin ──> plain            if the voters stay who they are
    plain ── begin ──> joint ── leave ──> plain

Every change of voters goes through a joint membership, also of a single one: the shorter way is safe only under
conditions that have been overlooked more than once, and costs just one entry less. Replacing a node is thus one step,
in which the cluster never has a voter less.

    a new node     add (it listens)  ── caught up ──> promote
    a replacement  add the new one   ── caught up ──> promote it and remove the old one, in one change
"""

from __future__ import annotations

import msgspec

from raftline.base.errors import LocalProtocolError
from raftline.base.ids import NodeId
from raftline.raft.membership import MEMBERSHIP_BYTES_MAX, Member, Membership, encode_membership


class MembershipChange(msgspec.Struct, frozen=True, array_like=True):
    """
    What is to change; each node is named at most once.

    Attributes:
        add: New nodes, as learners; their ids are above all that were ever used.
        promote: Learners that are to vote.
        demote: Voters that are to be learners.
        remove: Nodes that are to go.
        update: Members whose address or fingerprint is to change.
    """

    add: tuple[Member, ...] = ()
    promote: tuple[NodeId, ...] = ()
    demote: tuple[NodeId, ...] = ()
    remove: tuple[NodeId, ...] = ()
    update: tuple[Member, ...] = ()


def begin(current: Membership, change: MembershipChange) -> Membership:
    """
    Return the membership that starts `change`: joint if the voters differ.

    Raises:
        LocalProtocolError: `current` is joint, or the change does not fit it, would leave no voter, or has no effect.
    """
    _check(current, change)
    voters = (set(current.voters) | set(change.promote)) - set(change.demote) - set(change.remove)
    learners = set(current.learners) | {member.node_id for member in change.add} | set(change.demote)
    learners -= {*change.promote, *change.remove}
    if not voters:
        raise LocalProtocolError("a cluster needs a voter")
    outgoing = () if voters == set(current.voters) else current.voters
    members = {member.node_id: member for member in (*current.members, *change.add, *change.update)}
    kept = voters | learners | set(outgoing)
    begun = Membership(
        members=tuple(members[node_id] for node_id in sorted(kept)),
        voters=tuple(sorted(voters)),
        outgoing=outgoing,
        learners=tuple(sorted(learners)),
        node_id_max=max(current.node_id_max, *members),
    )
    if begun == current:
        raise LocalProtocolError("the change has no effect")
    if len(encode_membership(begun)) > MEMBERSHIP_BYTES_MAX:
        raise LocalProtocolError(f"the membership would be larger than {MEMBERSHIP_BYTES_MAX} bytes")
    return begun


def leave(joint: Membership) -> Membership:
    """
    Return the membership that ends a joint one.

    Raises:
        LocalProtocolError: `joint` is not joint.
    """
    if not joint.is_joint:
        raise LocalProtocolError("the membership is not joint")
    kept = {*joint.voters, *joint.learners}
    return Membership(
        members=tuple(member for member in joint.members if member.node_id in kept),
        voters=joint.voters,
        learners=joint.learners,
        node_id_max=joint.node_id_max,
    )


def _check(current: Membership, change: MembershipChange) -> None:
    if current.is_joint:
        raise LocalProtocolError("another change is under way")
    added = [member.node_id for member in change.add]
    named = [*added, *change.promote, *change.demote, *change.remove, *(member.node_id for member in change.update)]
    if len(set(named)) != len(named):
        raise LocalProtocolError("a change names a node twice")
    for node_id in added:
        if node_id <= current.node_id_max:
            raise LocalProtocolError(f"node {node_id} is no new id: ids up to {current.node_id_max} were used")
    _check_known("no learner", change.promote, current.learners)
    _check_known("no voter", change.demote, current.voters)
    members = tuple(member.node_id for member in current.members)
    _check_known("no member", (*change.remove, *(member.node_id for member in change.update)), members)


def _check_known(text: str, named: tuple[NodeId, ...], known: tuple[NodeId, ...]) -> None:
    for node_id in named:
        if node_id not in known:
            raise LocalProtocolError(f"node {node_id} is {text}")
