"""
Who is no member asks to be one; an admin says yes or no, once (XEP-0045 sections 7.10 and 9.9).

    RegisterInRoom ──> waits ── DecideJoinRequest, yes ──> a member, invited to come
                         │  └── DecideJoinRequest, no ───> told so
                         │  └── given an affiliation by anyone: the question is answered
                         └──── too long, taken back, account or room deleted: gone

It is a setting of a members-only room. Admins who are inside are shown each request when it comes, those who enter
later what waits then; whoever is away finds the list. Of two admins who decide the first one does, in the order of the
log. A request that nobody answers in time is gone without a word, and may be made again.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId
from raftline.base.limits import ACCOUNT_JOIN_REQUEST_COUNT_MAX, JOIN_REQUEST_AGE_MAX_MS, ROOM_JOIN_REQUEST_COUNT_MAX
from raftline.machine.blocking import BLOCKED_BY_SENDER
from raftline.machine.business.group_telling import tell_of_person
from raftline.machine.business.group_values import GroupNewsKind
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Session
from raftline.machine.rooms import markup, showing
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.administration import register, set_affiliation
from raftline.machine.rooms.commands import ChangeKind, DecideJoinRequest, EnterRoom, OccupantChange, RegisterInRoom
from raftline.machine.rooms.door_tables import JoinRequestRow
from raftline.machine.rooms.doors import DOORS_NAMESPACE
from raftline.machine.rooms.entering import NO_SUCH_ROOM, affiliation_of, enter_room, is_nick_free
from raftline.machine.rooms.events import JoinRequested
from raftline.machine.rooms.handovers import RoomMail
from raftline.machine.rooms.invitations import is_list_full
from raftline.machine.rooms.queries import JoinRequestsFor
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Occupant, Room
from raftline.machine.rooms.views import JoinRequestView

_DONE: Final = Done()
_NOBODY_ASKS: Final = Rejected("item-not-found", "cancel", "Nobody of this address waits for an answer.")


def ask_or_register(context: Context, session: Session, action: RegisterInRoom) -> Outcome:
    """Register, or ask to be let in where admins decide; to give a registration up takes a request back."""
    room = context.rooms.get(action.room)
    if room is None or room.locked:
        return NO_SUCH_ROOM
    jid = context.bare_jid(session.localpart)
    if affiliation_of(context, room, jid) != Affiliation.NONE:
        return register(context, session, action)
    if not action.nick and context.doors.requests.delete((room.room_id, jid)) is not None:
        tell_of_person(context, room, GroupNewsKind.REQUEST_OVER, jid)
        return _DONE
    settings = room_settings.decode(room.settings)
    if action.nick and settings.members_only and settings.join_requests:
        return ask(context, session, room, jid, action.nick)
    return register(context, session, action)


def enter_and_hear(context: Context, session: Session, action: EnterRoom) -> Outcome:
    """Enter a room; an admin is then shown who waits to be let in."""
    outcome = enter_room(context, session, action)
    if type(outcome) is Done and action.joins:
        room = context.rooms.get(action.room)
        assert room is not None, "it was entered"
        occupant = context.occupants.get(room.room_id, session.session_id)
        if occupant is not None and occupant.affiliation >= Affiliation.ADMIN:
            for row in _waiting(context, room):
                _show(context, room, row, [occupant])
    return outcome


def decide(context: Context, session: Session, action: DecideJoinRequest) -> Outcome:
    """Say yes or no; the account is told."""
    room = context.rooms.get(action.room)
    if room is None:
        return NO_SUCH_ROOM
    actor = context.bare_jid(session.localpart)
    if affiliation_of(context, room, actor) < Affiliation.ADMIN:
        return Rejected("forbidden", "auth", "Admins alone decide who is let in.")
    row = context.doors.requests.get((room.room_id, action.jid))
    if row is None or context.time_ms >= row.due_ms:
        return _NOBODY_ASKS
    address = showing.address_of(context, room.name)
    if action.allows:
        if is_list_full(context, room):
            return Rejected("resource-constraint", "wait", "The room has no place for another member.")
        nick = row.nick if is_nick_free(context, room, row.nick, row.jid) else ""
        change = OccupantChange(ChangeKind.AFFILIATION, row.jid, int(Affiliation.MEMBER), nick=nick)
        set_affiliation(context, room, row.jid, change)
    else:
        context.doors.requests.delete((room.room_id, row.jid))
    localpart = context.account_named(row.jid)
    assert localpart is not None, row
    password = room_settings.decode(room.settings).password if action.allows else ""
    stanza = markup.decision(address, row.jid, DOORS_NAMESPACE, is_approved=action.allows, password=password)
    context.outbox.append(RoomMail(localpart, address, address, room.address_id, stanza))
    return _DONE


def expire_request(context: Context, key: tuple[AccountId, str]) -> None:
    """Forget a request that nobody has answered."""
    context.doors.requests.delete(key)


def join_requests_for(context: Context, query: JoinRequestsFor) -> list[JoinRequestView]:
    """Show who waits to be let into a room, those first that have waited longest."""
    room = context.rooms.get(query.room)
    return [] if room is None else [JoinRequestView(*row[1:]) for row in _waiting(context, room)]


def forget_requests(context: Context, room_id: AccountId, budget: int) -> int:
    """Delete some requests to a room that is gone; return how many."""
    sql = "SELECT jid FROM join_request WHERE room_id = ? ORDER BY jid LIMIT ?"
    found = context.rows.select((context.doors.requests,), sql, (room_id, max(budget, 0)))
    for (jid,) in found:
        context.doors.requests.delete((room_id, jid))
    return len(found)


def ask(context: Context, session: Session, room: Room, jid: str, nick: str) -> Outcome:
    """Keep a request and show it to admins; who asks again changes the nickname, and not for how long it waits."""
    address = showing.address_of(context, room.name)
    if context.blocks(session, address):
        return BLOCKED_BY_SENDER
    if not is_nick_free(context, room, nick, jid):
        return Rejected("conflict", "cancel", "Somebody else has this nickname.")
    key = (room.room_id, jid)
    former = context.doors.requests.get(key)
    if former is not None and context.time_ms < former.due_ms:
        context.doors.requests.put(key, former._replace(nick=nick))
        return _DONE
    context.doors.requests.delete(key)
    for condition, binding, limit in (
        ("room_id = ?", room.room_id, ROOM_JOIN_REQUEST_COUNT_MAX),
        ("jid = ?", jid, ACCOUNT_JOIN_REQUEST_COUNT_MAX),
    ):
        sql = f"SELECT count(*) FROM join_request WHERE {condition}"  # noqa: S608 - own text alone
        ((count,),) = context.rows.select((context.doors.requests,), sql, (binding,))
        if count >= limit:
            return Rejected("resource-constraint", "wait", "Too many requests wait for an answer.")
    row = JoinRequestRow(room.room_id, jid, nick, context.time_ms, context.time_ms + JOIN_REQUEST_AGE_MAX_MS)
    context.doors.requests.insert(key, row)
    tell_of_person(context, room, GroupNewsKind.REQUESTED, jid)
    occupants = context.occupants.of(room.room_id).values()
    _show(context, room, row, [other for other in occupants if other.affiliation >= Affiliation.ADMIN])
    return _DONE


def _waiting(context: Context, room: Room) -> list[JoinRequestRow]:
    sql = "SELECT * FROM join_request WHERE room_id = ? AND due_ms > ? ORDER BY asked_ms, jid LIMIT ?"
    bindings = (room.room_id, context.time_ms, ROOM_JOIN_REQUEST_COUNT_MAX)
    return [JoinRequestRow._make(row) for row in context.rows.select((context.doors.requests,), sql, bindings)]


def _show(context: Context, room: Room, row: JoinRequestRow, admins: list[Occupant]) -> None:
    address = showing.address_of(context, room.name)
    for node_id, session_ids in context.occupants.grouped([admin.session_id for admin in admins]):
        context.events.append(JoinRequested(node_id, session_ids, address, row.jid, row.nick))
