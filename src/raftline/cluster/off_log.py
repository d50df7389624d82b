"""
Off-log stanzas of other nodes that wait until this node has caught up with their cause. Pure.

A frame carries the sender's applied index: what its user saw before writing. It is handed over once that index is
applied here, so that nobody is answered about something not yet seen. Indexes of one sender never go back, and one
queue per sender keeps its order.
"""

from __future__ import annotations

from collections import deque

from raftline.base.ids import LogIndex, NodeId, SessionId
from raftline.cluster.frames import OffLogStanza


class OffLogInbox:
    """What waits, by sender; each sender at most `count_max` stanzas."""

    def __init__(self, *, count_max: int) -> None:
        self._count_max = count_max
        self._queues: dict[NodeId, deque[OffLogStanza]] = {}
        self.waiting_count = 0
        self.dropped_count = 0

    def add(self, node_id: NodeId, frame: OffLogStanza, applied_index: LogIndex) -> bool:
        """
        Take a stanza.

        Returns: True if the caller may hand it over at once; otherwise it waits for `take_ready`, or is dropped since
            the sender has too many waiting.
        """
        queue = self._queues.get(node_id)
        if not queue:
            if frame.applied_index <= applied_index:
                return True
            queue = self._queues.setdefault(node_id, deque())
        if len(queue) >= self._count_max:
            self.dropped_count += 1
        else:
            queue.append(frame)
            self.waiting_count += 1
        return False

    def take_ready(self, applied_index: LogIndex) -> list[tuple[SessionId, bytes]]:
        """Return the stanzas that may be handed over now, in order for each sender."""
        ready: list[tuple[SessionId, bytes]] = []
        for queue in self._queues.values():
            while queue and queue[0].applied_index <= applied_index:
                frame = queue.popleft()
                ready.append((frame.session_id, frame.stanza))
        self.waiting_count -= len(ready)
        return ready
