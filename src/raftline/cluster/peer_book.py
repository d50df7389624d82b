"""
Whom a node talks to: where they are, and by which key it knows them.

    contacts      whom it was founded with, or was told of when it joined: until it is a member for certain
    members       of every membership that may be in force, so that a change which is taken back cuts nobody off
    introduced    members of a later membership than its own, of which a peer that it knows has told

Who is behind may know nobody of those who lead now; it learns of them from any peer that is still a member, since
hellos carry memberships. Whoever is in none of the three is let go, and told so when it calls again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raftline.base.ids import LogIndex, NodeId
from raftline.cluster.config import Peer
from raftline.raft.membership import Member, Membership, initial_membership


def member_of(node_id: NodeId, peer: Peer) -> Member:
    """Return a peer as memberships name it."""
    host = f"[{peer.host}]" if ":" in peer.host else peer.host
    return Member(node_id, f"{host}:{peer.port}", bytes.fromhex(peer.fingerprint))


def peer_of(member: Member) -> Peer:
    """
    Return where a member is.

    Raises:
        ValueError: Its address is none.
    """
    host, _, port = member.address.rpartition(":")
    return Peer(host.removeprefix("[").removesuffix("]"), int(port), member.fingerprint.hex())


def founding_membership(peers: Mapping[NodeId, Peer]) -> Membership:
    """Return what a cluster of these nodes begins with; the same on each of them."""
    return initial_membership(member_of(node_id, peer) for node_id, peer in peers.items())


class PeerBook:
    """
    The other nodes, as one of them knows them.

    Args:
        contacts: Known before there is a membership.

    Attributes:
        known: Everyone to talk to.
    """

    def __init__(self, node_id: NodeId, contacts: Mapping[NodeId, Peer]) -> None:
        self._node_id = node_id
        self._contacts = {other: peer for other, peer in contacts.items() if other != node_id}
        self._members: dict[NodeId, Peer] = {}
        self._introduced: dict[NodeId, Peer] = {}
        self._introduced_index = LogIndex(0)
        self._index = LogIndex(0)
        self._is_settled = False
        self._node_id_max = 0
        self.known: Mapping[NodeId, Peer] = self._contacts

    def peer(self, node_id: NodeId) -> Peer | None:
        """Return where a node is; None if it is nobody to talk to."""
        return self.known.get(node_id)

    def is_dismissed(self, node_id: NodeId) -> bool:
        """Whether a node was a member once, and certainly is none now."""
        return self._is_settled and node_id not in self.known and 0 < node_id <= self._node_id_max

    def follow(self, membership: Membership, index: LogIndex, *, is_committed: bool) -> bool:
        """
        Take note of the membership in force, and since which index.

        Returns: Whether somebody is new, gone, or somewhere else.
        """
        if not membership.members:
            return False
        members = _peers_of(membership.members, self._node_id)
        self._members = members if is_committed else {**self._members, **members}
        self._is_settled = is_committed
        self._index = index
        self._node_id_max = membership.node_id_max
        if index >= self._introduced_index:
            self._introduced = {}
        if is_committed and membership.member(self._node_id) is not None:
            self._contacts = {}
        return self._settle()

    def introduce(self, members: Iterable[Member], index: LogIndex) -> bool:
        """
        Take note of a membership that a known peer has.

        Returns: As `follow`.
        """
        if index <= max(self._index, self._introduced_index):
            return False
        self._introduced = _peers_of(members, self._node_id)
        self._introduced_index = index
        return self._settle()

    def _settle(self) -> bool:
        known = {**self._contacts, **self._introduced, **self._members}
        if known == self.known:
            return False
        self.known = known
        return True


def _peers_of(members: Iterable[Member], own_id: NodeId) -> dict[NodeId, Peer]:
    return {member.node_id: peer_of(member) for member in members if member.node_id != own_id}
