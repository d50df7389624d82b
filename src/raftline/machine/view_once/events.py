"""What sessions are told of what is viewed once."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import NodeId, Position, SessionId


class SealedOpened(NamedTuple):
    """The other one of a chat, whose bare JID is `address`, or the account itself has opened what is sealed."""

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    address: str
    position: Position
