"""
What sessions are owed of rooms, without a row for each message and recipient.

A message of a room is stored once, whoever is there. What a session with stream management is still owed follows from
its visits and its cursor: every message of the room's archive between the beginning of a visit and its end, after the
cursor. The order is that of all deliveries, by the position of the command that delivered and that of the message:

    history of a visit      (joined, position)      position below joined
    subject of the room     (joined, joined)
    live messages           (position, position)    between joined and the end of the visit

So one cursor tells for messages of rooms and of accounts alike what is acknowledged, a page merges both
(catch_up.py), and a message has the same stanza id at each delivery. A visit that is over is forgotten once the cursor
has passed its end, and with its session. An archive that somebody is owed something of is not deleted (pruning.py).

A message that the room's archive does not keep has a row in each inbox instead, as between accounts; such rooms pay
for it. They show no history.

Presence is not owed: a session that is resumed is told who is there, and who left (`pictures`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import Cursor, Position
from raftline.base.limits import INBOX_MESSAGE_COUNT_MAX, ROOM_HISTORY_COUNT_MAX, SESSION_ROOM_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.conversations.read_marks import came_to_room
from raftline.machine.outbox import SessionOverdue
from raftline.machine.outcomes import Event
from raftline.machine.records import Owed, Session, StoredMessage
from raftline.machine.rooms import list_versions, showing
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.commands import EnterRoom
from raftline.machine.rooms.events import OccupantShown, RoomMessageArrived
from raftline.machine.rooms.handovers import OccupantGone, RoomMessageOwed, VisitBegun, VisitOver
from raftline.machine.rooms.markup import subject_message
from raftline.machine.rooms.ranks import Affiliation, Role
from raftline.machine.rooms.showing import News
from raftline.machine.rooms.tables import Room, Visit

FORM_ROOM: Final = 3
"""Form of an inbox row that holds a message of a room (records.Owed)."""

DESTROYED: Final = "destroyed"
"""Why a visit is over whose room is no more (tables.Visit)."""

_POSITION_END: Final = (1 << 63) - 1


class OwedOfRoom(NamedTuple):
    """A delivery that follows from a visit; `position` is the visit's own for the subject."""

    cursor: Cursor
    visit: Visit
    is_subject: bool


# The session's side: visits.


def make_room(context: Context, session: Session) -> bool:
    """Whether the session may visit one more room; visits that are over and owe it nothing are forgotten first."""
    visits = context.visits.of(session.session_id)
    if len(visits) >= SESSION_ROOM_COUNT_MAX:
        for visit in list(visits.values()):
            if visit.over and not _is_owed(context, session, visit):
                context.visits.remove(visit)
    return len(visits) < SESSION_ROOM_COUNT_MAX


def begin_visit(context: Context, begun: VisitBegun) -> None:
    """A session is in a room."""
    position = context.position
    session = context.sessions.get(begun.session_id)
    assert session is not None, begun
    came_to_room(context, session.account_id, context.address_id(showing.address_of(context, begun.room)))
    visit = Visit(begun.session_id, position, begun.room_id, begun.room, begun.history, Position(0), "", "")
    context.visits.put(visit)


def end_visit(context: Context, over: VisitOver) -> None:
    """A visit is over; keep it for as long as the session may be owed something of it, or does not know."""
    session = context.sessions.get(over.session_id)
    if session is None:
        return  # its visits went with it
    visit = context.visits.of(over.session_id).get(over.joined)
    assert visit is not None, over
    if not session.managed:
        context.visits.remove(visit)
        return
    visit = visit._replace(over=context.position, why=over.why, nick=over.nick)
    if over.why or _is_owed(context, session, visit):
        context.visits.put(visit)
    else:
        context.visits.remove(visit)


def acknowledge(context: Context, session: Session, last: Cursor) -> None:
    """Forget visits that ended before what the session has acknowledged."""
    for visit in list(context.visits.of(session.session_id).values()):
        if visit.over and visit.over <= last.delivered:
            context.visits.remove(visit)


def leave_all(context: Context, session: Session, presence: bytes) -> None:
    """Let a session that is not available any more leave its rooms."""
    for visit in context.visits.open(session.session_id):
        context.outbox.append(OccupantGone(visit.room, visit.room_id, session.session_id, presence))


def leave_blocked(context: Context, session: Session) -> None:
    """Let a session leave the rooms that its account has blocked: nothing of them may be delivered any more."""
    for visit in context.visits.open(session.session_id):
        if context.blocks(session, showing.address_of(context, visit.room)):
            context.outbox.append(OccupantGone(visit.room, visit.room_id, session.session_id, b""))


def session_ended(context: Context, session: Session) -> None:
    """Let a session that is over leave its rooms; nothing is owed to it any more."""
    leave_all(context, session, b"")
    context.visits.closed(session.session_id)


def session_moved(context: Context, session: Session) -> None:
    """Take note that another node holds the session."""
    for visit in context.visits.open(session.session_id):
        context.occupants.moved(visit.room_id)
    _touch(context, session)


def session_waits(context: Context, session: Session) -> None:
    """Take note that no node holds the session: it stays where it is, and is shown nothing."""
    _touch(context, session)


def _touch(context: Context, session: Session) -> None:
    """Let rooms look anew whether a member is away."""
    for visit in context.visits.open(session.session_id):
        context.watchers.touch(visit.room_id, context.bare_jid(session.localpart))


def owe(context: Context, owed: RoomMessageOwed) -> None:
    """Give sessions rows for a message that no archive keeps."""
    position = context.position
    for session_id in owed.session_ids:
        context.inboxes.add(Owed(session_id, position, 0, position, FORM_ROOM))


def takers(context: Context, room: Room) -> tuple[Session, ...]:
    """Sessions in a room that acknowledge and have room for one more message; those that only wait end otherwise."""
    found: list[Session] = []
    for session_id in context.occupants.of(room.room_id):
        session = context.sessions.get(session_id)
        if session is None or not session.managed:
            continue
        if len(context.inboxes.of(session_id)) >= INBOX_MESSAGE_COUNT_MAX:
            context.outbox.append(SessionOverdue(session_id))
        else:
            found.append(session)
    return tuple(found)


# The room's side: what a newcomer is shown.


def show_history(context: Context, room: Room, session: Session, action: EnterRoom) -> Position:
    """
    Show a newcomer the latest messages, and then the subject (sections 7.2.13 to 7.2.15).

    Returns: Position of the oldest one; that of the command when there are none.
    """
    settings = room_settings.decode(room.settings)
    limit = min(settings.history_count, ROOM_HISTORY_COUNT_MAX)
    if action.history_count is not None:
        limit = min(limit, action.history_count)
    messages = _latest(context, room, limit, action) if settings.archived and limit else []
    node_id, recipient = session.node_id, (session.session_id,)
    owner = showing.address_of(context, room.name)
    for message in messages:
        context.events.append(
            RoomMessageArrived(
                node_id, recipient, message.position, message.stanza, owner, message.time_ms, context.position
            )
        )
    context.events.append(_subject_event(context, session, room, context.position))
    return messages[0].position if messages else context.position


def _latest(context: Context, room: Room, limit: int, action: EnterRoom) -> list[StoredMessage]:
    """Return the latest messages within the bounds that the newcomer set, the oldest first."""
    sql = "SELECT position FROM archive WHERE owner_id = ? ORDER BY position DESC LIMIT ?"
    found: list[StoredMessage] = []
    char_count = 0
    since_ms = action.history_since_ms or 0
    if action.history_seconds is not None:
        since_ms = max(since_ms, context.time_ms - 1000 * action.history_seconds)
    for (position,) in context.rows.select((context.archive,), sql, (room.room_id, limit)):
        message = context.messages.get(position)
        assert message is not None, position
        char_count += len(message.stanza)
        if message.time_ms < since_ms:
            break
        if action.history_chars is not None and char_count > action.history_chars:
            break
        found.append(message)
    return found[::-1]


def _subject_event(context: Context, session: Session, room: Room, joined: Position) -> RoomMessageArrived:
    stanza = room.subject or subject_message(showing.address_of(context, room.name))
    delayed_ms = room.subject_ms if room.subject else None
    return RoomMessageArrived(session.node_id, (session.session_id,), joined, stanza, "", delayed_ms, joined)


# What is owed, read.


def owed_after(context: Context, session: Session, after: Cursor, limit: int) -> list[OwedOfRoom]:
    """Return what visits of a session still owe it after a cursor: the first `limit` in the order of delivery."""
    owed: list[OwedOfRoom] = []
    for visit in context.visits.of(session.session_id).values():
        joined = visit.joined
        if Cursor(joined, joined) > after:
            if visit.history < joined:
                low = after.position + 1 if after.delivered == joined else visit.history
                positions = _positions(context, visit, max(low, visit.history), joined, limit)
                owed += [OwedOfRoom(Cursor(joined, position), visit, is_subject=False) for position in positions]
            owed.append(OwedOfRoom(Cursor(joined, joined), visit, is_subject=True))
        low = max(joined, after.delivered) + 1
        for position in _positions(context, visit, low, visit.over or _POSITION_END, limit):
            owed.append(OwedOfRoom(Cursor(position, position), visit, is_subject=False))
    owed.sort(key=lambda delivery: delivery.cursor)
    return owed[:limit]


def event_of(context: Context, session: Session, owed: OwedOfRoom) -> RoomMessageArrived:
    """Return what the session is told of it, late."""
    cursor, visit = owed.cursor, owed.visit
    if owed.is_subject:
        room = context.rooms.get(visit.room)
        if room is not None and room.room_id == visit.room_id:
            return _subject_event(context, session, room, visit.joined)
        stanza = subject_message(showing.address_of(context, visit.room))
        return RoomMessageArrived(session.node_id, (session.session_id,), visit.joined, stanza, "", None, visit.joined)
    message = context.messages.get(cursor.position)
    assert message is not None, owed
    owner = showing.address_of(context, visit.room)
    return RoomMessageArrived(
        session.node_id,
        (session.session_id,),
        cursor.position,
        message.stanza,
        owner,
        message.time_ms,
        cursor.delivered,
    )


def event_of_row(session: Session, row: Owed, message: StoredMessage) -> RoomMessageArrived:
    """Return what a session is told of a message of a room that it has a row for."""
    recipient = (session.session_id,)
    return RoomMessageArrived(
        session.node_id, recipient, row.position, message.stanza, "", message.time_ms, row.delivered
    )


def pictures(context: Context, session: Session) -> list[Event]:
    """
    Return presence of rooms for a session that was just resumed.

    Of a room it is in, who left within the hour and who is there, itself last; of one that it was removed from
    meanwhile, the farewell.
    """
    events: list[Event] = []
    live, context.events = context.events, events
    try:
        visits = context.visits.of(session.session_id)
        inside = {visit.room_id for visit in visits.values() if not visit.over}
        for visit in visits.values():
            if not visit.over:
                _picture(context, session, visit)
            elif visit.why and visit.room_id not in inside:
                events.append(_removal(context, session, visit))
    finally:
        context.events = live
    return events


def _picture(context: Context, session: Session, visit: Visit) -> None:
    room = context.rooms.get(visit.room)
    occupant = None if room is None else context.occupants.get(visit.room_id, session.session_id)
    if room is None or occupant is None:
        return
    sql = "SELECT nick, occupant_id FROM room_departure WHERE room_id = ? ORDER BY nick"
    address = showing.address_of(context, room.name)
    for nick, occupant_id in context.rows.select((context.room_departures,), sql, (room.room_id,)):
        context.events.append(
            OccupantShown(
                session.node_id,
                (session.session_id,),
                address,
                nick,
                is_available=False,
                presence=b"",
                affiliation=int(Affiliation.NONE),
                role=int(Role.NONE),
                jid="",
                occupant_id=occupant_id,
            )
        )
    showing.show_others(context, room, occupant)
    own_statuses = showing.standing_statuses(room)
    until = list_versions.current_version(context, room)
    showing.show(context, room, occupant, [occupant], News(own_statuses=own_statuses, own_until=until))


def _removal(context: Context, session: Session, visit: Visit) -> OccupantShown:
    """Tell a session that it was removed."""
    is_destroyed = visit.why == DESTROYED
    codes = () if is_destroyed else tuple(map(int, visit.why.split()))
    return OccupantShown(
        session.node_id,
        (session.session_id,),
        showing.address_of(context, visit.room),
        visit.nick,
        is_available=False,
        presence=b"",
        affiliation=int(Affiliation.NONE),
        role=int(Role.NONE),
        jid="",
        occupant_id="",
        statuses=(*codes, showing.STATUS_SELF),
        alternate="" if is_destroyed else None,
    )


def _positions(context: Context, visit: Visit, low: int, high: int, limit: int) -> list[Position]:
    """Positions of the room's archive from `low` on, below `high`."""
    sql = "SELECT position FROM archive WHERE owner_id = ? AND position >= ? AND position < ? ORDER BY position LIMIT ?"
    bindings = (visit.room_id, low, high, limit)
    return [Position(position) for (position,) in context.rows.select((context.archive,), sql, bindings)]


def _is_owed(context: Context, session: Session, visit: Visit) -> bool:
    """Whether something of a visit may not have been acknowledged."""
    progress = context.progress.get(session.session_id)
    assert progress is not None, session.session_id
    return bool(_positions(context, visit, max(visit.joined, progress.delivered) + 1, visit.over, 1))
