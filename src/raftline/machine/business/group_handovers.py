"""What rooms tell numbers that are members, through the outbox (machine/outbox.py)."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.business.group_values import GroupNews


class GroupSpoke(NamedTuple):
    """
    Something was said in a room that a number is a member of.

    Attributes:
        room: Local part of the room.
        address_id: Stands for the room.
        author: Bare JID of who said it.
        nick: Under which it was said.
        target: Message of the room that it refers to; 0 for none.
        stanza: As the room sent it.
    """

    account_id: AccountId
    room: str
    address_id: int
    author: str
    nick: str
    target: Position
    stanza: bytes


class GroupRead(NamedTuple):
    """Somebody says that they have read a room up to a message; `after` is how far they had said so before."""

    account_id: AccountId
    room: str
    address_id: int
    reader: str
    after: Position
    position: Position


class GroupChanged(NamedTuple):
    """There are news of a group that a number is or was in; `address` is the bare JID of the room."""

    account_id: AccountId
    room: str
    address: str
    news: GroupNews


GroupHandover = GroupSpoke | GroupRead | GroupChanged
