"""
What moderators, admins and owners do to others (XEP-0045 sections 8, 9 and 10.3 to 10.8).

Who may do what is in the tables of ranks.py. A request of several items is carried out as a whole or not at all: all
of them are checked first, against the room as it is. What an affiliation brings with it for those who are inside
happens at once (section 9): outcasts and, in a members-only room, who is no member any more, are removed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId
from raftline.base.limits import ROOM_AFFILIATION_COUNT_MAX, ROOM_CHANGE_COUNT_MAX, ROOM_REASON_SIZE_MAX
from raftline.machine.business.group_telling import tell_membership
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Account, Session
from raftline.machine.rooms import list_versions, ranks, showing
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.commands import ChangeKind, ChangeOccupants, OccupantChange, RegisterInRoom
from raftline.machine.rooms.entering import (
    NO_SUCH_ROOM,
    affiliation_of,
    depart,
    is_nick_free,
)
from raftline.machine.rooms.events import AffiliationChanged
from raftline.machine.rooms.handovers import MadeMember, MemberGone
from raftline.machine.rooms.list_versions import Versions
from raftline.machine.rooms.ranks import Affiliation, Role
from raftline.machine.rooms.showing import News
from raftline.machine.rooms.tables import Occupant, Room, RoomAffiliation

_DONE: Final = Done()
_FORBIDDEN: Final = Rejected("forbidden", "auth", "You may not do this in this room.")
_NOT_ALLOWED: Final = Rejected("not-allowed", "cancel", "Somebody of that rank is out of your reach.")


class _Actor(NamedTuple):
    """Who asks: an admin may act from outside as a moderator from inside."""

    jid: str
    affiliation: int
    role: int
    nick: str


def change_occupants(context: Context, session: Session, action: ChangeOccupants) -> Outcome:
    """Change roles and affiliations of others."""
    room = context.rooms.get(action.room)
    if room is None:
        return NO_SUCH_ROOM
    if len(action.changes) > ROOM_CHANGE_COUNT_MAX:
        return Rejected("policy-violation", "modify", f"At most {ROOM_CHANGE_COUNT_MAX} changes at once.")
    if any(len(change.reason.encode()) > ROOM_REASON_SIZE_MAX for change in action.changes):
        return Rejected("policy-violation", "modify", f"A reason has at most {ROOM_REASON_SIZE_MAX} bytes.")
    actor = _actor_of(context, room, session)
    named: list[tuple[OccupantChange, str]] = []
    for change in action.changes:
        target = change.target
        if change.kind == ChangeKind.ROLE or change.by_nick:
            holders = context.occupants.named(room.room_id, change.target)
            if not holders:
                return Rejected("item-not-found", "cancel", "Nobody of this name is in the room.")
            target = holders[0].jid
        refuses = _role_refusal if change.kind == ChangeKind.ROLE else _affiliation_refusal
        refusal = refuses(context, room, actor, change, target)
        if refusal is not None:
            return refusal
        named.append((change, target))
    refusal = _list_refusal(context, room, named)
    if refusal is not None:
        return refusal
    for change, target in named:
        if context.rooms.get(room.name) is None:
            break  # a temporary room that the last one was just removed from
        if change.kind == ChangeKind.ROLE:
            _change_role(context, room, actor, change)
        else:
            set_affiliation(context, room, target, change, actor.nick)
    return _DONE


def set_affiliation(context: Context, room: Room, jid: str, change: OccupantChange, actor: str = "") -> None:
    """Write an affiliation, and do to those inside what follows from it."""
    before = affiliation_of(context, room, jid)
    key = (room.room_id, jid)
    context.doors.requests.delete(key)  # that is an answer, whoever gives it
    former = context.room_affiliations.get(key)
    nick = change.nick or ("" if former is None else former.nick)
    if change.value <= Affiliation.NONE:
        nick = ""
    if change.value == Affiliation.NONE and not nick:
        context.room_affiliations.delete(key)
    else:
        known_as = _known_as(context, room, jid, former) if change.value >= Affiliation.MEMBER else ""
        row = RoomAffiliation(room.room_id, jid, int(change.value), nick, change.reason, known_as)
        context.room_affiliations.put(key, row)
    context.watchers.touch(room.room_id, jid)
    if change.value == before:
        return
    context.room_numbers.touch(room.room_id)
    tell_membership(context, room, jid, before, change.value)
    versions = list_versions.note_change(context, room, jid, before, change.value)
    settings = room_settings.decode(room.settings)
    member = context.account_named(jid)
    if member is not None and change.value >= Affiliation.MEMBER > before:
        context.outbox.append(MadeMember(member, room.address_id, settings.members_only))
    inside = context.occupants.of_account(room.room_id, jid)
    if not inside:
        _tell_lists(context, room, jid, int(change.value), nick, versions)
    for occupant in inside:
        changed = occupant._replace(affiliation=int(change.value))
        news = News(actor=actor, reason=change.reason, list_since=versions.since, list_until=versions.until)
        if change.value == Affiliation.OUTCAST:
            remove(context, room, changed, news._replace(statuses=(showing.STATUS_BANNED,)))
        elif settings.members_only and change.value == Affiliation.NONE:
            remove(context, room, changed, news._replace(statuses=(showing.STATUS_AFFILIATION_LOST,)))
        else:
            role = ranks.role_after(
                before,
                change.value,
                occupant.role,
                moderated=settings.moderated,
                announces=settings.announcements,
            )
            show_change(context, room, occupant, changed._replace(role=int(role)), news)


def _known_as(context: Context, room: Room, jid: str, former: RoomAffiliation | None) -> str:
    """Return the nickname under which somebody who is a member now is there, or was last."""
    inside = context.occupants.of_account(room.room_id, jid)
    return inside[-1].nick if inside else "" if former is None else former.known_as


def _tell_lists(context: Context, room: Room, jid: str, affiliation: int, nick: str, versions: Versions) -> None:
    """Tell those who see real addresses that somebody outside has another affiliation (section 9.3)."""
    all_see = room_settings.decode(room.settings).non_anonymous
    occupants = context.occupants.of(room.room_id).values()
    recipients = [other.session_id for other in occupants if all_see or other.role == Role.MODERATOR]
    address = showing.address_of(context, room.name)
    for node_id, session_ids in context.occupants.grouped(recipients):
        context.events.append(AffiliationChanged(node_id, session_ids, address, jid, affiliation, nick, *versions))


def remove(context: Context, room: Room, occupant: Occupant, news: News) -> None:
    """Take a session out against its will; its own presence does not speak for it any more."""
    depart(context, room, occupant._replace(presence=b""), news)


def show_change(context: Context, room: Room, before: Occupant, changed: Occupant, news: News) -> None:
    """Write an occupant of another rank and show it, or let it vanish where its role is not broadcast."""
    settings = room_settings.decode(room.settings)
    context.occupants.put(changed)
    if settings.is_broadcast(before.role) and not settings.is_broadcast(changed.role):
        others = [other for other in context.occupants.of(room.room_id).values() if other.nick != changed.nick]
        showing.show_farewell(context, room, changed, others)
    showing.broadcast(context, room, changed, news)


def member_gone(context: Context, gone: MemberGone) -> None:
    """Forget the affiliation of an account that is deleted: a later one of its name must not have it."""
    room = context.rooms.get(gone.room)
    if room is None:
        return
    context.doors.requests.delete((room.room_id, gone.jid))
    former = context.room_affiliations.delete((room.room_id, gone.jid))
    context.watchers.touch(room.room_id, gone.jid)
    context.room_numbers.touch(room.room_id)
    if former is not None:
        versions = list_versions.note_change(context, room, gone.jid, former.affiliation, Affiliation.NONE)
        _tell_lists(context, room, gone.jid, int(Affiliation.NONE), "", versions)


def leave_lists(context: Context, account: Account) -> None:
    """Let an account that is deleted leave the lists of all rooms."""
    jid = context.bare_jid(account.localpart)
    sql = (
        "SELECT name FROM room JOIN (SELECT room_id FROM room_affiliation WHERE jid = ?1"
        " UNION SELECT room_id FROM join_request WHERE jid = ?1) USING (room_id) ORDER BY name"
    )
    tables = (context.room_affiliations, context.doors.requests, context.rooms)
    for (name,) in context.rows.select(tables, sql, (jid,)):
        context.outbox.append(MemberGone(name, jid))


def forget_lists(context: Context, room_id: AccountId, budget: int) -> int:
    """Delete some affiliations of a room that is gone, and what is known of their changes; return how many rows."""
    sql = "SELECT jid FROM room_affiliation WHERE room_id = ? ORDER BY jid LIMIT ?"
    found = context.rows.select((context.room_affiliations,), sql, (room_id, max(budget, 0)))
    for (jid,) in found:
        context.room_affiliations.delete((room_id, jid))
    return len(found) + list_versions.forget_changes(context, room_id, budget - len(found))


def register(context: Context, session: Session, action: RegisterInRoom) -> Outcome:
    """Become a member under a nickname that is kept, or give it up (section 7.10)."""
    room = context.rooms.get(action.room)
    if room is None or room.locked:
        return NO_SUCH_ROOM
    jid = context.bare_jid(session.localpart)
    affiliation = affiliation_of(context, room, jid)
    if affiliation == Affiliation.OUTCAST:
        return Rejected("forbidden", "auth", "You are banned from this room.")
    if not action.nick:
        if affiliation == Affiliation.NONE:
            return Rejected("item-not-found", "cancel", "You are not registered.")
        if affiliation == Affiliation.MEMBER:
            set_affiliation(context, room, jid, OccupantChange(ChangeKind.AFFILIATION, jid, Affiliation.NONE))
        else:
            row = context.room_affiliations.get((room.room_id, jid))
            assert row is not None, jid
            context.room_affiliations.put((room.room_id, jid), row._replace(nick=""))
            context.watchers.touch(room.room_id, jid)
        return _DONE
    if affiliation == Affiliation.NONE and room_settings.decode(room.settings).members_only:
        return Rejected("not-allowed", "cancel", "Members are made by admins here.")
    if not is_nick_free(context, room, action.nick, jid):
        return Rejected("conflict", "cancel", "Somebody else has this nickname.")
    change = OccupantChange(ChangeKind.AFFILIATION, jid, max(affiliation, Affiliation.MEMBER), nick=action.nick)
    refusal = _list_refusal(context, room, [(change, jid)])
    if refusal is None:
        set_affiliation(context, room, jid, change)
    return refusal or _DONE


def _actor_of(context: Context, room: Room, session: Session) -> _Actor:
    jid = context.bare_jid(session.localpart)
    affiliation = affiliation_of(context, room, jid)
    inside = context.occupants.of_account(room.room_id, jid)
    role = max((int(occupant.role) for occupant in inside), default=int(Role.NONE))
    if affiliation >= Affiliation.ADMIN:
        role = int(Role.MODERATOR)
    return _Actor(jid, affiliation, role, inside[0].nick if inside else "")


def _role_refusal(context: Context, room: Room, actor: _Actor, change: OccupantChange, target: str) -> Rejected | None:
    """Say why an actor may not change a role, if so (sections 5.1.1, 8.2 to 8.4, 9.6, 9.7)."""
    occupant = context.occupants.named(room.room_id, change.target)[0]
    if change.value > Role.MODERATOR:
        return Rejected("bad-request", "modify", "There is no such role.")
    if actor.role < Role.MODERATOR:
        return _FORBIDDEN
    if change.value == occupant.role:
        return None
    affiliation, role = ranks.MAY_CHANGE_ROLE[occupant.role, change.value]
    if actor.affiliation < affiliation or actor.role < role:
        return _FORBIDDEN
    shielded = change.value < occupant.role and ranks.is_shielded(
        actor.affiliation, affiliation_of(context, room, target)
    )
    return _NOT_ALLOWED if shielded else None


def _affiliation_refusal(
    context: Context, room: Room, actor: _Actor, change: OccupantChange, target: str
) -> Rejected | None:
    """Say why an actor may not change an affiliation, if so (sections 5.2.1, 9.1 to 9.5, 10.3 to 10.8)."""
    reach = ranks.MAY_CHANGE_AFFILIATION.get(actor.affiliation)
    if reach is None:
        return _FORBIDDEN
    if target == actor.jid and change.value == Affiliation.OUTCAST:
        return Rejected("conflict", "cancel", "Nobody bans themselves.")
    if affiliation_of(context, room, target) not in reach or change.value not in reach:
        return _NOT_ALLOWED
    if change.nick and not is_nick_free(context, room, change.nick, target):
        return Rejected("conflict", "cancel", "Somebody else has this nickname.")
    return None


def _list_refusal(context: Context, room: Room, changes: list[tuple[OccupantChange, str]]) -> Rejected | None:
    """Say why the lists may not become what these changes make of them: too long, or without an owner."""
    sql = "SELECT count(*), coalesce(sum(affiliation = ?), 0) FROM room_affiliation WHERE room_id = ?"
    bindings = (int(Affiliation.OWNER), room.room_id)
    ((count, owners),) = context.rows.select((context.room_affiliations,), sql, bindings)
    owners_before = owners
    for jid, change in {jid: change for change, jid in changes if change.kind == ChangeKind.AFFILIATION}.items():
        before = affiliation_of(context, room, jid)
        is_listed = context.room_affiliations.get((room.room_id, jid)) is not None
        count += (change.value != Affiliation.NONE) - is_listed
        owners += (change.value == Affiliation.OWNER) - (before == Affiliation.OWNER)
    if owners < 1 <= owners_before:
        return Rejected("conflict", "cancel", "A room has an owner.")
    if count > ROOM_AFFILIATION_COUNT_MAX:
        return Rejected(
            "resource-constraint", "wait", f"A room's lists have at most {ROOM_AFFILIATION_COUNT_MAX} names."
        )
    return None


def _change_role(context: Context, room: Room, actor: _Actor, change: OccupantChange) -> None:
    """Change the role of all sessions under a nickname; without a role nobody stays."""
    news = News(actor=actor.nick, reason=change.reason)
    for occupant in context.occupants.named(room.room_id, change.target):
        changed = occupant._replace(role=int(change.value))
        if change.value == Role.NONE:
            kicked = news._replace(statuses=(showing.STATUS_KICKED,))
            remove(context, room, occupant, kicked)
        elif changed != occupant:
            show_change(context, room, occupant, changed, news)
