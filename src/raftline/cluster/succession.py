"""
Who leads next: handing the leadership over, on request or because this node's disk makes it a bad leader.

    asked to (an operator, the end of this process)    to whom they name, or to the most caught-up voter
    it is unfit: its disk is short of space, it is     the same, unless that voter is unfit too; again after a while
    drained
    the oldest write hangs                             the same; if nobody takes it, step down and let them elect

A leader whose disk hangs would otherwise lead on: the others commit without it, but it applies nothing, so its clients
wait, and every link and read depends on a machine that is half dead. It cannot come back before its disk does, since
its vote for itself must be durable first.

What is tried and not taken within an election timeout is given up by the core (thesis section 3.10).
"""

from __future__ import annotations

import logging
from typing import Final

from raftline.base.errors import Unavailable
from raftline.base.ids import NodeId
from raftline.cluster.config import MILLISECOND_NS, ClusterConfig
from raftline.cluster.frames import TransferRequest
from raftline.cluster.links import PeerLinks
from raftline.raft.node import Raft, Role

__all__ = ["Succession", "TransferRequest"]

_LOG: Final = logging.getLogger(__name__)

HANG_MIN_NS: Final = 500 * MILLISECOND_NS
"""No disk that hangs shorter is given up: a busy one may take as long as this for a single sync."""

UNFIT_RETRY_NS: Final = 10_000 * MILLISECOND_NS
"""Pause between two attempts to hand over for want of space; where all nodes share a disk they all fail."""


class Succession:
    """
    Hands the leadership of this node over.

    Attributes:
        handover_count: How often it was begun here.
        step_down_count: How often this node gave it up to nobody in particular.
    """

    def __init__(self, config: ClusterConfig, raft: Raft, links: PeerLinks) -> None:
        self._raft = raft
        self._links = links
        self._election_ns = config.raft.election_timeout_max_ns
        self._hang_ns = max(HANG_MIN_NS, 2 * self._election_ns)
        self._unfit_peers: set[NodeId] = set()
        self._tried_ns: int | None = None
        self._unfit_tried_ns: int | None = None
        self.handover_count = 0
        self.step_down_count = 0

    def peer_told(self, node_id: NodeId, *, is_unfit: bool) -> None:
        """Note whether a node can take a leadership."""
        if is_unfit:
            self._unfit_peers.add(node_id)
        else:
            self._unfit_peers.discard(node_id)

    def heir(self) -> NodeId | None:
        """
        Return the most caught-up voter that can be reached and has space; None without one.

        While the membership changes, that is one who votes in the new one: the core refuses whoever leaves.
        """
        voters = self._raft.membership.voters
        fit = [
            follower
            for follower in self._raft.followers()
            if self._links.is_up(follower.node_id)
            and follower.node_id not in self._unfit_peers
            and follower.node_id in voters
            and not follower.is_recovering
        ]
        best = max(fit, key=lambda follower: (follower.match_index, follower.contact_ns), default=None)
        return None if best is None else best.node_id

    def hand_over(self, now_ns: int, target: NodeId | None = None) -> NodeId | None:
        """
        Begin to hand over, to `target` or to the heir; a `ready` must follow.

        Returns: To whom; None if this node does not lead, or nobody can take it.
        """
        if self._raft.role is not Role.LEADER:
            return None
        receiver = self.heir() if target is None else target
        if receiver == self._raft.node_id or receiver not in self._raft.membership.voters:
            return None
        self._raft.transfer_leadership(receiver, now_ns)
        self.handover_count += 1
        return receiver

    def transfer(self, target: NodeId | None, now_ns: int) -> None:
        """
        Have the leadership handed over, here or by asking the leader; it is given up after an election timeout.

        Args:
            target: Who is to lead; None for the most caught-up node that can be reached.

        Raises:
            Unavailable: Nobody is known to lead, or the leader cannot be reached, or has nobody to hand over to.
        """
        leader_id = self._raft.leader_id
        own_id = self._raft.node_id
        if leader_id is None:
            raise Unavailable("no leader is known")
        if leader_id != own_id:
            if not self._links.send(leader_id, TransferRequest(target or NodeId(0))):
                raise Unavailable(f"node {leader_id}, which leads, cannot be reached")
        elif target != own_id and self.hand_over(now_ns, target) is None:
            raise Unavailable("no other node can be reached that could lead")

    def asked(self, frame: TransferRequest, now_ns: int) -> None:
        """Do as another node asks on behalf of an operator; nothing, if this node does not lead any more."""
        self.hand_over(now_ns, frame.target if frame.target in self._raft.membership.voters else None)

    def keep_house(self, now_ns: int, *, is_unfit: bool, oldest_write_ns: int | None) -> None:
        """
        As leader, look whether the disk still lets this node lead.

        Args:
            is_unfit: There is too little space for new commands, or the node is drained.
            oldest_write_ns: When the oldest write was submitted that is not durable yet, unless it waits for space.
        """
        if self._raft.role is not Role.LEADER or len(self._raft.voters) == 1:
            self._tried_ns = None
            return
        if oldest_write_ns is not None and now_ns - oldest_write_ns >= self._hang_ns:
            self._flee_hanging_disk(now_ns, now_ns - oldest_write_ns)
            return
        self._tried_ns = None
        if not is_unfit:
            self._unfit_tried_ns = None
        elif self._unfit_tried_ns is None or now_ns - self._unfit_tried_ns >= UNFIT_RETRY_NS:
            self._unfit_tried_ns = now_ns
            if (receiver := self.hand_over(now_ns)) is not None:
                _LOG.warning("this node is not fit to lead: node %d is to", receiver)

    def _flee_hanging_disk(self, now_ns: int, age_ns: int) -> None:
        if self._tried_ns is None:
            self._tried_ns = now_ns
            receiver = self.hand_over(now_ns)
            if receiver is not None:
                _LOG.error("a write has not reached the disk for %d ms: node %d is to lead", age_ns // 10**6, receiver)
                return
        elif now_ns - self._tried_ns < self._election_ns:
            return
        _LOG.error("a write has not reached the disk for %d ms: this node leads no longer", age_ns // 10**6)
        self._raft.step_down(now_ns)
        self.step_down_count += 1
