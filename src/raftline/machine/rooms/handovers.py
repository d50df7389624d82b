"""What rooms tell sessions and accounts, and these tell rooms, through the outbox (machine/outbox.py)."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import AccountId, Position, SessionId


class VisitBegun(NamedTuple):
    """A session is in a room from here on; fields as in tables.Visit."""

    session_id: SessionId
    room_id: AccountId
    room: str
    history: Position


class VisitOver(NamedTuple):
    """The visit that began at `joined` is over; `why` and `nick` as in tables.Visit."""

    session_id: SessionId
    joined: Position
    why: str
    nick: str


class OccupantGone(NamedTuple):
    """A session is over or unavailable, so it leaves the room; `presence` is what is inside its farewell."""

    room: str
    room_id: AccountId
    session_id: SessionId
    presence: bytes


class RoomMessageOwed(NamedTuple):
    """These sessions owe acknowledgement for the message of this command, which no archive keeps."""

    session_ids: tuple[SessionId, ...]


class RoomMail(NamedTuple):
    """
    A room writes to an account: an invitation, or an answer to one.

    Attributes:
        sender: Full JID of who had it written; the room's own where it was asked for.
        address_id: Stands for the room.
    """

    to_localpart: str
    sender: str
    room: str
    address_id: int
    stanza: bytes


class MemberGone(NamedTuple):
    """An account is deleted; it has no affiliation to the room any more."""

    room: str
    jid: str


class MadeMember(NamedTuple):
    """
    A room has an account on its list of members or above, which was not there before.

    Attributes:
        address_id: Stands for the room.
        read_nothing: It could not read there before.
    """

    localpart: str
    address_id: int
    read_nothing: bool


class MemberAlerted(NamedTuple):
    """
    Something was said in a room while a device of a member's was away (alerting.py).

    Attributes:
        room: Address of the room.
        nick: Under which it was said.
        author: Bare JID of who said it; empty when the member may not know.
        position: Of the message.
        message_count: So many messages are told of together.
        given: Sessions of the account that are in the room.
        is_public: The room is no private group chat.
        is_mention: The member is mentioned.
    """

    localpart: str
    room: str
    nick: str
    author: str
    position: Position
    message_count: int
    given: tuple[SessionId, ...]
    is_public: bool
    is_mention: bool


RoomHandover = (
    VisitBegun | VisitOver | OccupantGone | RoomMessageOwed | RoomMail | MemberGone | MadeMember | MemberAlerted
)
