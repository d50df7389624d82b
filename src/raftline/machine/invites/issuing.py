"""
Invitations of people: issued, found, used up, taken back, forgotten.

                       RegisterByInvite, a request that shows the token
    open ─────────────────────────────────────────────────> used once, in the whole cluster
      │ cluster time                RevokeInvite, the inviter's account is deleted
      └──> expired ──> gone      open ──> gone

The token is drawn before a command is proposed and known to nobody but who is told it; the state has its digest. A name
that an invitation is for is kept from everyone else until that is used or gone. Of an invitation by which an account
was opened the row stays as long as the account, and says who invited; a deleted inviter is not named any more.

An invitation to a room may be good for several; each takes one of its uses, in the order of the log (rooms.py).

Invitations are no part of their inviter's account: they live where names of accounts are given out, since they keep
some, and since whoever comes by one has no account yet.
"""

from __future__ import annotations

from raftline.base.ids import AccountId
from raftline.base.limits import (
    ACCOUNT_INVITE_COUNT_MAX,
    INVITE_DIGEST_SIZE,
    INVITE_GRACE_MS,
    INVITE_LIFETIME_MAX_MS,
    INVITE_LIFETIME_MIN_MS,
    LOCALPART_SIZE_MAX,
    OPERATOR_INVITE_COUNT_MAX,
    ROOM_INVITE_COUNT_MAX,
    ROOM_INVITE_USE_COUNT_MAX,
)
from raftline.machine.context import Context
from raftline.machine.invites.commands import IssueInvite, Purpose, RevokeInvite
from raftline.machine.invites.queries import InviteOf, ListInvites
from raftline.machine.invites.tables import NOBODY, Invite
from raftline.machine.invites.views import InviteView
from raftline.machine.outcomes import Done, InviteIssued, Outcome, Rejected
from raftline.machine.records import Account
from raftline.machine.rooms import doors

UNKNOWN = Rejected("item-not-found", "cancel", "The provided token is invalid or expired.")
_TAKEN = Rejected("conflict", "cancel", "There is an account of this name, or an invitation keeps it.")

_PURPOSES = frozenset({int(Purpose.REGISTER), int(Purpose.SUBSCRIBE), int(Purpose.REGISTER | Purpose.SUBSCRIBE)})
_ROOM_PURPOSES = frozenset({int(Purpose.JOIN), int(Purpose.JOIN | Purpose.REGISTER)})


def issue_invite(context: Context, action: IssueInvite) -> Outcome:
    """Keep an invitation."""
    refusal = _refusal(action)
    if refusal is not None:
        return refusal
    inviter_id = NOBODY
    if action.inviter:
        account = context.accounts.get(action.inviter)
        if account is None:
            return Rejected("item-not-found", "cancel", "There is no such account.")
        inviter_id = account.account_id
    if context.invites.get(action.digest) is not None:
        return Rejected("conflict", "cancel", "There is an invitation with this token.")
    name = action.username
    if name and (context.accounts.get(name) is not None or keeps_name(context, name)):
        return _TAKEN
    limit = ACCOUNT_INVITE_COUNT_MAX if inviter_id else OPERATOR_INVITE_COUNT_MAX
    if _open_count(context, inviter_id) >= limit:
        return Rejected("resource-constraint", "wait", f"At most {limit} invitations are open at a time.")
    room_id = NOBODY
    if action.room:
        inviting = doors.find_inviting(context, action.room, action.inviter)
        if isinstance(inviting, Rejected):
            return inviting
        if _room_count(context, inviting.room_id) >= ROOM_INVITE_COUNT_MAX:
            return Rejected(
                "resource-constraint", "wait", f"A room has at most {ROOM_INVITE_COUNT_MAX} open invitations."
            )
        room_id = inviting.room_id
    expires_ms = context.time_ms + action.lifetime_ms
    row = Invite(
        action.digest,
        inviter_id,
        action.inviter,
        name,
        action.purposes,
        expires_ms,
        NOBODY,
        action.room,
        room_id,
        action.uses,
    )
    context.invites.insert(row.digest, row)
    return Done(InviteIssued(expires_ms))


def revoke_invite(context: Context, action: RevokeInvite) -> Outcome:
    """Take an open invitation back."""
    row = context.invites.get(action.digest)
    if row is None or row.account_id:
        return Rejected("item-not-found", "cancel", "There is no such invitation.")
    context.invites.delete(action.digest)
    return Done()


def find_for_registration(context: Context, digest: bytes) -> Invite | None:
    """Return the open invitation by which an account may be opened; one that expired just now counts."""
    row = context.invites.get(digest)
    if row is None or row.account_id or not row.purposes & Purpose.REGISTER:
        return None
    if row.room and not leads_into_room(context, row):
        return None
    return None if context.time_ms > row.expires_ms + INVITE_GRACE_MS else row


def leads_into_room(context: Context, row: Invite) -> bool:
    """Whether the room of an invitation is there, and who made the invitation may still make members."""
    room = context.rooms.get(row.room)
    return room is not None and room.room_id == row.room_id and doors.may_invite(context, room, row.inviter)


def use_for_registration(context: Context, row: Invite, account: Account) -> None:
    """Use an invitation up, and note by whom the account was invited."""
    spend(context, row)
    if row.inviter_id:
        digest = row.digest + account.account_id.to_bytes(8, "big") if row.uses > 1 else row.digest
        remembered = row._replace(
            digest=digest, username="", expires_ms=0, account_id=account.account_id, room="", room_id=NOBODY, uses=0
        )
        context.invites.put(digest, remembered)


def spend(context: Context, row: Invite) -> None:
    """Take one use of an open invitation; with the last one it is gone."""
    if row.uses > 1:
        context.invites.put(row.digest, row._replace(uses=row.uses - 1))
    else:
        context.invites.delete(row.digest)


def use_for_subscription(context: Context, inviter: Account, digest: bytes) -> bool:
    """Use an invitation up by which somebody becomes a contact of its inviter; False when it is no such one."""
    row = context.invites.get(digest)
    if row is None or row.account_id or not row.purposes & Purpose.SUBSCRIBE:
        return False
    if row.inviter_id != inviter.account_id or context.time_ms > row.expires_ms:
        return False
    context.invites.delete(digest)
    return True


def keeps_name(context: Context, localpart: str, *, but: bytes = b"") -> bool:
    """Tell whether an invitation other than `but` keeps a name (XEP-0401 section 6.2)."""
    sql = "SELECT 1 FROM invite WHERE username = ? AND username <> '' AND expires_ms >= ? AND digest <> ?"
    bindings = (localpart, context.time_ms - INVITE_GRACE_MS, but)
    return bool(context.rows.select((context.invites,), sql, bindings))


def forget_account(context: Context, account: Account) -> None:
    """Delete the open invitations of an account that is deleted, and that by which it was opened."""
    for digest in _open_digests(context, account.account_id):
        context.invites.delete(digest)
    sql = "SELECT digest FROM invite WHERE account_id <> 0 AND account_id = ? ORDER BY digest"
    for (digest,) in context.rows.select((context.invites,), sql, (account.account_id,)):
        context.invites.delete(digest)


def prune(context: Context, budget: int) -> int:
    """
    Delete invitations that are good for nothing, the oldest first; return the cluster time before which none is due.

    Whichever is issued later lasts for the least lifetime at least, so nothing is due earlier than that.
    """
    sql = "SELECT digest, expires_ms FROM invite WHERE account_id = 0 ORDER BY expires_ms, digest LIMIT ?"
    due_ms = context.time_ms + INVITE_LIFETIME_MIN_MS
    found: list[tuple[bytes, int]] = context.rows.select((context.invites,), sql, (budget,))
    for digest, expires_ms in found:
        if context.time_ms <= expires_ms + INVITE_GRACE_MS:
            return min(due_ms, expires_ms + INVITE_GRACE_MS + 1)
        context.invites.delete(digest)
        due_ms = context.time_ms
    return due_ms


def invite_of(context: Context, query: InviteOf) -> InviteView | None:
    """Show an open invitation to who has its token."""
    row = context.invites.get(query.digest)
    return None if row is None or row.account_id else view_of(context, row)


def list_invites(context: Context, query: ListInvites) -> list[InviteView]:
    """Show open invitations, those first that expire first."""
    sql = "SELECT * FROM invite WHERE account_id = 0 AND expires_ms >= ? ORDER BY expires_ms, digest LIMIT ?"
    limit = min(max(query.limit, 0), OPERATOR_INVITE_COUNT_MAX)
    found = context.rows.select((context.invites,), sql, (context.time_ms, limit))
    return [view_of(context, Invite._make(row)) for row in found]


def view_of(context: Context, row: Invite) -> InviteView:
    """Show an open invitation."""
    is_expired = context.time_ms > row.expires_ms
    return InviteView(
        row.digest, row.inviter, row.username, row.purposes, row.expires_ms, is_expired, row.room, row.uses
    )


def _open_count(context: Context, inviter_id: AccountId) -> int:
    """Count the invitations of an account, or of operators, that were neither used nor pruned."""
    sql = "SELECT count(*) FROM invite WHERE account_id = 0 AND inviter_id = ?"
    count: int = context.rows.select((context.invites,), sql, (inviter_id,))[0][0]
    return count


def _room_count(context: Context, room_id: AccountId) -> int:
    """Count the invitations to a room that were neither used up nor pruned."""
    sql = "SELECT count(*) FROM invite WHERE room_id = ? AND room_id <> 0"
    count: int = context.rows.select((context.invites,), sql, (room_id,))[0][0]
    return count


def _open_digests(context: Context, inviter_id: AccountId) -> list[bytes]:
    """Return those invitations."""
    sql = "SELECT digest FROM invite WHERE account_id = 0 AND inviter_id = ? ORDER BY digest"
    return [digest for (digest,) in context.rows.select((context.invites,), sql, (inviter_id,))]


def _refusal(action: IssueInvite) -> Rejected | None:
    """Say what is wrong with an invitation by itself, if anything is."""
    if len(action.digest) != INVITE_DIGEST_SIZE:
        return Rejected("bad-request", "modify", "The digest of the token has another size.")
    purposes = _ROOM_PURPOSES if action.room else _PURPOSES
    if action.purposes not in purposes or (action.username and not action.purposes & Purpose.REGISTER):
        return Rejected("bad-request", "modify", "The invitation is good for nothing.")
    if action.purposes & (Purpose.SUBSCRIBE | Purpose.JOIN) and not action.inviter:
        return Rejected("bad-request", "modify", "An operator is nobody's contact, and in no room.")
    if not 1 <= action.uses <= (ROOM_INVITE_USE_COUNT_MAX if action.room else 1):
        return Rejected(
            "not-acceptable", "modify", f"An invitation is good once, one to a room {ROOM_INVITE_USE_COUNT_MAX} times."
        )
    if len(action.username.encode()) > LOCALPART_SIZE_MAX:
        return Rejected("not-acceptable", "modify", "The name of the account is too long.")
    if not INVITE_LIFETIME_MIN_MS <= action.lifetime_ms <= INVITE_LIFETIME_MAX_MS:
        return Rejected(
            "not-acceptable",
            "modify",
            f"An invitation is good for {INVITE_LIFETIME_MIN_MS // 1000} to {INVITE_LIFETIME_MAX_MS // 1000} seconds.",
        )
    return None
