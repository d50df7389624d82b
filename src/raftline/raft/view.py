"""What a core tells about itself, between calls and at any time. Nothing here changes anything."""

from __future__ import annotations

from raftline.base.errors import LocalProtocolError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.election import Election
from raftline.raft.follower import Follower
from raftline.raft.leader import Leader
from raftline.raft.log import RaftLog
from raftline.raft.membership import Membership
from raftline.raft.membership_log import MembershipLog
from raftline.raft.messages import HardState
from raftline.raft.ready import FollowerStatus, Role
from raftline.raft.recovery import Recovery


class CoreView:
    """The readable side of `raftline.raft.node.Raft`."""

    _node_id: NodeId
    _election: Election
    _follower: Follower
    _leader: Leader | None
    _log: RaftLog
    _memberships: MembershipLog
    _recovery: Recovery
    _now_ns: int

    @property
    def node_id(self) -> NodeId:
        """This node."""
        return self._node_id

    @property
    def voters(self) -> frozenset[NodeId]:
        """Every node whose vote counts now."""
        return self._memberships.current.deciders

    @property
    def membership(self) -> Membership:
        """The membership in force: the last one in the log."""
        return self._memberships.current

    @property
    def membership_index(self) -> LogIndex:
        """Since which entry the membership is in force; 0 for what the cluster was begun with."""
        return self._memberships.index

    @property
    def membership_is_committed(self) -> bool:
        """Whether the membership in force is known to be committed, so that it will not be taken back."""
        return self._memberships.index <= self._log.commit_index

    def membership_at(self, index: LogIndex) -> Membership:
        """Return the membership in force at `index`, at or above `base_index`: for a snapshot taken there."""
        if not self._log.base_index <= index <= self._log.last_index:
            raise LocalProtocolError(f"entry {index} is not in the log")
        return self._memberships.at(index)

    def term_at(self, index: LogIndex) -> Term | None:
        """Return the term of the entry at `index`, that at `base_index` included; None if it is not in the log."""
        return self._log.term_at(index)

    @property
    def base_index(self) -> LogIndex:
        """Index of the last entry that is gone, by compaction or a snapshot; 0 if none is."""
        return self._log.base_index

    @property
    def is_recovering(self) -> bool:
        """Whether this node has yet to get back what it had acknowledged and lost."""
        return self._recovery.is_on

    @property
    def hard_state(self) -> HardState:
        """Term and vote, durable or not."""
        return self._election.hard_state

    @property
    def role(self) -> Role:
        """What this node is at the moment."""
        return self._election.role

    @property
    def term(self) -> Term:
        """Current term, maybe not yet durable."""
        return self._election.term

    @property
    def leader_id(self) -> NodeId | None:
        """Who leads, as far as this node knows."""
        return self._election.leader_id

    @property
    def commit_index(self) -> LogIndex:
        """Index of the last entry known to be committed; may be ahead of this node's disk."""
        return self._log.commit_index

    @property
    def last_index(self) -> LogIndex:
        """Index of the last entry, durable or not."""
        return self._log.last_index

    @property
    def durable_index(self) -> LogIndex:
        """Index of the last entry that is durable here and still part of the log."""
        return self._log.durable_index

    @property
    def delivered_index(self) -> LogIndex:
        """Index of the last entry handed out in `Ready.committed`."""
        return self._log.delivered_index

    @property
    def accepted_index(self) -> LogIndex:
        """Index up to which this node's log is known to equal that of the term's leader."""
        return self._log.last_index if self._leader else self._follower.accepted_index

    @property
    def transfer_target(self) -> NodeId | None:
        """Who is to take the leadership over, while this node hands it over."""
        return self._leader.transfer_target if self._leader else None

    def match_index(self, node_id: NodeId) -> LogIndex | None:
        """Return up to where a voter stores the log durably, as this leader knows; None if it does not lead."""
        if self._leader is None:
            return None
        if node_id == self._node_id:
            return self._log.durable_index
        progress = self._leader.progress_of(node_id)
        return progress.match_index if progress else None

    def followers(self) -> list[FollowerStatus]:
        """Return how far each follower is, ordered by node; empty if this node does not lead."""
        leader = self._leader
        if leader is None:
            return []
        return [
            FollowerStatus(
                node_id=progress.node_id,
                state=progress.state,
                match_index=progress.match_index,
                next_index=progress.next_index,
                inflight_count=progress.inflight_count,
                contact_ns=progress.contact_ns,
                is_learner=progress.is_learner,
                is_caught_up=leader.is_caught_up(progress, self._now_ns),
                is_recovering=progress.is_recovering,
            )
            for progress in leader.followers
        ]
