"""
Login tokens (XEP-0484): issued to a client installation, used, replaced, forgotten.

A client has two slots. A token is issued into the new one, where it replaces one that was never used; the token it
replaces in use stays good until the new one is used, for the client may never have got it. Used, it moves to the
current slot and what was there is gone (section 5.1). Tokens are good for a fixed cluster time; what is too old is kept
for some days more, so that its holder can be told why it is refused.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

from raftline.base.limits import (
    LOGIN_TOKEN_CLIENT_COUNT_MAX,
    LOGIN_TOKEN_LIFETIME_MS,
    LOGIN_TOKEN_PART_SIZE_MAX,
    LOGIN_TOKEN_ROTATION_MS,
)
from raftline.machine.login.tables import CURRENT, NEW, LoginToken
from raftline.machine.outcomes import Rejected
from raftline.machine.queries import KnownToken, LoginTokensOf

if TYPE_CHECKING:
    from raftline.machine.context import Context
    from raftline.machine.login.commands import TokenIssue, TokenUse
    from raftline.machine.records import Account

_UNKNOWN = Rejected("not-authorized", "auth", "There is no such token.")
_REPLAYED = Rejected("not-authorized", "auth", "The counter of this token was seen already.")
_EXPIRED = Rejected("credentials-expired", "auth", "The token is too old.")
_OVERSIZED = Rejected("malformed-request", "modify", "What is to be kept of the token is too large.")


def find(context: Context, account: Account, use: TokenUse) -> LoginToken | Rejected:
    """Return the token that is used, if it is still good; nothing is changed yet."""
    for slot in (NEW, CURRENT):
        row = context.login_tokens.get((account.account_id, use.client, slot))
        if row is None or not compare_digest(row.verifier, use.verifier):
            continue
        if _is_expired(context, row):
            return _EXPIRED
        if use.count is not None and use.count < row.next_count:
            return _REPLAYED
        return row
    return _UNKNOWN


def take(context: Context, row: LoginToken, use: TokenUse) -> None:
    """Take note that a token was used: what was issued to its client before is gone (section 3.5)."""
    key = (row.account_id, row.client)
    if use.invalidate:
        _forget_client(context, row)
        return
    next_count = row.next_count if use.count is None else use.count + 1
    if row.slot == NEW:
        context.login_tokens.delete((*key, NEW))
    elif next_count == row.next_count:
        return
    context.login_tokens.put((*key, CURRENT), row._replace(slot=CURRENT, next_count=next_count))


def check_issue(issue: TokenIssue) -> Rejected | None:
    """Refuse what no node of ours would issue."""
    parts = (issue.client, issue.mechanism.encode(), issue.verifier, issue.answer)
    return _OVERSIZED if max(map(len, parts)) > LOGIN_TOKEN_PART_SIZE_MAX else None


def issue(context: Context, account: Account, wanted: TokenIssue) -> int:
    """
    Issue a token into the new slot of its client; return the cluster time in ms at which it will be too old.

    An account with too many clients loses the tokens of the one that was issued none for the longest time.
    """
    sql = "SELECT client, max(position) FROM login_token WHERE account_id = ? GROUP BY client ORDER BY 2, client"
    clients = [client for client, _ in context.rows.select((context.login_tokens,), sql, (account.account_id,))]
    if wanted.client not in clients and len(clients) >= LOGIN_TOKEN_CLIENT_COUNT_MAX:
        for slot in (CURRENT, NEW):
            context.login_tokens.delete((account.account_id, clients[0], slot))
    row = LoginToken(
        account.account_id,
        wanted.client,
        NEW,
        wanted.mechanism,
        wanted.verifier,
        wanted.answer,
        0,
        context.position,
        context.time_ms,
    )
    context.login_tokens.put((account.account_id, wanted.client, NEW), row)
    return context.time_ms + LOGIN_TOKEN_LIFETIME_MS


def forget_all(context: Context, account: Account) -> None:
    """Delete all tokens of an account, whose password changed or which is deleted."""
    sql = "SELECT client, slot FROM login_token WHERE account_id = ? ORDER BY client, slot"
    for client, slot in context.rows.select((context.login_tokens,), sql, (account.account_id,)):
        context.login_tokens.delete((account.account_id, client, slot))


def tokens_of(context: Context, query: LoginTokensOf) -> list[KnownToken]:
    """Return what is kept of a client's tokens, the one issued last first; see queries.py."""
    account = context.accounts.get(query.localpart)
    if account is None:
        return []
    rows = (context.login_tokens.get((account.account_id, query.client, slot)) for slot in (NEW, CURRENT))
    return [
        KnownToken(
            row.mechanism,
            row.verifier,
            row.answer,
            _is_expired(context, row),
            context.time_ms - row.time_ms >= LOGIN_TOKEN_ROTATION_MS,
        )
        for row in rows
        if row is not None
    ]


def _forget_client(context: Context, row: LoginToken) -> None:
    for slot in (CURRENT, NEW):
        context.login_tokens.delete((row.account_id, row.client, slot))


def _is_expired(context: Context, row: LoginToken) -> bool:
    return context.time_ms - row.time_ms >= LOGIN_TOKEN_LIFETIME_MS
