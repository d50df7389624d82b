"""
Commands that concern rooms; all of them come from a session, and all count from machine version 3 on.

A room is named by the local part of its address. Stanzas of occupants come without addresses: the room alone decides
under which name they are shown, so apply writes `from` (markup.py).
"""

from __future__ import annotations

import enum
from typing import Annotated, Final

import msgspec

from raftline.base.ids import Position
from raftline.base.limits import EPHEMERAL_TIMER_S_MAX
from raftline.machine.rooms.settings import RoomSettings
from raftline.machine.tables import NATURAL

_TIMER: Final = msgspec.Meta(ge=0, le=EPHEMERAL_TIMER_S_MAX)


class EnterRoom(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=100):
    """
    Presence to an occupant's address (XEP-0045 sections 7.2, 7.6, 7.7): enter, take another nickname, be shown anew.

    A room that does not exist is made, and whoever entered first owns it (section 10.1).

    Attributes:
        presence: What is inside the presence, as XML.
        joins: The client says that it does not know itself to be in the room, so it is told all.
        password: None when not given.
        history_count: Messages of history at most; None as the room has it.
        history_chars: Characters of their stanzas at most; None for no such bound.
        history_since_ms: None, or the cluster time from which on they are wanted.
        history_seconds: None, or how old they are at most.
        secret: Chance, in case that the room is made now.
        list_since: None, or the version of the room's lists that the client has (XEP-0463); empty for none.
        invite: Digest of the token of an invitation that is shown; empty for none.
    """

    room: str
    nick: str
    presence: bytes
    joins: bool
    secret: bytes
    password: str | None = None
    history_count: Annotated[int, NATURAL] | None = None
    history_chars: Annotated[int, NATURAL] | None = None
    history_since_ms: Annotated[int, NATURAL] | None = None
    history_seconds: Annotated[int, NATURAL] | None = None
    list_since: str | None = None
    invite: bytes = b""


class LeaveRoom(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=101):
    """Leave a room (section 7.14); `presence` is what is inside the unavailable presence. Idempotent."""

    room: str
    presence: bytes


class SpeakInRoom(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=102):
    """
    A message to everyone in a room (sections 7.4, 8.1).

    Attributes:
        stanza: `<message type='groupchat' …>…</message>` without addresses, occupant id or ids of the room's archive.
        is_subject: It sets the subject.
        kept: False when its sender wants no one to keep it.
        origin_id, fingerprint: As in message_commands.SendMessage.
        retracts: Position of the message that it retracts, if that is the sender's own (XEP-0424); 0 for none.
        message_id: Its `id`, for the tombstone.
        displayed: As in message_commands.SendMessage.
        timer_s: Seconds after which its content is gone (XEP-0466); 0 as the room has it.
        marked: Message of the room up to which the sender says that it has read (XEP-0333); 0 for none.
        marks_only: It says nothing else.
        reacts: It is a reaction and nothing else (XEP-0444), so that who has no voice may send it where that is let.
    """

    room: str
    stanza: bytes
    is_subject: bool
    kept: bool
    origin_id: str
    fingerprint: bytes
    retracts: Annotated[Position, NATURAL] = Position(0)
    message_id: str = ""
    displayed: bytes = b""
    timer_s: Annotated[int, _TIMER] = 0
    marked: Annotated[Position, NATURAL] = Position(0)
    marks_only: bool = False
    reacts: bool = False


class WhisperInRoom(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=103):
    """A message to one occupant (section 7.5); `stanza` without addresses, `timer_s` as in SpeakInRoom."""

    room: str
    nick: str
    stanza: bytes
    timer_s: Annotated[int, _TIMER] = 0


class ChangeKind(enum.IntEnum):
    """What a change of an occupant changes."""

    ROLE = 1
    AFFILIATION = 2


class OccupantChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One item of a request of a moderator, admin or owner (sections 8 to 10).

    Attributes:
        target: A nickname for a role, a bare JID for an affiliation.
        value: As in ranks.Role or ranks.Affiliation.
        by_nick: An affiliation is to be that of whoever has the nickname `target`.
        nick: Kept for them; empty for none.
    """

    kind: ChangeKind
    target: str
    value: Annotated[int, msgspec.Meta(ge=0, le=4)]
    reason: str = ""
    nick: str = ""
    by_nick: bool = False


class ChangeOccupants(msgspec.Struct, frozen=True, array_like=True, tag=104):
    """Change roles or affiliations; all of them, or none when one is refused."""

    room: str
    changes: tuple[OccupantChange, ...]


class ConfigureRoom(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=105):
    """Replace a room's settings, and unlock it (sections 10.1.2, 10.1.3, 10.2)."""

    room: str
    settings: RoomSettings


class DestroyRoom(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=106):
    """
    Destroy a room (section 10.9).

    Attributes:
        is_cancelled: The owner gives up making it; nothing happens to a room that is unlocked (section 10.1.3).
        alternate: Where people are sent instead; empty for nowhere.
    """

    room: str
    is_cancelled: bool = False
    reason: str = ""
    alternate: str = ""
    password: str = ""


class InviteToRoom(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=107):
    """Ask the room to invite an account (section 7.8.2); `thread` names a conversation that goes on there."""

    room: str
    localpart: str
    reason: str = ""
    thread: str = ""


class DeclineInvitation(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=108):
    """Let the room tell who invited that one will not come (section 7.8.2)."""

    room: str
    localpart: str
    reason: str = ""


class RequestVoice(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=109):
    """Ask the moderators for voice (section 7.13)."""

    room: str


class ModerateMessage(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=110):
    """
    Retract somebody's message for everyone, as a moderator (XEP-0425).

    Attributes:
        position, stanza_id: Of the message, the id as clients know it.
        message_id: The retraction's own id.
    """

    room: str
    position: Annotated[Position, NATURAL]
    stanza_id: str
    message_id: str
    reason: str = ""


class SetRoomVcard(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=111):
    """Replace a room's vCard (XEP-0486); `picture_hash` is the SHA-1 of its picture, empty for none."""

    room: str
    data: bytes
    picture_hash: str


class RegisterInRoom(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=112):
    """
    Become a member of an open room under a nickname that is kept (section 7.10), or ask to be one where admins decide.

    An empty nickname gives it up.

    Attributes:
        invite: As in EnterRoom.
    """

    room: str
    nick: str
    invite: bytes = b""


class DecideJoinRequest(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=166):
    """
    Let somebody in who asked to be a member, or not, as an admin (sections 7.10, 9.9).

    Refused with `item-not-found` when nobody of this bare JID waits for an answer, any more.
    """

    room: str
    jid: str
    allows: bool


RoomAction = (
    EnterRoom
    | LeaveRoom
    | SpeakInRoom
    | WhisperInRoom
    | ChangeOccupants
    | ConfigureRoom
    | DestroyRoom
    | InviteToRoom
    | DeclineInvitation
    | RequestVoice
    | ModerateMessage
    | SetRoomVcard
    | RegisterInRoom
    | DecideJoinRequest
)

ROOM_ACTIONS: tuple[type, ...] = (
    EnterRoom,
    LeaveRoom,
    SpeakInRoom,
    WhisperInRoom,
    ChangeOccupants,
    ConfigureRoom,
    DestroyRoom,
    InviteToRoom,
    DeclineInvitation,
    RequestVoice,
    ModerateMessage,
    SetRoomVcard,
    RegisterInRoom,
    DecideJoinRequest,
)
