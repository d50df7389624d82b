"""Answers to questions about the replica as it is now (see queries.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.base.ids import NodeId
from raftline.base.limits import ACCOUNT_PAGE_ROW_COUNT_MAX
from raftline.machine import rosters
from raftline.machine.archive import archive_ends, archive_page
from raftline.machine.business.contact import is_number
from raftline.machine.business.group_answers import GROUP_ANSWERS
from raftline.machine.business.handlers import BUSINESS_ANSWERS
from raftline.machine.catch_up import inbox_page, picture_of
from raftline.machine.commands import Credential, KeyOrigin
from raftline.machine.components.handlers import ANSWERS as COMPONENT_ANSWERS
from raftline.machine.context import Context
from raftline.machine.conversations.handlers import ANSWERS as CONVERSATION_ANSWERS
from raftline.machine.history.preferences import preferences_of
from raftline.machine.history.queries import ArchivePreferencesOf, FindSent, ListReports, SearchArchive
from raftline.machine.history.reports import list_reports
from raftline.machine.history.retraction import find_sent
from raftline.machine.history.search import search_archive
from raftline.machine.idempotency import kept_outcome
from raftline.machine.invites.handlers import INVITE_ANSWERS
from raftline.machine.login import tokens
from raftline.machine.media.answers import MEDIA_ANSWERS
from raftline.machine.outcomes import RosterItem
from raftline.machine.pins.pinning import pins_of
from raftline.machine.pins.queries import PinsOf
from raftline.machine.polls.handlers import POLL_ANSWERS
from raftline.machine.portability.answers import PORTABLE_ANSWERS
from raftline.machine.presence import SUBSCRIBED_FROM
from raftline.machine.pubsub.handlers import ANSWERS as PUBSUB_ANSWERS
from raftline.machine.push.handlers import PUSH_ANSWERS
from raftline.machine.queries import (
    AccountCounts,
    AccountExists,
    AccountRow,
    Answer,
    ArchiveEnds,
    ArchivePage,
    Block,
    BlockBetween,
    BlocklistOf,
    Counts,
    CredentialsOf,
    InboxPage,
    InvitationOf,
    LastActivity,
    LastActivityOf,
    ListAccounts,
    LoginTokensOf,
    NextExpiry,
    NodeProfiles,
    OnlineAccounts,
    OutcomeUnder,
    PictureOf,
    PrivateOf,
    Query,
    Reachable,
    Roster,
    RosterOf,
    SessionAt,
    SessionRow,
    SessionsOf,
    SubscriptionOf,
    VcardOf,
)
from raftline.machine.records import Account, NodeProfile, Session
from raftline.machine.retention.queries import RetentionRules
from raftline.machine.retention.rules import retention_rules
from raftline.machine.rooms.answers import ROOM_ANSWERS
from raftline.machine.timers.due import next_due_ms


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
        "SELECT localpart, created_ms, (SELECT count(*) FROM session WHERE session.account_id = account.account_id),"
        " coalesce((SELECT inviter FROM invite JOIN account AS other"
        " ON other.localpart = inviter AND other.account_id = inviter_id"
        " WHERE invite.account_id <> 0 AND invite.account_id = account.account_id), '')"
        " FROM account WHERE localpart > ? ORDER BY localpart LIMIT ?"
    )
    limit = min(max(query.limit, 0), ACCOUNT_PAGE_ROW_COUNT_MAX)
    tables = (context.accounts, context.sessions, context.invites)
    found = context.rows.select(tables, sql, (query.after, limit))
    return [AccountRow._make(row) for row in found]


def _account_counts(context: Context, _query: AccountCounts) -> Counts:
    sql = (
        "SELECT count(DISTINCT session.account_id) FROM presence"
        " JOIN session ON session.session_id = presence.session_id"
    )
    [(accounts,)] = context.rows.select((context.accounts,), "SELECT count(*) FROM account")
    [(online,)] = context.rows.select((context.sessions, context.presences), sql)
    return Counts(accounts, online)


def _online_accounts(context: Context, query: OnlineAccounts) -> list[str]:
    limit = min(max(query.limit, 0), ACCOUNT_PAGE_ROW_COUNT_MAX)
    sql = (
        "SELECT DISTINCT session.localpart FROM presence JOIN session ON session.session_id = presence.session_id"
        " ORDER BY session.localpart LIMIT ?"
    )
    found = context.rows.select((context.sessions, context.presences), sql, (limit,))
    return [localpart for (localpart,) in found]


def _roster_of(context: Context, query: RosterOf) -> Roster:
    account = context.accounts.get(query.localpart)
    if account is None:
        return Roster(0, [])
    items: list[RosterItem] = [rosters.item_of(entry) for entry in rosters.entries(context, account)]
    return Roster(account.roster_version, items)


def _subscription_of(context: Context, query: SubscriptionOf) -> bool:
    account = context.accounts.get(query.localpart)
    if account is None or context.blocks(account, query.contact):
        return False
    entry = context.roster.get((account.account_id, query.contact))
    return is_number(context, account) or (entry is not None and bool(entry.subscription & SUBSCRIBED_FROM))


def _session_row(context: Context, session: Session) -> SessionRow:
    presence = context.presences.get(session.session_id)
    resumption = context.resumptions.get(session.session_id)
    is_waiting = resumption is not None and resumption.due_ms > 0
    return SessionRow(
        session.session_id,
        NodeId(0) if is_waiting else session.node_id,
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


def _reachable(context: Context, query: Reachable) -> list[SessionRow] | None:
    bare_jid = context.bare_jid(query.localpart)
    address = bare_jid if query.resource is None else f"{bare_jid}/{query.resource}"
    block = _block_between(context, BlockBetween(query.sender, address))
    if block is Block.USER:
        return None
    account = context.accounts.get(query.localpart)
    if account is None or block is Block.CONTACT:
        return []
    return [_session_row(context, session) for session in context.session_index.of(account.account_id)]


def _block_between(context: Context, query: BlockBetween) -> Block:
    user = _account_of(context, query.user)
    if user is not None and context.blocks(user, query.contact):
        return Block.USER
    contact = _account_of(context, query.contact)
    if contact is not None and context.blocks(contact, query.user):
        return Block.CONTACT
    return Block.NOBODY


def _account_of(context: Context, jid: str) -> Account | None:
    localpart = context.account_named(jid.partition("/")[0])
    return None if localpart is None else context.accounts.get(localpart)


def _blocklist_of(context: Context, query: BlocklistOf) -> tuple[str, ...]:
    account = context.accounts.get(query.localpart)
    return () if account is None else tuple(sorted(context.blocklists.of(account.account_id)))


def _private_of(context: Context, query: PrivateOf) -> bytes | None:
    account = context.accounts.get(query.localpart)
    if account is None:
        return None
    row = context.private.get((account.account_id, query.namespace, query.name))
    return None if row is None else row.data


def _vcard_of(context: Context, query: VcardOf) -> bytes | None:
    account = context.accounts.get(query.localpart)
    row = None if account is None else context.vcards.get(account.account_id)
    return None if row is None else row.data


def _last_activity_of(context: Context, query: LastActivityOf) -> LastActivity | None:
    account = context.accounts.get(query.localpart)
    if account is None:
        return None
    is_available = is_number(context, account) or bool(context.session_index.available(account.account_id))
    left = context.departures.get(account.account_id)
    if left is None:
        return LastActivity(is_available, account.created_ms, b"")
    return LastActivity(is_available, left.time_ms, left.stanza)


def _node_profiles(context: Context, _query: NodeProfiles) -> list[NodeProfile]:
    found = context.rows.select((context.node_profiles,), "SELECT * FROM node_profile ORDER BY node_id")
    return [NodeProfile._make(row) for row in found]


_ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {
        CredentialsOf: _credentials_of,
        AccountExists: _account_exists,
        ListAccounts: _list_accounts,
        AccountCounts: _account_counts,
        OnlineAccounts: _online_accounts,
        RosterOf: _roster_of,
        SubscriptionOf: _subscription_of,
        SessionsOf: _sessions_of,
        SessionAt: _session_at,
        ArchivePage: archive_page,
        ArchiveEnds: archive_ends,
        ArchivePreferencesOf: preferences_of,
        FindSent: find_sent,
        SearchArchive: search_archive,
        ListReports: list_reports,
        InboxPage: inbox_page,
        PictureOf: picture_of,
        NextExpiry: next_due_ms,
        OutcomeUnder: lambda context, query: kept_outcome(context, KeyOrigin(query.key)),
        Reachable: _reachable,
        BlockBetween: _block_between,
        BlocklistOf: _blocklist_of,
        PrivateOf: _private_of,
        VcardOf: _vcard_of,
        LastActivityOf: _last_activity_of,
        LoginTokensOf: tokens.tokens_of,
        NodeProfiles: _node_profiles,
        InvitationOf: lambda context, query: context.invitations.get(query.node_id),
        **PORTABLE_ANSWERS,
        **PUBSUB_ANSWERS,
        **ROOM_ANSWERS,
        **COMPONENT_ANSWERS,
        **MEDIA_ANSWERS,
        **CONVERSATION_ANSWERS,
        **INVITE_ANSWERS,
        **PUSH_ANSWERS,
        **BUSINESS_ANSWERS,
        **GROUP_ANSWERS,
        **POLL_ANSWERS,
        PinsOf: pins_of,
        RetentionRules: retention_rules,
    }
)
