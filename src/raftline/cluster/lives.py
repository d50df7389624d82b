"""
Which nodes live, and which life they are in.

Each life of a node has an *incarnation*, greater than all earlier ones: the wall clock when it began, in milliseconds.
A life begins with the command StartNode, which ends the sessions of earlier ones, and until that is applied the node
binds no session. It ends with BuryNode, which the leader proposes when it has heard nothing of the node for a while,
or with the process.

A node that was only cut off or paused learns of its own burial like everybody else, from the log; or it finds that it
has heard no leader for long. Either way its sessions are over, and it begins a new life.

A burial may name an incarnation by the leader's clock, when the node has never been heard; the node's own clock may be
behind. A beginning that comes out stale is therefore repeated with ever larger steps ahead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Unavailable
from raftline.base.ids import NodeId
from raftline.cluster.config import Clocks, ClusterConfig
from raftline.machine.node_commands import BuryNode, StartNode
from raftline.machine.outcomes import CommandResult, Done, Rejected
from raftline.raft.node import Raft, Role

if TYPE_CHECKING:
    from raftline.cluster.links import PeerLinks
    from raftline.machine.commands import Action

_LOG: Final = logging.getLogger(__name__)

_FIRST_STEP_MS: Final = 1_000


class Lives:
    """
    This node's life, and the leader's watch over the others'.

    Args:
        propose: Proposes a command of the node's own, which no bound refuses.
        on_end: Called when this node's sessions are over and a new life begins.
        on_refusal: Called with the reason for which the cluster does not take this node for what it says it is.

    Attributes:
        first_incarnation: The first one of this process.
        incarnation: The present one.
    """

    def __init__(
        self,
        config: ClusterConfig,
        clocks: Clocks,
        raft: Raft,
        *,
        propose: Callable[[Action, Callable[[CommandResult], None] | None], None],
        on_end: Callable[[], None],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._config = config
        self._timing = config.timing
        self._clocks = clocks
        self._raft = raft
        self._propose = propose
        self._on_end = on_end
        self._on_refusal = on_refusal
        self.first_incarnation = self.incarnation = clocks.wall_ms()
        self._of_this_process = {self.incarnation}
        self._step_ms = _FIRST_STEP_MS
        self._began = asyncio.Event()
        self._leader_heard_ns = clocks.monotonic_ns()
        self._leading_since_ns: int | None = None
        self._seen_ns: dict[NodeId, int] = {}
        self._incarnations: dict[NodeId, int] = {}
        self._buried: set[NodeId] = set()

    # This node

    def begin(self) -> None:
        """Propose the beginning of the present life."""
        incarnation = self.incarnation
        config = self._config
        action = StartNode(config.node_id, incarnation, config.data_id, config.http_url, config.xmpp_address)
        self._propose(action, lambda result: self._begin_decided(incarnation, result))

    def _begin_decided(self, incarnation: int, result: CommandResult) -> None:
        if incarnation != self.incarnation:
            return  # a later life has been proposed meanwhile
        if isinstance(result.outcome, Done):
            self._step_ms = _FIRST_STEP_MS
            self._began.set()
            return
        if isinstance(result.outcome, Rejected):
            self._on_refusal(result.outcome.text)
            return
        if self._began.is_set():
            self.end(incarnation)  # it was told once more of where this node is, and the life was over by then
            return
        self._enter(max(incarnation, self._clocks.wall_ms()) + self._step_ms)
        self._step_ms *= 2
        self.begin()

    def _enter(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self._of_this_process.add(incarnation)

    def is_of_this_process(self, incarnation: int) -> bool:
        """
        Whether a command of that incarnation was proposed by this process, so that its ticket means something here.

        An earlier process may have used greater ones: its clock may have been ahead.
        """
        return incarnation in self._of_this_process

    @property
    def is_live(self) -> bool:
        """The present life has begun: sessions may be bound."""
        return self._began.is_set()

    async def wait_live(self) -> None:
        """
        Wait until the present life has begun.

        Raises:
            Unavailable: There is no quorum now; waited `timing.wait_ns`.
        """
        try:
            async with asyncio.timeout(self._timing.wait_ns / 1e9):
                await self._began.wait()
        except TimeoutError:
            raise Unavailable("this node has not joined the cluster's life yet") from None

    def end(self, incarnation: int) -> None:
        """
        Note that this life is over, and begin a new one.

        Args:
            incarnation: The life in which that was found out; nothing happens if a later one has begun.
        """
        if incarnation != self.incarnation or not self._began.is_set():
            return
        _LOG.warning("life %d of this node is over: its sessions end", self.incarnation)
        self._began.clear()
        self._enter(max(self.incarnation + 1, self._clocks.wall_ms()))
        self._on_end()
        self.begin()

    # The others

    def peer_arrived(self, node_id: NodeId, incarnation: int) -> None:
        """Note that a node has said which life it is in."""
        self._incarnations[node_id] = incarnation
        self._seen_ns[node_id] = self._clocks.monotonic_ns()
        self._buried.discard(node_id)

    def keep_house(self, now_ns: int, links: PeerLinks) -> None:
        """Look after silence: of the leader, and as leader of the others."""
        raft = self._raft
        if raft.leader_id is not None:
            self._leader_heard_ns = now_ns
        elif now_ns - self._leader_heard_ns >= self._timing.isolated_after_ns:
            self._leader_heard_ns = now_ns
            self.end(self.incarnation)
        if raft.role is not Role.LEADER:
            self._leading_since_ns = None
            return
        if self._leading_since_ns is None:
            # Followers owe one another nothing: what they said before says nothing about their life.
            self._leading_since_ns = now_ns
            self._buried.clear()
        self._follow_membership(now_ns)
        for node_id, seen_ns in self._seen_ns.items():
            heard_ns = max(links.last_heard_ns(node_id) or 0, seen_ns)
            if now_ns - max(heard_ns, self._leading_since_ns) < self._timing.bury_after_ns:
                self._seen_ns[node_id] = heard_ns
                self._buried.discard(node_id)
            elif node_id not in self._buried:
                self._bury(node_id)

    def _follow_membership(self, now_ns: int) -> None:
        """Watch over exactly the other members; one that is new has just been seen."""
        members = {member.node_id for member in self._raft.membership.members} - {self._config.node_id}
        if members != self._seen_ns.keys():
            self._seen_ns = {node_id: self._seen_ns.get(node_id, now_ns) for node_id in sorted(members)}
            self._buried &= members

    def _bury(self, node_id: NodeId) -> None:
        incarnation = self._incarnations.get(node_id, self._clocks.wall_ms())
        _LOG.warning("node %d is silent: its sessions end", node_id)
        self._buried.add(node_id)
        self._propose(BuryNode(node_id, incarnation), None)
