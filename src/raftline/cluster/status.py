"""
The state of the cluster as one node can tell: asked of all others over the links, with a deadline. Pure.

State hashes are only comparable at one index. A first question learns how far everybody has applied; the second asks
for the hash at the lowest of these, which all of them have passed and still remember.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.frames import StatusReply


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """
    One node of a cluster. What only the node itself could tell is None when it cannot be reached.

    Attributes:
        role: `leader`, `follower`, `pre-candidate`, `candidate`; `learner` while it does not vote; `recovering` while
            it gets back what its disk lost; `unknown` when it cannot be reached.
        match_index: Up to where its log agrees with the leader's, as the leader says; None without a leader.
        state_hash: Hexadecimal, at `state_hash_index`, which is the same for all nodes of one status.
    """

    node_id: NodeId
    role: str
    reachable: bool
    applied_index: LogIndex | None
    match_index: LogIndex | None
    state_hash: str | None
    state_hash_index: LogIndex | None


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """
    The cluster, as one node sees it.

    Attributes:
        leader_id: None if nobody who could be reached knows of one.
        term: The greatest known.
        commit_index: The greatest known.
    """

    leader_id: NodeId | None
    term: Term
    commit_index: LogIndex
    nodes: list[NodeStatus]

    def as_json(self) -> dict[str, Any]:
        """Return the form of `cluster status --json`."""
        return {
            "leader": self.leader_id,
            "term": self.term,
            "commit_index": self.commit_index,
            "nodes": [
                {
                    "id": node.node_id,
                    "role": node.role,
                    "reachable": node.reachable,
                    "applied_index": node.applied_index,
                    "match_index": node.match_index,
                    "state_hash": node.state_hash,
                    "state_hash_index": node.state_hash_index,
                }
                for node in self.nodes
            ],
        }


class StatusInquiry:
    """One question to several nodes; complete when all have answered."""

    def __init__(self, awaited: Iterable[NodeId]) -> None:
        self._awaited = set(awaited)
        self.replies: dict[NodeId, StatusReply] = {}

    def answered(self, node_id: NodeId, reply: StatusReply) -> None:
        """Take an answer."""
        self._awaited.discard(node_id)
        self.replies[node_id] = reply

    def lost(self, node_id: NodeId) -> None:
        """Give up on a node whose link went down."""
        self._awaited.discard(node_id)

    @property
    def is_complete(self) -> bool:
        """Nobody is waited for."""
        return not self._awaited


def comparable_index(replies: Iterable[StatusReply]) -> LogIndex:
    """Return the greatest index that all have applied."""
    return min((reply.applied_index for reply in replies), default=LogIndex(0))


def combine(
    node_ids: Iterable[NodeId],
    voters: Collection[NodeId],
    replies: dict[NodeId, StatusReply],
    digest_index: LogIndex,
    digests: dict[NodeId, StatusReply],
) -> ClusterStatus:
    """
    Join the answers.

    Args:
        voters: Who votes for certain; of a node that was just added, only others know.
        replies: Answers to the first question, this node's own included.
        digests: Answers to the second one, about `digest_index`.
    """
    newest = max(replies.values(), key=lambda reply: reply.term)
    # A leader of an older term may answer as well: it does not know yet.
    leaders = [node_id for node_id, reply in replies.items() if reply.role == "leader" and reply.term == newest.term]
    leader_id = leaders[0] if leaders else newest.leader_id
    match = replies[leaders[0]].match if leaders else {}
    nodes = []
    for node_id in sorted(node_ids):
        reply = replies.get(node_id)
        digest_reply = digests.get(node_id)
        digest = digest_reply.digest if digest_reply is not None else None
        nodes.append(
            NodeStatus(
                node_id=node_id,
                role=_role(reply, votes=node_id in voters),
                reachable=reply is not None,
                applied_index=reply.applied_index if reply is not None else None,
                match_index=LogIndex(match[node_id]) if node_id in match else None,
                state_hash=digest.hex() if digest is not None else None,
                state_hash_index=digest_index if digest is not None else None,
            )
        )
    return ClusterStatus(
        leader_id=leader_id,
        term=newest.term,
        commit_index=max(reply.commit_index for reply in replies.values()),
        nodes=nodes,
    )


def _role(reply: StatusReply | None, *, votes: bool) -> str:
    if reply is None:
        return "unknown"
    return "learner" if reply.role == "follower" and not votes else reply.role
