"""
What rooms tell numbers that are members of them: what is said, how far it was read, who comes and goes.

The room finds out which numbers there are (group_index.py) and hands over; what becomes of it is the numbers' affair
(group_events.py). A room without numbers pays for one look into memory.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import Position
from raftline.machine.business.group_handovers import GroupChanged, GroupRead, GroupSpoke
from raftline.machine.business.group_references import find_target
from raftline.machine.business.group_values import GroupNews, GroupNewsKind, GroupPerson
from raftline.machine.business.reading import read_message
from raftline.machine.context import Context
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Room

_NOWHERE: Final = Position(0)


def tell_spoken(
    context: Context, room: Room, author: str, nick: str, stanza: bytes, retracts: Position = _NOWHERE
) -> None:
    """
    Tell the numbers in a room of the message of this command.

    Args:
        author: Bare JID of who said it.
        retracts: The message that it took back; 0 for none.
    """
    numbers = context.room_numbers.of(room)
    if not numbers:
        return
    if retracts:
        target = retracts
    else:
        reading = read_message(stanza)
        if not reading.says_something:
            return
        target = find_target(context, room, reading.refers_to)
    for account_id in numbers:
        context.outbox.append(GroupSpoke(account_id, room.name, room.address_id, author, nick, target, stanza))


def tell_read(context: Context, room: Room, reader: str, after: Position, position: Position) -> None:
    """Tell the numbers in a room that somebody has read on, up to a message of its archive."""
    for account_id in context.room_numbers.of(room):
        context.outbox.append(GroupRead(account_id, room.name, room.address_id, reader, after, position))


def tell_membership(context: Context, room: Room, jid: str, before: int, after: int) -> None:
    """Tell the numbers in a room that somebody is a member now, or is none any more; both as in ranks.Affiliation."""
    if (before >= Affiliation.MEMBER) != (after >= Affiliation.MEMBER):
        tell_of_person(context, room, GroupNewsKind.JOINED if after >= Affiliation.MEMBER else GroupNewsKind.LEFT, jid)


def tell_of_person(context: Context, room: Room, kind: GroupNewsKind, jid: str) -> None:
    """Tell the numbers in a room something of one account, by its bare JID."""
    numbers = context.room_numbers.of(room)
    localpart = context.account_named(jid) if numbers else None
    account = None if localpart is None else context.accounts.get(localpart)
    if account is None:
        return
    news = GroupNews(int(kind), people=(GroupPerson(account.localpart, account.account_id),))
    address = f"{room.name}@{context.rooms_domain}"
    for account_id in numbers:
        if account_id != account.account_id:
            context.outbox.append(GroupChanged(account_id, room.name, address, news))
