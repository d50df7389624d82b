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


class SliceEnd(NamedTuple):
    """Where a slice of the list ends: among contacts, by number of the address, or among rooms, by id."""

    in_rooms: bool
    number: int


class ConversationSlice(NamedTuple):
    """Some conversations, in no order that means anything; `next` is None when there are no more."""

    conversations: list[Conversation]
    next: SliceEnd | None
