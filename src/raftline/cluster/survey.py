"""Asks all nodes how they are, and answers such questions; `status` joins the answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from raftline.base.ids import LogIndex, NodeId
from raftline.cluster.config import ClusterConfig
from raftline.cluster.frames import StatusReply, StatusRequest
from raftline.cluster.links import PeerLinks
from raftline.cluster.status import ClusterStatus, StatusInquiry, combine, comparable_index
from raftline.machine.machine import Machine
from raftline.raft.node import Raft, Role

_LOG: Final = logging.getLogger(__name__)


class Survey:
    """
    Questions about the state of the cluster under way.

    Args:
        on_sent: Called when frames were queued that should leave soon.
    """

    def __init__(
        self,
        config: ClusterConfig,
        raft: Raft,
        machine: Machine,
        links: PeerLinks,
        *,
        on_sent: Callable[[], None],
    ) -> None:
        self._config = config
        self._raft = raft
        self._machine = machine
        self._links = links
        self._on_sent = on_sent
        self._open: dict[int, tuple[StatusInquiry, asyncio.Future[None]]] = {}
        self._next_request_id = 1

    async def status(self) -> ClusterStatus:
        """Ask all nodes, for at most `timing.status_ns` in all, and join the answers."""
        deadline = asyncio.get_running_loop().time() + self._config.timing.status_ns / 1e9
        replies = await self._ask(LogIndex(0), deadline)
        digest_index = comparable_index(replies.values())
        digests = await self._ask(digest_index, deadline) if digest_index else {}
        return combine(self._config.peers, replies, digest_index, digests)

    async def _ask(self, digest_index: LogIndex, deadline: float) -> dict[NodeId, StatusReply]:
        """Ask once, and return the answers that came by the deadline."""
        own_id = self._config.node_id
        request = StatusRequest(self._next_request_id, digest_index)
        self._next_request_id += 1
        inquiry = StatusInquiry(
            node_id for node_id in self._config.peers if node_id != own_id and self._links.send(node_id, request)
        )
        inquiry.replies[own_id] = self.reply_to(request)
        self._on_sent()
        if not inquiry.is_complete:
            done = asyncio.get_running_loop().create_future()
            self._open[request.request_id] = (inquiry, done)
            try:
                async with asyncio.timeout_at(deadline):
                    await done
            except TimeoutError:
                _LOG.info("status: not all nodes answered in time")
            finally:
                del self._open[request.request_id]
        return inquiry.replies

    def reply_to(self, request: StatusRequest) -> StatusReply:
        """Return this node's own answer."""
        raft = self._raft
        match: dict[int, int] = {}
        if raft.role is Role.LEADER:
            match = {node_id: raft.match_index(node_id) or 0 for node_id in raft.voters}
        return StatusReply(
            request_id=request.request_id,
            role=raft.role.value,
            term=raft.term,
            leader_id=raft.leader_id,
            commit_index=raft.commit_index,
            applied_index=self._machine.applied_index,
            match=match,
            digest=self._machine.digest_at(request.digest_index) if request.digest_index else None,
        )

    def answered(self, node_id: NodeId, reply: StatusReply) -> None:
        """Take an answer; one that comes after the deadline is ignored."""
        waiting = self._open.get(reply.request_id)
        if waiting is not None:
            waiting[0].answered(node_id, reply)
            self._finish(*waiting)

    def peer_lost(self, node_id: NodeId) -> None:
        """Wait no longer for a node whose link is down."""
        for inquiry, done in self._open.values():
            inquiry.lost(node_id)
            self._finish(inquiry, done)

    @staticmethod
    def _finish(inquiry: StatusInquiry, done: asyncio.Future[None]) -> None:
        if inquiry.is_complete and not done.done():
            done.set_result(None)
