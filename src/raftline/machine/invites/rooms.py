"""
Invitations to rooms by link: who shows the token becomes a member.

    EnterRoom, RegisterInRoom ──────────> one use is taken, the account is a member, what was asked for happens
    RegisterByInvite ── NewcomerBrought ──> one use is taken, the account is opened, then a member

A use is taken in the order of the log, by whoever comes first, wherever they are connected; one who is a member takes
none. It is taken together with what it was shown for, or not at all: where the room is full, or asks for its password
beside, the invitation stays as it was.

The link that a business shares to a group where people ask to be let in (machine/business/groups.py) makes nobody a
member: who shows it on entering has asked.

A token that is no good counts as none (as XEP-0379 section 3.4 has it), so it keeps nobody out of an open room; who is
refused for want of an affiliation is told that the token is no good. One is good as long as who made it may invite:
what a banned member has given away opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from raftline.base.ids import AccountId
from raftline.base.limits import ROOM_INVITE_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.invites import issuing
from raftline.machine.invites.commands import Purpose, RevokeRoomInvite
from raftline.machine.invites.handovers import NewcomerBrought
from raftline.machine.invites.queries import RoomInvites
from raftline.machine.invites.tables import Invite
from raftline.machine.invites.views import InviteView
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Session
from raftline.machine.rooms import doors, join_requests
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.administration import set_affiliation
from raftline.machine.rooms.commands import ChangeKind, EnterRoom, OccupantChange, RegisterInRoom
from raftline.machine.rooms.entering import NO_SUCH_ROOM, affiliation_of
from raftline.machine.rooms.invitations import is_list_full
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Room

LIST_FULL: Final = Rejected("resource-constraint", "wait", "The room has no place for another member.")

_ASKED: Final = Rejected("registration-required", "auth", "You have asked to be let in. An admin will answer.")
_NO_GOOD: Final = f"{{{doors.DOORS_NAMESPACE}}}invalid-invitation"
_KEPT_OUT: Final = frozenset({"registration-required", "not-allowed"})
"""Conditions of refusals for want of an affiliation (XEP-0045 sections 7.2.6, 7.10)."""

_Entrance = EnterRoom | RegisterInRoom


def by_invitation(handler: Callable[[Context, Session, Any], Outcome]) -> Callable[[Context, Session, Any], Outcome]:
    """Let who shows an invitation be a member before what a command asks for is looked at."""

    def handle(context: Context, session: Session, action: _Entrance) -> Outcome:
        if not action.invite:
            return handler(context, session, action)
        mark = len(context.rows.journal)
        is_made = _make_member(context, session, action)
        if isinstance(is_made, Rejected):
            return is_made
        outcome = handler(context, session, action)
        if isinstance(outcome, Rejected):
            if is_made:
                context.take_back(mark)
            elif outcome.condition in _KEPT_OUT:
                return outcome._replace(text="The invitation is unknown, used up or expired.", detail=_NO_GOOD)
        return outcome

    return handle


def admit_newcomer(context: Context, brought: NewcomerBrought) -> None:
    """The room's side of an account that was opened: it becomes a member, if there is a place, and no ban."""
    room = context.rooms.get(brought.room)
    if room is None or room.room_id != brought.room_id:
        return
    jid = context.bare_jid(brought.newcomer)
    if affiliation_of(context, room, jid) == Affiliation.NONE and not is_list_full(context, room):
        _affiliate(context, room, jid)


def revoke(context: Context, session: Session, action: RevokeRoomInvite) -> Outcome:
    """Take an open invitation back."""
    room = context.rooms.get(action.room)
    if room is None:
        return NO_SUCH_ROOM
    row = context.invites.get(action.digest)
    is_admin = affiliation_of(context, room, context.bare_jid(session.localpart)) >= Affiliation.ADMIN
    if row is None or row.room_id != room.room_id or not (is_admin or row.inviter_id == session.account_id):
        return Rejected("item-not-found", "cancel", "There is no such invitation.")
    context.invites.delete(action.digest)
    return Done()


def list_room_invites(context: Context, query: RoomInvites) -> list[InviteView]:
    """Show open invitations to a room, those first that expire first."""
    room = context.rooms.get(query.room)
    if room is None:
        return []
    sql = (
        "SELECT * FROM invite WHERE room_id = ?1 AND room_id <> 0 AND expires_ms >= ?2"
        " AND (?3 IS NULL OR inviter = ?3) ORDER BY expires_ms, digest LIMIT ?4"
    )
    bindings = (room.room_id, context.time_ms, query.inviter, ROOM_INVITE_COUNT_MAX)
    found = context.rows.select((context.invites,), sql, bindings)
    return [issuing.view_of(context, Invite._make(row)) for row in found]


def forget_room_invites(context: Context, room_id: AccountId, budget: int) -> int:
    """Delete some invitations to a room that is gone; return how many."""
    sql = "SELECT digest FROM invite WHERE room_id = ? AND room_id <> 0 ORDER BY expires_ms, digest LIMIT ?"
    found = context.rows.select((context.invites,), sql, (room_id, max(budget, 0)))
    for (digest,) in found:
        context.invites.delete(digest)
    return len(found)


def _make_member(context: Context, session: Session, action: _Entrance) -> bool | Rejected:
    """Use an invitation for a session's account, if it needs one and the token is good."""
    room = context.rooms.get(action.room)
    if room is None:
        return False
    jid = context.bare_jid(session.localpart)
    row = context.invites.get(action.invite)
    if row is None or row.room != action.room or not row.purposes & Purpose.JOIN:
        return False
    if context.time_ms > row.expires_ms or not issuing.leads_into_room(context, row):
        return False
    if affiliation_of(context, room, jid) != Affiliation.NONE:
        return False
    if _only_asks(context, room, action.invite):
        return _ask(context, session, room, action)
    if is_list_full(context, room):
        return LIST_FULL
    issuing.spend(context, row)
    _affiliate(context, room, jid)
    return True


def _only_asks(context: Context, room: Room, digest: bytes) -> bool:
    """Whether an invitation is the link to a group in which people ask to be let in."""
    link = context.business.group_links.get(room.room_id)
    return link is not None and link.digest == digest and room_settings.decode(room.settings).join_requests


def _ask(context: Context, session: Session, room: Room, action: _Entrance) -> bool | Rejected:
    """Let somebody who enters ask to be let in, which is told as a refusal; who registers asks by that."""
    if isinstance(action, RegisterInRoom):
        return False
    outcome = join_requests.ask(context, session, room, context.bare_jid(session.localpart), action.nick)
    return outcome if isinstance(outcome, Rejected) else _ASKED


def _affiliate(context: Context, room: Room, jid: str) -> None:
    change = OccupantChange(ChangeKind.AFFILIATION, jid, int(Affiliation.MEMBER))
    set_affiliation(context, room, jid, change)
