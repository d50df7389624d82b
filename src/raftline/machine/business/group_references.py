"""
Which message of a room another one refers to.

In rooms others' messages are named by the id that the room gave them (XEP-0359), which is their place in the log; a
correction names the id attribute of a message of the same author (XEP-0308), and some clients answer and react by it
as well, so that is looked for among the latest (`GROUP_REFERENCE_REACH_MAX`).
"""

from __future__ import annotations

from typing import Final

from raftline.base.business_limits import GROUP_REFERENCE_REACH_MAX
from raftline.base.ids import Position, parse_stanza_id
from raftline.machine.business.reading import read_message
from raftline.machine.context import Context
from raftline.machine.rooms.tables import Room

_NOWHERE: Final = Position(0)


def find_target(context: Context, room: Room, message_id: str) -> Position:
    """Return the message of a room's archive that an id in a message of this command names; 0 for none."""
    if not message_id:
        return _NOWHERE
    named = parse_stanza_id(message_id)
    if named is not None:
        if context.archive.get((room.room_id, named[1])) is not None:
            return named[1]
        return _NOWHERE
    sql = "SELECT position FROM archive WHERE owner_id = ? AND position < ? ORDER BY position DESC LIMIT ?"
    bindings = (room.room_id, context.position, GROUP_REFERENCE_REACH_MAX)
    needle = message_id.encode()
    for (position,) in context.rows.select((context.archive,), sql, bindings):
        message = context.messages.get(position)
        if message is None or needle not in message.stanza:
            continue
        if read_message(message.stanza).message_id == message_id:
            return Position(position)
    return _NOWHERE
