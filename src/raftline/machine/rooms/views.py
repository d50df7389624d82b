"""Answers to questions about rooms (queries.py)."""

from __future__ import annotations

import enum
from typing import NamedTuple

from raftline.machine.rooms.settings import RoomSettings


class RoomView(NamedTuple):
    """
    A room, and how somebody stands to it.

    Attributes:
        is_locked: Its owner has not configured it yet.
        occupant_count: Nicknames in it.
        subject: The message that set the subject; empty for none.
        picture_hash: SHA-1 of its picture; empty for none.
        affiliation: Of the account that asks.
        nick: Under which the asking session is inside; empty when it is not.
        role: Of that session; none when it is not inside.
        kept_nick: The nickname that is kept for the account; empty for none.
        is_inside: Whether any session of the account is.
        occupant_id: Of the account that asks.
        waits_for_admins: It has asked to be a member.
    """

    settings: RoomSettings
    is_locked: bool
    occupant_count: int
    subject: bytes
    picture_hash: str
    affiliation: int
    nick: str
    role: int
    kept_nick: str
    is_inside: bool
    occupant_id: str
    waits_for_admins: bool = False


class RoomName(NamedTuple):
    """A room in the list of rooms; `title` is empty for none."""

    name: str
    title: str


class RoomNames(NamedTuple):
    """A page of the list of rooms, by name, and how many there are in all, and before the page."""

    rooms: list[RoomName]
    total: int
    offset: int


class OccupantView(NamedTuple):
    """Somebody in a room; `jid` is the full address of one of their sessions."""

    nick: str
    jid: str
    affiliation: int
    role: int


class AffiliationView(NamedTuple):
    """A name on a list of a room; `nick` is the one that is kept for them, empty for none."""

    jid: str
    affiliation: int
    nick: str
    reason: str


class RoomBlock(enum.Enum):
    """Whose list keeps two occupants apart; `UNSEEN` is the recipient's where its sender must not know (blocks.py)."""

    NOBODY = 0
    SENDER = 1
    RECIPIENT = 2
    UNSEEN = 3


class JoinRequestView(NamedTuple):
    """Somebody who waits to be let in; fields as in door_tables.JoinRequestRow."""

    jid: str
    nick: str
    asked_ms: int
    due_ms: int


RoomAnswer = RoomView | RoomNames | list[OccupantView] | list[AffiliationView] | list[JoinRequestView] | RoomBlock
