"""
Entering, being and leaving (XEP-0045 sections 7.1 to 7.3, 7.6, 7.7, 7.14, 10.1).

    outside ── EnterRoom ──> inside ── LeaveRoom, unavailable presence, kicked, banned, room destroyed ──> outside
                                   └── the session ends, however it ends; one that waits to be resumed stays inside

Who is in a room is decided here and by apply alone, so a node that dies takes nobody along whose session can be
resumed, and leaves nobody behind whose session is over.

Sessions of one account may share a nickname; others see one occupant, with the presence of the session that spoke
last. A nickname that is kept for somebody else (section 7.10) cannot be taken.

Entering without `<x xmlns='http://jabber.org/protocol/muc'/>`, which was how older clients did it, is refused: what
looks like it today is a client that does not know that it is out.
"""

from __future__ import annotations

from typing import Final

from raftline.base.limits import (
    RESOURCE_SIZE_MAX,
    ROOM_OWNED_COUNT_MAX,
    ROOM_PRESENCE_SIZE_MAX,
    ROOM_SECRET_SIZE_MAX,
    SESSION_ROOM_COUNT_MAX,
)
from raftline.machine.blocking import BLOCKED_BY_SENDER
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Doomed, Session
from raftline.machine.rooms import deliveries, list_versions, ranks, showing
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.commands import EnterRoom, LeaveRoom
from raftline.machine.rooms.handovers import OccupantGone, VisitBegun, VisitOver
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.showing import News
from raftline.machine.rooms.tables import Occupant, Room, RoomAffiliation
from raftline.machine.versions import FEATURES_SINCE

NO_SUCH_ROOM: Final = Rejected("item-not-found", "cancel", "There is no such room.")
NOT_INSIDE: Final = Rejected("not-acceptable", "modify", "You are not in the room.")

_DONE: Final = Done()
_NICK_TAKEN: Final = Rejected("conflict", "cancel", "Somebody else has this nickname.")
_TOO_MANY_ROOMS: Final = Rejected(
    "resource-constraint", "wait", f"A session is in {SESSION_ROOM_COUNT_MAX} rooms at most, those it owes included."
)
_TOO_LONG: Final = Rejected("policy-violation", "modify", "The presence is too long for a room.")


def enter_room(context: Context, session: Session, action: EnterRoom) -> Outcome:
    """Enter, take another nickname, or be shown anew; in the order of checks of section 7.2."""
    assert context.machine_version >= FEATURES_SINCE
    if not 0 < len(action.nick.encode()) <= RESOURCE_SIZE_MAX:
        return Rejected("jid-malformed", "modify", "Enter under a nickname.")
    if len(action.presence) > ROOM_PRESENCE_SIZE_MAX:
        return _TOO_LONG
    room = context.rooms.get(action.room)
    occupant = None if room is None else context.occupants.get(room.room_id, session.session_id)
    if room is not None and occupant is not None and not action.joins:
        return _change(context, room, occupant, action)
    if not action.joins:
        return Rejected("not-acceptable", "modify", "You are not in the room; say so when you enter.")
    if context.blocks(session, f"{showing.address_of(context, action.room)}/{action.nick}"):
        return BLOCKED_BY_SENDER
    if room is None:
        return _create(context, session, action)
    refusal = _refusal(context, room, session, action, is_inside=occupant is not None)
    if refusal is not None:
        return refusal
    if not deliveries.make_room(context, session):
        return _TOO_MANY_ROOMS
    if occupant is not None:  # its client has forgotten that it is inside, and under which nickname
        if occupant.nick != action.nick:
            _take_nick(context, room, occupant, action)
        release(context, room, occupant, "")
    _arrive(context, room, session, action)
    return _DONE


def leave_room(context: Context, session: Session, action: LeaveRoom) -> Outcome:
    """Leave; whoever is not there has left already."""
    if len(action.presence) > ROOM_PRESENCE_SIZE_MAX:
        return _TOO_LONG
    room = context.rooms.get(action.room)
    occupant = None if room is None else context.occupants.get(room.room_id, session.session_id)
    if room is not None and occupant is not None:
        depart(context, room, occupant._replace(presence=action.presence))
    return _DONE


def session_gone(context: Context, handed: OccupantGone) -> None:
    """The room's side: a session is over, or not available any more."""
    room = context.rooms.get(handed.room)
    if room is None or room.room_id != handed.room_id:
        return
    occupant = context.occupants.get(room.room_id, handed.session_id)
    if occupant is not None:
        depart(context, room, occupant._replace(presence=handed.presence))


def depart(context: Context, room: Room, occupant: Occupant, news: News = showing.NO_NEWS) -> None:
    """Let a session leave, and the room go with the last one if it is temporary (section 10.1)."""
    take_out(context, room, occupant, news)
    settings = room_settings.decode(room.settings)
    if not settings.persistent and not context.occupants.of(room.room_id):
        erase(context, room)


def take_out(context: Context, room: Room, occupant: Occupant, news: News = showing.NO_NEWS) -> None:
    """Let a session leave. While another one has the nickname, nobody else learns of it."""
    holders = context.occupants.named(room.room_id, occupant.nick)
    if len(holders) == 1:
        if room_settings.decode(room.settings).is_broadcast(occupant.role):
            showing.note_departure(context, room, occupant)
        showing.broadcast_farewell(context, room, occupant, news)
    else:
        showing.show_farewell(context, room, occupant, [occupant], news)
    release(context, room, occupant, " ".join(map(str, news.statuses)))


def release(context: Context, room: Room, occupant: Occupant, why: str) -> None:
    """Take a session out without a word; `why` as in tables.Visit."""
    stored = context.occupants.get(room.room_id, occupant.session_id)
    assert stored is not None, occupant
    context.occupants.remove(stored)
    context.watchers.touch(room.room_id, stored.jid)
    context.outbox.append(VisitOver(occupant.session_id, occupant.joined, why, stored.nick))


def erase(context: Context, room: Room) -> None:
    """Delete a room that nobody is in; what may be many rows goes a few at a time (pruning.py)."""
    context.occupants.closed(room.room_id)
    context.watchers.closed(room.room_id)
    context.room_numbers.touch(room.room_id)
    context.business.group_links.delete(room.room_id)
    context.alert_rounds.delete(room.room_id)
    context.room_vcards.delete(room.room_id)
    context.rooms.delete(room.name)
    context.doomed.insert(room.room_id, Doomed(room.room_id))


def find_inside(context: Context, session: Session, name: str) -> tuple[Room, Occupant] | Rejected:
    """Return the room of a name, and what a session is in it; or why there is nothing."""
    room = context.rooms.get(name)
    if room is None:
        return NO_SUCH_ROOM
    occupant = context.occupants.get(room.room_id, session.session_id)
    return NOT_INSIDE if occupant is None else (room, occupant)


def affiliation_of(context: Context, room: Room, jid: str) -> int:
    """Return the affiliation of a bare JID."""
    row = context.room_affiliations.get((room.room_id, jid))
    return int(Affiliation.NONE) if row is None else row.affiliation


def note_nick(context: Context, occupant: Occupant) -> None:
    """Remember what a member is called, for when they are away; others are forgotten when they leave."""
    key = (occupant.room_id, occupant.jid)
    row = context.room_affiliations.get(key)
    if row is not None and row.affiliation >= Affiliation.MEMBER:
        context.room_affiliations.put(key, row._replace(known_as=occupant.nick))
    context.watchers.touch(*key)


def is_nick_free(context: Context, room: Room, nick: str, jid: str) -> bool:
    """Whether an account may take a nickname: nobody else has it, or has it kept."""
    if any(holder.jid != jid for holder in context.occupants.named(room.room_id, nick)):
        return False
    sql = "SELECT 1 FROM room_affiliation WHERE room_id = ? AND nick = ? AND nick <> '' AND jid <> ?"
    return not context.rows.select((context.room_affiliations,), sql, (room.room_id, nick, jid))


def _create(context: Context, session: Session, action: EnterRoom) -> Outcome:
    """Make a room, locked until it is configured, and enter it as its owner (section 10.1.1)."""
    refusal = founding_refusal(context, session.localpart, action.secret)
    if refusal is not None:
        return refusal
    if not deliveries.make_room(context, session):
        return _TOO_MANY_ROOMS
    room = found_room(context, session.localpart, action.room, action.secret)
    _arrive(context, room, session, action, (showing.STATUS_CREATED,))
    return _DONE


def founding_refusal(context: Context, localpart: str, secret: bytes) -> Rejected | None:
    """Say why an account may not make a room, if so."""
    if len(secret) > ROOM_SECRET_SIZE_MAX:
        return Rejected("bad-request", "modify", "The secret is too long.")
    sql = "SELECT count(*) FROM room_affiliation WHERE jid = ? AND affiliation = ?"
    bindings = (context.bare_jid(localpart), int(Affiliation.OWNER))
    ((owned,),) = context.rows.select((context.room_affiliations,), sql, bindings)
    if owned >= ROOM_OWNED_COUNT_MAX:
        return Rejected("resource-constraint", "wait", f"You own {ROOM_OWNED_COUNT_MAX} rooms already.")
    return None


def found_room(context: Context, localpart: str, name: str, secret: bytes) -> Room:
    """Make a room that is not there, locked, with an account as its owner, who is not inside by that."""
    jid = context.bare_jid(localpart)
    address = showing.address_of(context, name)
    room = Room(
        name,
        context.new_owner_id(),
        context.address_id(address),
        context.time_ms,
        locked=1,
        listed=0,
        secret=secret,
        settings=room_settings.encode(room_settings.RoomSettings()),
        subject=b"",
        subject_ms=0,
        list_version=list_versions.FIRST,
    )
    context.rooms.insert(room.name, room)
    owner = RoomAffiliation(room.room_id, jid, int(Affiliation.OWNER), "", "")
    context.room_affiliations.insert((room.room_id, jid), owner)
    return room


def _refusal(context: Context, room: Room, session: Session, action: EnterRoom, *, is_inside: bool) -> Rejected | None:
    """Say why a session may not enter, if so (sections 7.2.5 to 7.2.10, 10.1.1)."""
    settings = room_settings.decode(room.settings)
    jid = context.bare_jid(session.localpart)
    affiliation = affiliation_of(context, room, jid)
    if affiliation == Affiliation.OUTCAST:
        return Rejected("forbidden", "auth", "You are banned from this room.")
    if room.locked and affiliation != Affiliation.OWNER:
        return Rejected("item-not-found", "cancel", "The room is not open yet.")
    if settings.members_only and affiliation == Affiliation.NONE:
        return Rejected("registration-required", "auth", "The room is for its members alone.")
    if not is_inside and settings.password and settings.password != (action.password or ""):
        return Rejected("not-authorized", "auth", "The room asks for its password.")
    if not is_nick_free(context, room, action.nick, jid):
        return _NICK_TAKEN
    is_full = context.occupants.nick_count(room.room_id) >= settings.occupant_count_max
    if is_full and not is_inside and affiliation < Affiliation.ADMIN:
        return Rejected("service-unavailable", "wait", "The room is full.")
    return None


def _arrive(context: Context, room: Room, session: Session, action: EnterRoom, statuses: tuple[int, ...] = ()) -> None:
    """
    Put a session into the room and tell it what it has to know, in the order of section 7.1.

    The lists or what changed of them (XEP-0463), others' presence, its own, history, subject; live messages follow.
    """
    settings = room_settings.decode(room.settings)
    jid = context.bare_jid(session.localpart)
    affiliation = affiliation_of(context, room, jid)
    role = ranks.initial_role(affiliation, moderated=settings.moderated, announces=settings.announcements)
    for other in context.occupants.named(room.room_id, action.nick):
        role = other.role
    occupant = Occupant(
        room.room_id,
        session.session_id,
        session.account_id,
        jid,
        session.resource,
        action.nick,
        affiliation,
        role,
        context.position,
        action.presence,
    )
    context.occupants.put(occupant)
    note_nick(context, occupant)
    context.room_departures.delete((room.room_id, action.nick))
    if action.list_since is not None:
        address = showing.address_of(context, room.name)
        list_versions.tell_newcomer(context, room, occupant, action.list_since, address)
    showing.show_others(context, room, occupant)
    until = list_versions.current_version(context, room)
    news = News(own_statuses=(*showing.standing_statuses(room), *statuses), own_until=until)
    showing.broadcast(context, room, occupant, news)
    history = deliveries.show_history(context, room, session, action)
    context.outbox.append(VisitBegun(session.session_id, room.room_id, room.name, history))


def _change(context: Context, room: Room, occupant: Occupant, action: EnterRoom) -> Outcome:
    """Show an occupant anew, under another nickname if it asks for one (sections 7.6, 7.7)."""
    if occupant.nick == action.nick:
        changed = occupant._replace(presence=action.presence)
        context.occupants.put(changed)
        showing.broadcast(context, room, changed)
        return _DONE
    if not is_nick_free(context, room, action.nick, occupant.jid):
        return _NICK_TAKEN
    _take_nick(context, room, occupant, action)
    return _DONE


def _take_nick(context: Context, room: Room, occupant: Occupant, action: EnterRoom) -> None:
    """Let an occupant go under one nickname and come under another (section 7.6)."""
    changed = occupant._replace(presence=action.presence, nick=action.nick)
    is_alone = len(context.occupants.named(room.room_id, occupant.nick)) == 1
    news = News(statuses=(showing.STATUS_NICK_CHANGED,), new_nick=action.nick)
    if is_alone:
        if room_settings.decode(room.settings).is_broadcast(occupant.role):
            showing.note_departure(context, room, occupant)
        showing.broadcast_farewell(context, room, occupant, news)
    else:
        showing.show_farewell(context, room, occupant, [occupant], news)
    for other in context.occupants.named(room.room_id, action.nick):
        changed = changed._replace(role=other.role)
    context.occupants.put(changed)
    note_nick(context, changed)
    context.room_departures.delete((room.room_id, action.nick))
    showing.broadcast(context, room, changed)
