"""
Commands on their way to the leader: from this node's pending ones over the link or into the own queue, from the queue
into entries. `proposals` explains rounds, `leader_queue` the queue.

A leader takes a follower's frame only for its present term and refuses the rest of a round once it refused a frame of
it. It never drops what it took, save by losing its leadership, when it tells what entered no log. So an unresolved
command is either on its way, in a queue, in a log, or known to be refused, and no command overtakes another.
"""

from __future__ import annotations

import logging
from typing import Final

from raftline.base.errors import Busy
from raftline.base.ids import NodeId, Term
from raftline.cluster.config import Clocks, ClusterConfig
from raftline.cluster.frames import Proposals, Refusal
from raftline.cluster.leader_queue import LeaderQueue
from raftline.cluster.links import PeerLinks
from raftline.cluster.proposals import PendingProposals
from raftline.machine.entry import encode_entry
from raftline.raft.node import Raft, Role

_LOG: Final = logging.getLogger(__name__)

_FRAME_COMMANDS_MAX: Final = 1_024
_FRAME_COMMAND_BYTES_MAX: Final = 1 << 20


class Forwarding:
    """
    Moves commands towards the log.

    Attributes:
        pending: This node's commands without an outcome.
        queue: Commands this node took as leader that are in no entry yet.
        entry_count, entry_command_count: Entries proposed here, and the commands in them.
    """

    def __init__(self, config: ClusterConfig, raft: Raft, links: PeerLinks, clocks: Clocks) -> None:
        limits = config.limits
        self._node_id = config.node_id
        self._limits = limits
        self._timing = config.timing
        self._raft = raft
        self._links = links
        self._clocks = clocks
        self.pending = PendingProposals(count_max=limits.pending_count_max, bytes_max=limits.pending_bytes_max)
        self.queue = LeaderQueue(count_max=limits.queue_count_max, bytes_max=limits.queue_bytes_max)
        self._target: tuple[NodeId | None, Term] = (None, Term(0))
        self._refused_rounds: dict[NodeId, int] = {}
        self._restart_ns: int | None = None
        self._restart_ticket = 0
        self._progress_ns = 0
        self._progress_resolved = 0
        self.entry_count = 0
        self.entry_command_count = 0

    def forward(self, now_ns: int) -> None:
        """Send what was not yet sent in this round, as far as leader, link and queue take it."""
        self._notice_leader()
        leader_id, term = self._target
        if leader_id is None or not self.pending.has_unsent or self._restart_ns is not None:
            return
        if leader_id == self._node_id:
            self._fill_queue()
        else:
            self._send_frames(leader_id, term)

    def _notice_leader(self) -> None:
        """If leader or term are others than before, drop what was queued for them and start over."""
        target = (self._raft.leader_id, self._raft.term)
        if target != self._target:
            self._target = target
            self._drop_queue()
            self.restart()

    def _fill_queue(self) -> None:
        pending = self.pending
        while pending.has_unsent and self.queue.has_room:
            self.queue.add_own(pending.take_unsent(_FRAME_COMMANDS_MAX, _FRAME_COMMAND_BYTES_MAX))

    def _send_frames(self, leader_id: NodeId, term: Term) -> None:
        pending = self.pending
        while taken := pending.take_unsent(_FRAME_COMMANDS_MAX, _FRAME_COMMAND_BYTES_MAX):
            commands = [proposal.command for proposal in taken]
            frame = Proposals(term, pending.round, taken[0].ticket, commands)
            if not self._links.send(leader_id, frame, yields=True):
                pending.untake(taken)
                return
            pending.mark_sent(taken)

    def make_entries(self, now_ns: int, *, has_space: bool) -> None:
        """
        As leader, make entries of what is queued, unless enough of them are under way.

        The bound counts entries that are not committed, so what arrives during a round of the cluster becomes one
        entry. Without space nothing more is put into the log.
        """
        raft = self._raft
        queue = self.queue
        limits = self._limits
        if not queue or not has_space or raft.role is not Role.LEADER:
            return
        while raft.last_index - raft.commit_index < limits.entries_in_flight_max:
            items = queue.take(limits.entry_commands_max, limits.entry_bytes_max)
            if not items:
                return
            payload = encode_entry(self._clocks.wall_ms(), [command for command, _ in items])
            try:
                raft.propose([payload], now_ns)
            except Busy:
                queue.put_back(items)  # the leadership is being handed over
                return
            queue.mark_logged(items, self.pending.round)
            self.entry_count += 1
            self.entry_command_count += len(items)

    def restart(self, first_ticket: int = 0) -> None:
        """Send everything unresolved, from this ticket on, once more and in order: some of it may have been lost."""
        self._restart_ns = None
        if self._target[0] == self._node_id and self.queue:
            # Nothing is lost between this node and its own queue; a second copy would only grow it.
            return
        self.pending.restart(first_ticket)

    def _drop_queue(self) -> None:
        """Tell the followers what a leadership that is over did not put into its log."""
        for batch in self.queue.clear():
            self._links.send(batch.node_id, Refusal(self._raft.term, batch.round, batch.first_ticket, busy=False))

    def receive_proposals(self, node_id: NodeId, frame: Proposals, *, has_space: bool) -> None:
        """Take a follower's commands, or refuse them and the rest of their round."""
        self._notice_leader()
        raft = self._raft
        if self._refused_rounds.get(node_id, 0) >= frame.round:
            return
        leads = raft.role is Role.LEADER and raft.term == frame.term
        if leads and has_space and self.queue.has_room:
            self.queue.add_remote(node_id, frame)
            return
        self._refused_rounds[node_id] = frame.round
        self._links.send(node_id, Refusal(raft.term, frame.round, frame.first_ticket, busy=leads))

    def receive_refusal(self, frame: Refusal, now_ns: int) -> None:
        """Note what entered no log, and start over a little later."""
        self.pending.refused(frame.round, frame.first_ticket)
        if frame.round == self.pending.round:
            self._restart_ns = now_ns + self._timing.refused_pause_ns
            # A busy leader has all that came before; to send that again would keep it busy.
            self._restart_ticket = frame.first_ticket if frame.busy and frame.term == self._target[1] else 0

    def peer_arrived(self, node_id: NodeId) -> None:
        """Forget which round was refused: a new connection begins a new one, and a new process counts anew."""
        self._refused_rounds.pop(node_id, None)

    def keep_house(self, now_ns: int) -> None:
        """Start over when a pause is over, or when nothing has moved for suspiciously long."""
        if self._restart_ns is not None and now_ns >= self._restart_ns:
            self.restart(self._restart_ticket)
        if self.pending.resolved_count != self._progress_resolved or self._target[0] is None:
            self._progress_resolved = self.pending.resolved_count
            self._progress_ns = now_ns
            return
        oldest_ns = self.pending.oldest_ns()
        since_ns = self._progress_ns if oldest_ns is None else max(self._progress_ns, oldest_ns)
        if oldest_ns is not None and now_ns - since_ns >= self._timing.stalled_after_ns:
            _LOG.warning(
                "no outcome of %d commands for %d ms: sent again", len(self.pending), (now_ns - since_ns) // 10**6
            )
            self._progress_ns = now_ns
            self.restart()
