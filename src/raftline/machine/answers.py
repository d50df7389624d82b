"""Answers to questions about the replica as it is now (see queries.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.base.limits import ACCOUNT_PAGE_ROW_COUNT_MAX
from raftline.machine import rosters
from raftline.machine.archive import archive_ends, archive_page
from raftline.machine.commands import Credential
from raftline.machine.context import Context
from raftline.machine.outcomes import RosterItem
from raftline.machine.presence import SUBSCRIBED_FROM
from raftline.machine.queries import (
    AccountExists,
    AccountRow,
    Answer,
    ArchiveEnds,
    ArchivePage,
    CredentialsOf,
    ListAccounts,
    Query,
    Roster,
    RosterOf,
    SessionAt,
    SessionRow,
    SessionsOf,
    SubscriptionOf,
)
from raftline.machine.records import Session


def answer(context: Context, query: Query) -> Answer:
    """Answer a question; the type of the answer is said with the question."""
    return _ANSWERS[type(query)](context, query)


def _credentials_of(context: Context, query: CredentialsOf) -> tuple[Credential, ...]:
    account = context.accounts.get(query.localpart)
    if account is None:
        return ()
    sql = (
        "SELECT mechanism, salt, iterations, stored_key, server_key FROM credential"
        " WHERE account_id = ? ORDER BY mechanism"
    )
    found = context.rows.select((context.credentials,), sql, (account.account_id,))
    return tuple(Credential(*row) for row in found)


def _account_exists(context: Context, query: AccountExists) -> bool:
    return context.accounts.get(query.localpart) is not None


def _list_accounts(context: Context, query: ListAccounts) -> list[AccountRow]:
    sql = (
        "SELECT localpart, created_ms, (SELECT count(*) FROM session WHERE session.account_id = account.account_id)"
        " FROM account WHERE localpart > ? ORDER BY localpart LIMIT ?"
    )
    limit = min(max(query.limit, 0), ACCOUNT_PAGE_ROW_COUNT_MAX)
    found = context.rows.select((context.accounts, context.sessions), sql, (query.after, limit))
    return [AccountRow._make(row) for row in found]


def _roster_of(context: Context, query: RosterOf) -> Roster:
    account = context.accounts.get(query.localpart)
    if account is None:
        return Roster(0, [])
    items: list[RosterItem] = [rosters.item_of(entry) for entry in rosters.entries(context, account)]
    return Roster(account.roster_version, items)


def _subscription_of(context: Context, query: SubscriptionOf) -> bool:
    account = context.accounts.get(query.localpart)
    if account is None:
        return False
    entry = context.roster.get((account.account_id, query.contact))
    return entry is not None and bool(entry.subscription & SUBSCRIBED_FROM)


def _session_row(context: Context, session: Session) -> SessionRow:
    presence = context.presences.get(session.session_id)
    return SessionRow(
        session.session_id,
        session.node_id,
        session.resource,
        None if presence is None else presence.priority,
        None if presence is None else presence.stanza,
    )


def _sessions_of(context: Context, query: SessionsOf) -> list[SessionRow]:
    account = context.accounts.get(query.localpart)
    if account is None:
        return []
    return [_session_row(context, session) for session in context.session_index.of(account.account_id)]


def _session_at(context: Context, query: SessionAt) -> SessionRow | None:
    account = context.accounts.get(query.localpart)
    if account is None:
        return None
    session = context.session_index.at(account.account_id, query.resource)
    return None if session is None else _session_row(context, session)


_ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {
        CredentialsOf: _credentials_of,
        AccountExists: _account_exists,
        ListAccounts: _list_accounts,
        RosterOf: _roster_of,
        SubscriptionOf: _subscription_of,
        SessionsOf: _sessions_of,
        SessionAt: _session_at,
        ArchivePage: archive_page,
        ArchiveEnds: archive_ends,
    }
)
