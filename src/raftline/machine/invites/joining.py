"""
Who was invited opens an account, and becomes a contact of the inviter (XEP-0401 section 5.5, XEP-0445 section 4).

    RegisterByInvite ──> the account ── NewcomerCame ──> the inviter's roster ── NewcomerWelcomed ──> the newcomer's

The inviter is asked first: one whose roster is full, who has blocked the name or is gone welcomes nobody, and then
neither side has the other. Either side gets its roster push, so that the inviter sees at once who came.
"""

from __future__ import annotations

from raftline.machine import accounts, rosters, subscriptions
from raftline.machine.commands import RegisterByInvite
from raftline.machine.context import Context
from raftline.machine.invites import issuing
from raftline.machine.invites.commands import Purpose
from raftline.machine.invites.handovers import NewcomerBrought, NewcomerCame, NewcomerWelcomed
from raftline.machine.outcomes import Done, Outcome, Rejected


def register_by_invite(context: Context, action: RegisterByInvite) -> Outcome:
    """Make an account, and use the invitation up."""
    invite = issuing.find_for_registration(context, action.digest)
    if invite is None:
        return issuing.UNKNOWN
    if invite.username and action.localpart != invite.username:
        return Rejected("not-acceptable", "modify", f"The invitation is for the name {invite.username}.")
    account = accounts.open_account(context, action.localpart, action.credentials, invite=action.digest)
    if isinstance(account, Rejected):
        return account
    issuing.use_for_registration(context, invite, account)
    if invite.purposes & Purpose.SUBSCRIBE:
        context.outbox.append(NewcomerCame(invite.inviter, invite.inviter_id, action.localpart))
    if invite.purposes & Purpose.JOIN:
        context.outbox.append(NewcomerBrought(invite.room, invite.room_id, action.localpart))
    return Done()


def welcome_newcomer(context: Context, came: NewcomerCame) -> None:
    """The inviter's side: the newcomer becomes a contact, both ways."""
    inviter = context.accounts.get(came.to_localpart)
    if inviter is None or inviter.account_id != came.inviter_id:
        return
    contact = context.bare_jid(came.newcomer)
    is_known = context.roster.get((inviter.account_id, contact)) is not None
    if context.blocks(inviter, contact) or (not is_known and rosters.is_full(context, inviter)):
        return
    subscriptions.befriend(context, inviter, contact)
    context.outbox.append(NewcomerWelcomed(came.newcomer, came.to_localpart))


def greet_inviter(context: Context, welcomed: NewcomerWelcomed) -> None:
    """The newcomer's side: the inviter becomes a contact, both ways."""
    newcomer = context.accounts.get(welcomed.to_localpart)
    if newcomer is not None:
        subscriptions.befriend(context, newcomer, context.bare_jid(welcomed.inviter))
