"""Commands that concern what is viewed once, beside message_commands.SendSealed; of machine version 3."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.base.ids import Position
from raftline.base.limits import SEALED_FILE_COUNT_MAX, UPLOAD_TOKEN_SIZE
from raftline.machine.rooms.commands import SpeakInRoom
from raftline.machine.tables import NATURAL

_Token = Annotated[bytes, msgspec.Meta(min_length=UPLOAD_TOKEN_SIZE, max_length=UPLOAD_TOKEN_SIZE)]


class SealedContent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    What is to be viewed once.

    Attributes:
        content: XML, for a place without a default namespace.
        tokens: Of uploads that the content refers to; those of other accounts do not count.
    """

    content: bytes
    tokens: Annotated[tuple[_Token, ...], msgspec.Meta(max_length=SEALED_FILE_COUNT_MAX)] = ()


class SealInRoom(SpeakInRoom, frozen=True, array_like=True, kw_only=True, gc=False, tag=186):
    """
    Say something to everyone in a room, a part of which each account sees once.

    Refused as SpeakInRoom is, with `not-acceptable` where no archive keeps the message, `resource-constraint` where too
    much of the author's waits to be opened.
    """

    sealed: SealedContent


class OpenSealed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=187):
    """
    Have what is sealed in a message given to the session that asks, and to no other of the account.

    Refused with `gone` when the account has opened it, or its time is over; `item-not-found` when there is nothing,
    `not-allowed` to its author, `resource-constraint` when the session owes too much to be given it; else as
    `polls.commands.Choose` is.

    Attributes:
        room: Local part of a room's address; empty for a chat.
        stanza_id: Of the message, as clients know it.
    """

    room: str
    position: Annotated[Position, NATURAL]
    stanza_id: str


SEALED_ACTIONS: Final[tuple[type, ...]] = (SealInRoom, OpenSealed)
