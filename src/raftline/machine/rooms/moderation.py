"""
Retraction: by a moderator (XEP-0425) or by the author (XEP-0424). Everyone is told, the archive keeps a tombstone.

Whoever is still owed the message is given the tombstone in its place: it is read from the same row.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from raftline.base.ids import Position
from raftline.base.limits import ROOM_REASON_SIZE_MAX
from raftline.machine.context import Context
from raftline.machine.conversations.belongings import content_gone
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Session, StoredMessage
from raftline.machine.rooms import markup, showing
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.commands import ModerateMessage
from raftline.machine.rooms.entering import NO_SUCH_ROOM
from raftline.machine.rooms.publishing import publish
from raftline.machine.rooms.ranks import Role
from raftline.machine.rooms.tables import Occupant, Room
from raftline.machine.timers import ephemeral

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moderate(context: Context, session: Session, action: ModerateMessage) -> Outcome:
    """Retract a message: its content is gone from the archive, and so are copies that sessions are still owed."""
    room = context.rooms.get(action.room)
    if room is None:
        return NO_SUCH_ROOM
    if len(action.reason.encode()) > ROOM_REASON_SIZE_MAX:
        return Rejected("policy-violation", "modify", f"A reason has at most {ROOM_REASON_SIZE_MAX} bytes.")
    moderator = context.occupants.get(room.room_id, session.session_id)
    if moderator is None or moderator.role < Role.MODERATOR:
        return Rejected("forbidden", "auth", "Moderators alone retract messages of others.")
    row = context.archive.get((room.room_id, action.position))
    message = context.messages.get(action.position)
    author = None if row is None else address_at(context, row.contact_id)
    if message is None or author is None:
        return Rejected("item-not-found", "cancel", "There is no such message in the room's archive.")
    address = showing.address_of(context, room.name)
    by = f"{address}/{moderator.nick}"
    moderator_id = markup.occupant_id_element(room.secret, moderator.jid)
    mark = markup.moderated_mark(by, moderator_id, action.reason)
    bury(context, room, message, author, action.message_id, mark)
    stanza = markup.moderation(
        address, action.message_id, action.stanza_id, by=by, moderator=moderator_id, reason=action.reason
    )
    kept = room_settings.decode(room.settings).archived
    publish(context, room, stanza, moderator, kept=kept, retracted=action.position)
    return Done()


def retract_own(context: Context, room: Room, author: Occupant, position: Position, message_id: str) -> bool:
    """Take the content of an author's own message out of the archive; False for anybody else's, which stays."""
    row = context.archive.get((room.room_id, position))
    message = context.messages.get(position)
    if row is None or message is None or row.contact_id != context.address_id(author.jid):
        return False
    bury(context, room, message, author.jid, message_id)
    return True


def bury(context: Context, room: Room, message: StoredMessage, author: str, message_id: str, mark: bytes = b"") -> None:
    """Put a tombstone in place of a message; a subject that it had set is none any more."""
    author_id = markup.occupant_id_element(room.secret, author)
    stamp = _timestamp(context.time_ms)
    stone = markup.tombstone(message.stanza, author_id, stamp=stamp, message_id=message_id, inside=mark)
    context.messages.put(message.position, message._replace(stanza=stone))
    ephemeral.cancel(context, message.position)
    content_gone(context, message)
    current = context.rooms.get(room.name)
    if current is not None and current.subject == message.stanza:
        context.rooms.put(room.name, current._replace(subject=b"", subject_ms=0))


def address_at(context: Context, address_id: int) -> str | None:
    """Return the bare JID that a number stands for."""
    sql = "SELECT jid FROM address WHERE address_id = ?"
    found = context.rows.select((context.addresses,), sql, (address_id,))
    return str(found[0][0]) if found else None


def _timestamp(time_ms: int) -> str:
    """Write cluster time as XEP-0082 does."""
    return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
