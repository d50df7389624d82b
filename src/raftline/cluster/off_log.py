"""
Off-log stanzas of other nodes that wait until this node has caught up with their cause. Pure.

A frame carries the sender's applied index: what its user saw before writing. It is handed over once that index is
applied here, so that nobody is answered about something not yet seen. Indexes of one sender never go back, and one
queue per sender keeps its order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from raftline.base.ids import LogIndex, NodeId, SessionId
from raftline.cluster.frames import OffLogStanza

if TYPE_CHECKING:
    from raftline.cluster.links import PeerLinks
    from raftline.cluster.subscriber import Subscriber
    from raftline.machine.machine import Machine


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


class OffLogExchange:
    """Stanzas between sessions of different nodes that no log holds."""

    def __init__(self, machine: Machine, *, count_max: int) -> None:
        self._machine = machine
        self.inbox = OffLogInbox(count_max=count_max)

    def send(self, links: PeerLinks, node_id: NodeId, session_id: SessionId, stanza: bytes) -> bool:
        """Queue a stanza for another node; False when the link is down or overloaded: it was not sent."""
        return links.send(node_id, OffLogStanza(self._machine.applied_index, session_id, stanza), yields=True)

    def receive(self, subscriber: Subscriber | None, node_id: NodeId, frame: OffLogStanza) -> None:
        """Hand a stanza over, now or when its cause is applied."""
        if self.inbox.add(node_id, frame, self._machine.applied_index) and subscriber is not None:
            subscriber.receive_off_log(frame.session_id, frame.stanza)

    def slice_applied(self, subscriber: Subscriber) -> None:
        """Hand over what waited for what is applied now."""
        if self.inbox.waiting_count:
            for session_id, stanza in self.inbox.take_ready(self._machine.applied_index):
                subscriber.receive_off_log(session_id, stanza)
