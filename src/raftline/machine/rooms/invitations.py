"""
Invitations through the room, and answers to them (XEP-0045 section 7.8.2).

The room writes to the account that is invited, under its own address, so what it says can be trusted. To invite to a
members-only room makes a member; whoever may not make members may not invite then. Whether the account exists is not
told: that would be a way to look for addresses. Nor is whether it has blocked who invites, whose address counts beside
the room's (XEP-0191 section 3.3).
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import SessionId
from raftline.base.limits import OFFLINE_MESSAGE_COUNT_MAX, ROOM_AFFILIATION_COUNT_MAX, ROOM_REASON_SIZE_MAX
from raftline.machine import messages
from raftline.machine.blocking import BLOCKED_BY_SENDER
from raftline.machine.context import Context
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.outbox import MessageHandedOver
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.push.alerts import alert
from raftline.machine.records import Archived, Session, StoredMessage
from raftline.machine.rooms import markup, showing
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.administration import set_affiliation
from raftline.machine.rooms.commands import ChangeKind, DeclineInvitation, InviteToRoom, OccupantChange
from raftline.machine.rooms.entering import NO_SUCH_ROOM, NOT_INSIDE, affiliation_of
from raftline.machine.rooms.handovers import RoomMail
from raftline.machine.rooms.ranks import Affiliation, Role
from raftline.machine.rooms.tables import Room

_DONE: Final = Done()
_KEPT: Final = int(Storage.ARCHIVE | Storage.OFFLINE | Storage.ALERT)
_TOO_LONG: Final = Rejected("policy-violation", "modify", f"A reason has at most {ROOM_REASON_SIZE_MAX} bytes.")


def invite(context: Context, session: Session, action: InviteToRoom) -> Outcome:
    """Invite an account; who is not inside may not, unless they own or administer the room."""
    if _is_refused(context, session, action):
        return BLOCKED_BY_SENDER
    room = context.rooms.get(action.room)
    if room is None:
        return NO_SUCH_ROOM
    if len(action.reason.encode()) + len(action.thread.encode()) > ROOM_REASON_SIZE_MAX:
        return _TOO_LONG
    settings = room_settings.decode(room.settings)
    inviter = context.bare_jid(session.localpart)
    affiliation = affiliation_of(context, room, inviter)
    inside = context.occupants.of_account(room.room_id, inviter)
    if not inside and affiliation < Affiliation.ADMIN:
        return NOT_INSIDE
    is_open = settings.invites_open and any(occupant.role > Role.VISITOR for occupant in inside)
    if affiliation < Affiliation.ADMIN and not is_open:
        return Rejected("forbidden", "auth", "You may not invite to this room.")
    invitee = context.bare_jid(action.localpart)
    standing = affiliation_of(context, room, invitee)
    if standing == Affiliation.OUTCAST:
        return Rejected("not-allowed", "cancel", "The account is banned from this room.")
    if settings.members_only and standing == Affiliation.NONE and context.accounts.get(action.localpart) is not None:
        if is_list_full(context, room):
            return Rejected("resource-constraint", "wait", "The room has no place for another member.")
        change = OccupantChange(ChangeKind.AFFILIATION, invitee, int(Affiliation.MEMBER))
        set_affiliation(context, room, invitee, change)
    address = showing.address_of(context, room.name)
    # The real address in a room where everyone sees it; else that in the room, where there is one.
    shown = inviter if settings.non_anonymous or not inside else f"{address}/{inside[0].nick}"
    stanza = markup.invitation(
        address, shown, invitee, reason=action.reason, thread=action.thread, password=settings.password
    )
    sender = f"{inviter}/{session.resource}"
    context.outbox.append(RoomMail(action.localpart, sender, address, room.address_id, stanza))
    return _DONE


def decline(context: Context, session: Session, action: DeclineInvitation) -> Outcome:
    """Tell who invited that the invitation is declined."""
    if _is_refused(context, session, action):
        return BLOCKED_BY_SENDER
    room = context.rooms.get(action.room)
    if room is None:
        return NO_SUCH_ROOM
    if len(action.reason.encode()) > ROOM_REASON_SIZE_MAX:
        return _TOO_LONG
    address = showing.address_of(context, room.name)
    invitee, inviter = context.bare_jid(session.localpart), context.bare_jid(action.localpart)
    stanza = markup.refusal(address, invitee, inviter, reason=action.reason)
    sender = f"{invitee}/{session.resource}"
    context.outbox.append(RoomMail(action.localpart, sender, address, room.address_id, stanza))
    return _DONE


def receive_mail(context: Context, mail: RoomMail) -> None:
    """The account's side: deliver, archive, keep for later, as with messages of accounts."""
    account = context.accounts.get(mail.to_localpart)
    if account is None or context.blocks(account, mail.room) or context.blocks(account, mail.sender):
        return
    handed = MessageHandedOver(
        mail.to_localpart,
        None,
        MessageKind.NORMAL,
        _KEPT,
        mail.stanza,
        "",
        "",
        account.account_id,
        SessionId(0),
        None,
    )
    targets = context.session_index.receivers(account.account_id)
    reached = messages.deliver(context, account, handed, targets)
    if not reached:
        if context.offline_counts.of(account.account_id) >= OFFLINE_MESSAGE_COUNT_MAX:
            return
        context.offline_counts.add(account.account_id, context.position, _KEPT)
    alert(context, account, mail.room, reached)
    position = context.position
    context.archive.insert((account.account_id, position), Archived(account.account_id, position, mail.address_id))
    context.messages.insert(position, StoredMessage(position, context.time_ms, mail.address_id, "", "", 1, mail.stanza))


def _is_refused(context: Context, session: Session, action: InviteToRoom | DeclineInvitation) -> bool:
    """Whether who writes has blocked the room, or the account at the other end."""
    addresses = (showing.address_of(context, action.room), context.bare_jid(action.localpart))
    return any(context.blocks(session, address) for address in addresses)


def is_list_full(context: Context, room: Room) -> bool:
    """Whether there is no place for another member."""
    sql = "SELECT count(*) FROM room_affiliation WHERE room_id = ?"
    ((count,),) = context.rows.select((context.room_affiliations,), sql, (room.room_id,))
    return bool(count >= ROOM_AFFILIATION_COUNT_MAX)
