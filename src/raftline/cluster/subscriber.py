"""What the driver tells the floor above."""

from __future__ import annotations

from typing import Protocol

from raftline.base.ids import NodeId, SessionId
from raftline.machine.outcomes import CommandResult, Event


class Subscriber(Protocol):
    """Who lives on top and hears what is applied here: on the event loop, in log order, and must not block."""

    def receive_event(self, event: Event) -> None:
        """Take an event for a session of this node."""

    def receive_off_log(self, session_id: SessionId, stanza: bytes) -> None:
        """Take a stanza from another node, after its cause was applied here."""

    def unclaimed(self, result: CommandResult) -> None:
        """Take the outcome of a command of this life that nobody waits for (any more)."""

    def slice_applied(self) -> None:
        """Note that all events so far are out; time to do what is done once per batch."""

    def peer_lost(self, node_id: NodeId) -> None:
        """Off-log stanzas under way to or from this node may be lost."""

    def drained(self, *, is_drained: bool) -> None:
        """This node is to serve no clients for now, or may again."""

    def life_ended(self) -> None:
        """This node was declared dead, or has heard no leader for long: all its sessions are over."""
