"""
Accounts: made, given credentials, deleted.

A deleted account is gone at once for everyone who asks: its sessions end, its contacts see it unsubscribe, its name is
free. What may be many rows, the archive and the offline messages, is deleted a few rows with each later entry (see
pruning.py); nothing finds them meanwhile, because account ids are never used twice.
"""

from __future__ import annotations

from raftline.base.limits import ACCOUNT_CREDENTIAL_COUNT_MAX, LOCALPART_SIZE_MAX
from raftline.machine import blocking, private_storage, rosters, sessions
from raftline.machine.commands import CreateAccount, Credential, DeleteAccount, SetCredentials
from raftline.machine.context import Context
from raftline.machine.history import preferences, reports
from raftline.machine.invites import issuing
from raftline.machine.login import tokens
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pubsub.removal import forget_account
from raftline.machine.push import registrations
from raftline.machine.records import Account, Doomed, StoredCredential
from raftline.machine.retention.rules import keep_doomed
from raftline.machine.rooms import administration
from raftline.machine.versions import FEATURES_SINCE

_NO_SUCH_ACCOUNT = Rejected("item-not-found", "cancel", "There is no such account.")


def create_account(context: Context, action: CreateAccount) -> Outcome:
    """Make an account with its credentials."""
    account = open_account(context, action.localpart, action.credentials)
    return account if isinstance(account, Rejected) else Done()


def open_account(
    context: Context, localpart: str, credentials: tuple[Credential, ...], *, invite: bytes = b""
) -> Account | Rejected:
    """
    Make an account with its credentials, or say why not.

    Args:
        invite: Digest of the invitation by which it is opened, which may keep the name for it.
    """
    if not 0 < len(localpart.encode()) <= LOCALPART_SIZE_MAX:
        return Rejected("not-acceptable", "modify", "The name of the account is empty or too long.")
    refusal = _check_credentials(credentials)
    if refusal is not None:
        return refusal
    taken = name_taken(context, localpart, invite=invite)
    if taken is not None:
        return taken
    account = Account(
        localpart,
        context.new_owner_id(),
        context.address_id(context.bare_jid(localpart)),
        context.time_ms,
        # Versions grow by one with each change, positions by more: no version of an earlier account of this name
        # comes again, so a client that kept one is not told that nothing changed (RFC 6121 section 2.6).
        roster_version=context.position,
    )
    context.accounts.insert(localpart, account)
    _write_credentials(context, account, credentials)
    return account


def name_taken(context: Context, localpart: str, *, invite: bytes = b"") -> Rejected | None:
    """Say why no account can be made under a name; None if it is free. `invite` as in `open_account`."""
    if context.accounts.get(localpart) is not None:
        return Rejected("conflict", "cancel", "There is an account of this name.")
    if context.machine_version >= FEATURES_SINCE and issuing.keeps_name(context, localpart, but=invite):
        return Rejected("conflict", "cancel", "This name is kept for somebody who is invited.")
    return None


def set_credentials(context: Context, action: SetCredentials) -> Outcome:
    """Replace all credentials of an account."""
    refusal = _check_credentials(action.credentials)
    if refusal is not None:
        return refusal
    account = context.accounts.get(action.localpart)
    if account is None:
        return _NO_SUCH_ACCOUNT
    _delete_credentials(context, account)
    _write_credentials(context, account, action.credentials)
    tokens.forget_all(context, account)  # who knew the former password is not to stay logged in by it
    return Done()


def delete_account(context: Context, action: DeleteAccount) -> Outcome:
    """Delete an account: sessions first, so that contacts see it go before they see it unsubscribe."""
    account = context.accounts.get(action.localpart)
    if account is None:
        return _NO_SUCH_ACCOUNT
    for session in context.session_index.of(account.account_id):
        sessions.end_session(context, session, "not-authorized", keep_messages=False)
    rosters.dissolve_roster(context, account)
    _delete_credentials(context, account)
    tokens.forget_all(context, account)
    blocking.delete_blocklist(context, account)
    private_storage.delete_private(context, account)
    preferences.delete_preferences(context, account)
    reports.delete_reports(context, account)
    context.vcards.delete(account.account_id)
    forget_account(context, account)
    registrations.forget_account(context, account)
    context.departures.delete(account.account_id)
    administration.leave_lists(context, account)
    forget_number(context, account)
    issuing.forget_account(context, account)
    context.accounts.delete(account.localpart)
    context.doomed.insert(account.account_id, Doomed(account.account_id))
    keep_doomed(context, account.account_id)
    return Done()


def forget_number(context: Context, account: Account) -> None:
    """The account is deleted: if it was the number of a business, it is none any more."""
    if context.business.number_of(account.account_id) is not None:
        context.business.numbers.delete(account.account_id)
        context.business.directory_changed()


def _check_credentials(credentials: tuple[Credential, ...]) -> Rejected | None:
    mechanisms = {credential.mechanism for credential in credentials}
    if len(mechanisms) != len(credentials) or len(credentials) > ACCOUNT_CREDENTIAL_COUNT_MAX:
        return Rejected("bad-request", "modify", "There are too many credentials, or two for one mechanism.")
    return None


def _write_credentials(context: Context, account: Account, credentials: tuple[Credential, ...]) -> None:
    for credential in credentials:
        row = StoredCredential(
            account.account_id,
            credential.mechanism,
            credential.salt,
            credential.iterations,
            credential.stored_key,
            credential.server_key,
        )
        context.credentials.put((account.account_id, credential.mechanism), row)


def _delete_credentials(context: Context, account: Account) -> None:
    sql = "SELECT mechanism FROM credential WHERE account_id = ? ORDER BY mechanism"
    for (mechanism,) in context.rows.select((context.credentials,), sql, (account.account_id,)):
        context.credentials.delete((account.account_id, mechanism))
