"""
Commands by which numbers lead groups and speak in them; all of machine version 4, none of a session.

A group is a room (docs/groups.md), named by the local part of its address. `localpart` is the number's. Besides what is
said with each, a command is refused with `item-not-found` for a number or a room that is not there, and with what the
room would tell a session of the account: `forbidden` to who may not, `not-allowed` to a number that is not registered.

`request_id` is handed back in the events that tell the number's applications of what was done.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.base.business_limits import (
    BUSINESS_ID_LENGTH_MAX,
    GROUP_DESCRIPTION_LENGTH_MAX,
    GROUP_SUBJECT_LENGTH_MAX,
)
from raftline.base.ids import Position
from raftline.base.limits import INVITE_DIGEST_SIZE, INVITE_TOKEN_SIZE_MAX, ROOM_CHANGE_COUNT_MAX
from raftline.machine.business.commands import Prompt
from raftline.machine.rooms.commands import SpeakInRoom
from raftline.machine.tables import NATURAL

_Id = Annotated[str, msgspec.Meta(max_length=BUSINESS_ID_LENGTH_MAX)]
_Subject = Annotated[str, msgspec.Meta(max_length=GROUP_SUBJECT_LENGTH_MAX)]
_Description = Annotated[str, msgspec.Meta(max_length=GROUP_DESCRIPTION_LENGTH_MAX)]
_Jids = Annotated[tuple[str, ...], msgspec.Meta(max_length=ROOM_CHANGE_COUNT_MAX)]


class CreateGroup(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=220):
    """
    Make a private group that the number owns: hidden, for members alone, everyone sees addresses, it stays.

    Refused with `conflict` for a room that is there, `resource-constraint` when the number owns too many.

    Attributes:
        secret: Chance, as in EnterRoom.
        join_requests: People ask to be let in, those who have the group's link as well.
    """

    localpart: str
    room: str
    secret: bytes
    subject: _Subject
    request_id: _Id
    description: _Description = ""
    join_requests: bool = False


class ChangeGroup(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=221):
    """
    Change what is not None of a group that the number owns.

    Attributes:
        card, picture_hash: As in SetRoomVcard.
    """

    localpart: str
    room: str
    request_id: _Id
    subject: _Subject | None = None
    description: _Description | None = None
    card: bytes | None = None
    picture_hash: str = ""


class DeleteGroup(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=222):
    """Destroy a group that the number owns."""

    localpart: str
    room: str
    request_id: _Id


class RemoveFromGroup(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=223):
    """Take accounts, by their bare JIDs, off the lists of a group; all of them, or none when one is out of reach."""

    localpart: str
    room: str
    jids: _Jids
    request_id: _Id


class ShareGroup(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=224):
    """
    Let a group have a link that is good: the one it has, with all its uses and its time again, or the one named here.

    Outcome: `Done`; which one it is is answered by `GroupLinkOf`. Refused with `forbidden` to who may not invite.

    Attributes:
        token, digest: Of a link that is new.
        resets: The one it has is good for nothing from here on.
    """

    localpart: str
    room: str
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=INVITE_TOKEN_SIZE_MAX)]
    digest: Annotated[bytes, msgspec.Meta(min_length=INVITE_DIGEST_SIZE, max_length=INVITE_DIGEST_SIZE)]
    resets: bool = False


class DecideInGroup(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=225):
    """Let somebody in who asked to be a member, or not; see DecideJoinRequest, whose refusals these are."""

    localpart: str
    room: str
    jid: str
    allows: bool


class SpeakFromNumber(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=226):
    """
    A number says something in a group that it is a member of. Under a key: repeated, it happens once.

    Outcome: `Done(Sent)`. Refused with `item-not-found` for a group that it is not in, else as SendFromNumber and
    SpeakInRoom are.

    Attributes:
        message: As an occupant would say it; `origin_id` is empty.
        message_id, opaque, fingerprint, prompt: As in SendFromNumber; of a prompt, anybody there may choose.
    """

    localpart: str
    message: SpeakInRoom
    message_id: _Id
    opaque: _Id = ""
    fingerprint: bytes = b""
    prompt: Prompt | None = None


class PinFromNumber(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=227):
    """Pin a message of a group, or take the pin away; see PinMessage. Outcome: `Done(Sent)`, without a message."""

    localpart: str
    room: str
    position: Annotated[Position, NATURAL]
    is_pinned: bool = True
    fingerprint: bytes = b""


GROUP_ACTIONS: Final = (
    CreateGroup,
    ChangeGroup,
    DeleteGroup,
    RemoveFromGroup,
    ShareGroup,
    DecideInGroup,
    SpeakFromNumber,
    PinFromNumber,
)

GroupAction = (
    CreateGroup
    | ChangeGroup
    | DeleteGroup
    | RemoveFromGroup
    | ShareGroup
    | DecideInGroup
    | SpeakFromNumber
    | PinFromNumber
)
