"""
Asks other nodes how they are, and answers such questions; `status` joins the answers.

A question may wait for its answer until an index is applied there: so a node learns that others have caught up with
it, in one round trip and without asking again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from raftline.base.ids import LogIndex, NodeId
from raftline.cluster.config import ClusterConfig
from raftline.cluster.frames import StatusReply, StatusRequest
from raftline.cluster.links import PeerLinks
from raftline.cluster.reading import Reading
from raftline.cluster.status import ClusterStatus, StatusInquiry, combine, comparable_index
from raftline.machine.machine import Machine
from raftline.raft.node import Raft, Role

HELD_REQUEST_COUNT_MAX: Final = 4_096
"""Questions that wait for this node to catch up; one beyond gets no answer, and whoever asked waits its time out."""

GATHER_S: Final = 0.5
"""Longest wait for the others' figures: whoever watches asks again every second."""

_LOG: Final = logging.getLogger(__name__)


class Survey:
    """
    Questions about the state of the cluster under way.

    Args:
        wall_ms: The wall clock.
        on_sent: Called when frames were queued that should leave soon.
        reading: Returns the figures of this node.

    Attributes:
        clock_leads_ms: How far the wall clock of each node was ahead of this one's when it last answered.
    """

    def __init__(
        self,
        config: ClusterConfig,
        raft: Raft,
        machine: Machine,
        links: PeerLinks,
        *,
        wall_ms: Callable[[], int],
        on_sent: Callable[[], None],
        reading: Callable[[], Reading],
    ) -> None:
        self._config = config
        self._raft = raft
        self._machine = machine
        self._links = links
        self._wall_ms = wall_ms
        self._on_sent = on_sent
        self._reading = reading
        self.clock_leads_ms: dict[NodeId, int] = {}
        self._open: dict[int, tuple[StatusInquiry, asyncio.Future[None]]] = {}
        self._next_request_id = 1
        self._held: list[tuple[NodeId, StatusRequest]] = []

    async def status(self) -> ClusterStatus:
        """Ask all nodes, for at most `timing.status_ns` in all, and join the answers."""
        deadline = asyncio.get_running_loop().time() + self._config.timing.status_ns / 1e9
        members = self._member_ids()
        replies = await self._ask(members, self._request(), deadline)
        digest_index = comparable_index(replies.values())
        digests: dict[NodeId, StatusReply] = {}
        if digest_index:
            digests = await self._ask(members, self._request(digest_index=digest_index), deadline)
        return combine(members, self._settled_voters(), replies, digest_index, digests)

    async def gather(self) -> tuple[ClusterStatus, dict[NodeId, Reading]]:
        """Ask all nodes for their figures, for at most `GATHER_S`; state hashes, which take longer, are left out."""
        deadline = asyncio.get_running_loop().time() + GATHER_S
        members = self._member_ids()
        replies = await self._ask(members, self._request(wants_reading=True), deadline)
        status = combine(members, self._settled_voters(), replies, LogIndex(0), {})
        return status, {node_id: reply.reading for node_id, reply in replies.items() if reply.reading is not None}

    def _member_ids(self) -> list[NodeId]:
        """Return all members, this node even if it is none (yet, or any more)."""
        return sorted({self._config.node_id, *(member.node_id for member in self._raft.membership.members)})

    def _settled_voters(self) -> tuple[NodeId, ...]:
        """Return who votes whatever becomes of a change that is under way."""
        membership = self._raft.membership
        is_open = membership.is_joint and not self._raft.membership_is_committed
        return membership.outgoing if is_open else membership.voters

    async def await_applied(self, node_ids: Iterable[NodeId]) -> bool:
        """
        Wait, for at most `timing.status_ns`, until these nodes have applied all that this one has applied by now.

        Returns: Whether all of them have; False for one that cannot be reached.
        """
        deadline = asyncio.get_running_loop().time() + self._config.timing.status_ns / 1e9
        awaited = set(node_ids)
        replies = await self._ask(awaited, self._request(after_index=self._machine.applied_index), deadline)
        return awaited <= replies.keys()

    def _request(
        self,
        *,
        digest_index: LogIndex = LogIndex(0),
        after_index: LogIndex = LogIndex(0),
        wants_reading: bool = False,
    ) -> StatusRequest:
        request = StatusRequest(self._next_request_id, digest_index, after_index, wants_reading)
        self._next_request_id += 1
        return request

    async def _ask(
        self, node_ids: Iterable[NodeId], request: StatusRequest, deadline: float
    ) -> dict[NodeId, StatusReply]:
        """Ask once, and return the answers that came by the deadline, this node's own among them."""
        own_id = self._config.node_id
        inquiry = StatusInquiry(
            node_id for node_id in node_ids if node_id != own_id and self._links.send(node_id, request)
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
                _LOG.info("not all nodes answered in time")
            finally:
                del self._open[request.request_id]
        return inquiry.replies

    def reply_to(self, request: StatusRequest) -> StatusReply:
        """Return this node's own answer."""
        raft = self._raft
        match: dict[int, int] = {}
        if raft.role is Role.LEADER:
            match = {node_id: raft.match_index(node_id) or 0 for node_id in self._member_ids()}
        return StatusReply(
            request_id=request.request_id,
            role="recovering" if raft.is_recovering else raft.role.value,
            term=raft.term,
            leader_id=raft.leader_id,
            commit_index=raft.commit_index,
            applied_index=self._machine.applied_index,
            match=match,
            digest=self._machine.digest_at(request.digest_index) if request.digest_index else None,
            wall_ms=self._wall_ms(),
            reading=self._reading() if request.wants_reading else None,
        )

    def asked(self, node_id: NodeId, request: StatusRequest) -> None:
        """Answer another node, now or once this one has applied what it names."""
        if request.after_index <= self._machine.applied_index:
            self._links.send(node_id, self.reply_to(request))
        elif len(self._held) < HELD_REQUEST_COUNT_MAX:
            self._held.append((node_id, request))

    def slice_applied(self) -> None:
        """Answer what waited for what is applied now."""
        if self._held:
            held, self._held = self._held, []
            for node_id, request in held:
                self.asked(node_id, request)

    def answered(self, node_id: NodeId, reply: StatusReply) -> None:
        """Take an answer; one that comes after the deadline is ignored."""
        if reply.wall_ms:
            self.clock_leads_ms[node_id] = reply.wall_ms - self._wall_ms()
        waiting = self._open.get(reply.request_id)
        if waiting is not None:
            waiting[0].answered(node_id, reply)
            self._finish(*waiting)

    def peer_lost(self, node_id: NodeId) -> None:
        """Wait no longer for a node whose link is down, and forget what it asked."""
        self.clock_leads_ms.pop(node_id, None)
        self._held = [(asker, request) for asker, request in self._held if asker != node_id]
        for inquiry, done in self._open.values():
            inquiry.lost(node_id)
            self._finish(inquiry, done)

    @staticmethod
    def _finish(inquiry: StatusInquiry, done: asyncio.Future[None]) -> None:
        if inquiry.is_complete and not done.done():
            done.set_result(None)
