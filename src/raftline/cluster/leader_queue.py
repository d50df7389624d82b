"""
Commands a leader has taken and not yet put into an entry: its own and those its followers handed over. Pure.

They wait here while entries are under way; what gathered meanwhile makes the next entry, so batches grow with load and
there is no timer. The queue lives as long as one term of leadership: when it ends, what is left entered no log, and
its owners are told so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from raftline.base.ids import NodeId
from raftline.cluster.frames import Proposals
from raftline.cluster.proposals import NOT_SENT, Proposal


class RemoteBatch:
    """
    One frame of commands from a follower.

    Attributes:
        logged_count: How many of them are in an entry.
    """

    __slots__ = ("first_ticket", "logged_count", "node_id", "round")

    resolved = False

    def __init__(self, node_id: NodeId, frame: Proposals) -> None:
        self.node_id = node_id
        self.round = frame.round
        self.first_ticket = frame.first_ticket
        self.logged_count = 0


QueuedCommand = tuple[bytes, Proposal | RemoteBatch]


class LeaderQueue:
    """First in, first out, bounded by count and bytes."""

    def __init__(self, *, count_max: int, bytes_max: int) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._queue: deque[QueuedCommand] = deque()
        self.byte_count = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def has_room(self) -> bool:
        """More may be added. A batch is taken whole, so the bound is passed by at most one."""
        return len(self._queue) < self._count_max and self.byte_count < self._bytes_max

    def add_own(self, proposals: Iterable[Proposal]) -> None:
        """Queue commands of this node."""
        for proposal in proposals:
            self._queue.append((proposal.command, proposal))
            self.byte_count += len(proposal.command)

    def add_remote(self, node_id: NodeId, frame: Proposals) -> None:
        """Queue commands of a follower."""
        batch = RemoteBatch(node_id, frame)
        self._queue.extend([(command, batch) for command in frame.commands])
        self.byte_count += sum(map(len, frame.commands))

    def take(self, count_max: int, bytes_max: int) -> list[QueuedCommand]:
        """Take the commands of one entry, leaving out what nobody waits for; at least one if there is any."""
        taken: list[QueuedCommand] = []
        size = 0
        queue = self._queue
        while queue and len(taken) < count_max:
            item = queue[0]
            length = len(item[0])
            if taken and size + length > bytes_max:
                break
            queue.popleft()
            self.byte_count -= length
            if not item[1].resolved:
                size += length
                taken.append(item)
        return taken

    def put_back(self, items: list[QueuedCommand]) -> None:
        """Put commands back in front that found no way into the log."""
        self._queue.extendleft(reversed(items))
        self.byte_count += sum(len(command) for command, _ in items)

    @staticmethod
    def mark_logged(items: list[QueuedCommand], own_round: int) -> None:
        """Note that these are in an entry now."""
        for _, source in items:
            if isinstance(source, RemoteBatch):
                source.logged_count += 1
            elif source.first_round == NOT_SENT:
                source.first_round = own_round

    def clear(self) -> list[RemoteBatch]:
        """
        Drop everything: the term of leadership is over.

        Returns: For each follower, the first of its batches of which nothing was logged; all of its later ones share
            that fate.
        """
        first: dict[NodeId, RemoteBatch] = {}
        for _, source in self._queue:
            if isinstance(source, RemoteBatch) and not source.logged_count:
                first.setdefault(source.node_id, source)
        self._queue.clear()
        self.byte_count = 0
        return list(first.values())
