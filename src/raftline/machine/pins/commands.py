"""Commands that concern pinned messages; they come from a session, and count from machine version 3 on."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.base.ids import Position
from raftline.machine.tables import NATURAL


class PinMessage(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=180):
    """
    Pin a message for all who take part in its conversation, or take the pin away. Idempotent.

    Refused with `item-not-found` for a message that is not there, `forbidden` to who is no moderator of the room,
    `resource-constraint` when too many are pinned; to who takes no part as `polls.commands.Choose` is.

    Attributes:
        room: Local part of a room's address; empty for a chat.
        partner: Local part of the contact's; empty for a room.
        position: Of the message.
    """

    room: str
    partner: str
    position: Annotated[Position, NATURAL]
    is_pinned: bool = True


PIN_ACTIONS: Final[tuple[type, ...]] = (PinMessage,)
