"""What sessions are told of pinned messages."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import NodeId, Position, SessionId


class PinTold(NamedTuple):
    """A message is pinned from here on, or no longer; `address` and `is_room` as in polls.events.PollTold."""

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    address: str
    is_room: bool
    position: Position
    is_pinned: bool


class PinView(NamedTuple):
    """A pinned message, and since when it is pinned, in cluster time."""

    position: Position
    time_ms: int
