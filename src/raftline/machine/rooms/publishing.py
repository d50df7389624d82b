"""A message of a room, stored once and handed to everyone who is there."""

from __future__ import annotations

from typing import Final

from raftline.base.ids import Position
from raftline.machine.business.group_telling import tell_spoken
from raftline.machine.context import Context
from raftline.machine.records import Archived, StoredMessage
from raftline.machine.rooms import deliveries, markup, showing
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.machine.rooms.handovers import RoomMessageOwed
from raftline.machine.rooms.tables import Occupant, Room
from raftline.machine.timers import ephemeral

_NOWHERE: Final = Position(0)


def publish(
    context: Context,
    room: Room,
    stanza: bytes,
    author: Occupant,
    *,
    kept: bool,
    timer_s: int = 0,
    retracted: Position = _NOWHERE,
) -> None:
    """
    Store a message once, and hand it to everyone in the room.

    Args:
        timer_s: Seconds after which its content is gone (XEP-0466); 0 for never.
        retracted: The message that was taken back by it; 0 for none.
    """
    position = context.position
    owner = showing.address_of(context, room.name) if kept else ""
    if kept:
        author_id = context.address_id(author.jid)
        context.archive.insert((room.room_id, position), Archived(room.room_id, position, author_id))
        holders = 1
    else:
        takers = deliveries.takers(context, room)
        holders = len(takers)
        if takers:
            context.outbox.append(RoomMessageOwed(tuple(taker.session_id for taker in takers)))
    if holders:
        context.messages.insert(
            position,
            StoredMessage(position, context.time_ms, room.address_id, author.nick, "", holders, stanza),
        )
        if timer_s:
            ephemeral.begin(context, timer_s, markup.occupant_id_element(room.secret, author.jid))
    for node_id, session_ids in context.occupants.groups(room.room_id):
        context.events.append(RoomMessageArrived(node_id, session_ids, position, stanza, owner))
    tell_spoken(context, room, author.jid, author.nick, stanza, retracted)
