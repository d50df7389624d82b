"""Questions to the replica about pinned messages."""

from __future__ import annotations

from raftline.base.ids import SessionId
from raftline.machine.queries import Query


class PinsOf(Query, frozen=True, array_like=True, tag=162):
    """
    Which messages of a conversation are pinned? Answer: `list[PinView] | Rejected`, in the order of their pins.

    Attributes:
        room, partner: As in commands.PinMessage.
    """

    session_id: SessionId
    room: str = ""
    partner: str = ""
