"""Answers about conversations (queries.py)."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import Position


class Conversation(NamedTuple):
    """
    One conversation of an account.

    Attributes:
        jid: Bare JID of the contact or the room.
        position: Of the last message in its archive, whatever that is; 0 when there is none.
        unread: Instant messages of others that the account has not read, as far back as is looked.
        mentions: How many of them mention the account; always 0 but in rooms.
    """

    jid: str
    position: Position
    unread: int
    mentions: int


class Tick(NamedTuple):
    """How far a message to a contact has come."""

    is_received: bool
    is_read: bool


class RoomTick(NamedTuple):
    """How many people have read a message of a room, of how many."""

    read: int
    people: int


class Reader(NamedTuple):
    """Somebody who has read a room up to `position`; `jid` is empty for who may not know it."""

    occupant_id: str
    jid: str
    position: Position


class RoomTickSlice(NamedTuple):
    """
    What a part of the people in a room has read.

    Attributes:
        ticks: Of this part alone; None for what is not in the room's archive.
        next: The last address of the part; None when there are no more.
    """

    ticks: list[RoomTick | None]
    readers: list[Reader]
    next: str | None


class SliceEnd(NamedTuple):
    """Where a slice of the list ends: among contacts, by number of the address, or among rooms, by id."""

    in_rooms: bool
    number: int


class ConversationSlice(NamedTuple):
    """Some conversations, in no order that means anything; `next` is None when there are no more."""

    conversations: list[Conversation]
    next: SliceEnd | None
