"""Answers to the questions of queries.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raftline.base.ids import AccountId
from raftline.machine.business.naming import name_at
from raftline.machine.business.queries import (
    AppNamed,
    AppsWaiting,
    BusinessAudit,
    Businesses,
    DeadEvents,
    EventsOf,
    IdentityBy,
    IdentityOf,
    MessageOf,
    NumberAt,
    NumberNamed,
    TokenAccess,
    TokensOf,
    WaitingEvents,
    WaitingEventsOf,
    WaitingHeads,
)
from raftline.machine.business.tables import AuditLine, Business, BusinessEvent, EventKind, EventState, Number, Token
from raftline.machine.business.values import (
    AppView,
    BusinessView,
    EventView,
    Identity,
    KnownMessage,
    NumberView,
    TokenView,
)
from raftline.machine.context import Context
from raftline.machine.records import Account
from raftline.machine.rooms.entering import affiliation_of
from raftline.machine.rooms.moderation import address_at
from raftline.machine.rooms.ranks import Affiliation

_WAITING = int(EventState.WAITING)
_DEAD = int(EventState.DEAD)
_SHOWING = frozenset({EventKind.MESSAGE, EventKind.ANSWER})
"""Kinds of events that a message is behind."""
_POSITION_END = (1 << 63) - 1


def businesses(context: Context, query: Businesses) -> list[BusinessView]:
    """Return businesses with what belongs to them."""
    business = context.business
    sql = "SELECT * FROM business WHERE business_id > ? ORDER BY business_id LIMIT ?"
    found = context.rows.select((business.businesses,), sql, (query.after, max(query.limit, 0)))
    views = []
    for row in map(Business._make, found):
        apps = business.apps_of(row.business_id)
        callbacks = [callback for app in apps for callback in business.callbacks_of(app.app_id)]
        views.append(BusinessView(row, apps, business.numbers_of(row.business_id), callbacks))
    return views


def token_access(context: Context, query: TokenAccess) -> TokenView | None:
    """Return who a token speaks for."""
    token = context.business.tokens.get(query.digest)
    if token is None:
        return None
    app = context.business.apps.get(token.app_id)
    assert app is not None, token
    return TokenView(token, app, 0 < token.expires_ms <= context.time_ms)


def number_named(context: Context, query: NumberNamed) -> NumberView | None:
    """Return a number by its id."""
    return _number_view(context, context.business.number_of(AccountId(query.number_id)))


def number_at(context: Context, query: NumberAt) -> NumberView | None:
    """Return a number by its account's name."""
    account = context.accounts.get(query.localpart)
    return None if account is None else _number_view(context, context.business.number_of(account.account_id))


def app_named(context: Context, query: AppNamed) -> AppView | None:
    """Return an application, and how its events stand."""
    app = context.business.apps.get(query.app_id)
    if app is None:
        return None
    sql = "SELECT count(*) FROM business_event WHERE app_id = ? AND state = ?"
    waiting, dead = (
        int(context.rows.select((context.business.events,), sql, (app.app_id, state))[0][0])
        for state in (_WAITING, _DEAD)
    )
    return AppView(app, context.business.callbacks_of(app.app_id), waiting, dead)


def tokens_of(context: Context, query: TokensOf) -> list[Token]:
    """Return the tokens of an application."""
    return context.business.tokens_of(query.app_id)


def identity_of(context: Context, query: IdentityOf) -> Identity | None:
    """Return an account as businesses see it, by its name."""
    return _identity(context, context.accounts.get(query.localpart))


def identity_by(context: Context, query: IdentityBy) -> Identity | None:
    """Return an account as businesses see it, by its id."""
    sql = "SELECT localpart FROM account WHERE account_id = ?"
    found = context.rows.select((context.accounts,), sql, (query.account_id,))
    return _identity(context, context.accounts.get(found[0][0])) if found else None


def message_of(context: Context, query: MessageOf) -> KnownMessage | None:
    """Return a message that a number may refer to."""
    account, message = context.accounts.get(query.localpart), context.messages.get(query.position)
    if account is None or message is None:
        return None
    is_own = message.sender_id == account.address_id
    row = context.archive.get((account.account_id, query.position))
    if row is not None:
        peer = address_at(context, row.contact_id) or ""
        return KnownMessage(query.position, message.time_ms, peer, is_own, message.stanza)
    localpart, _, domain = (address_at(context, message.sender_id) or "").rpartition("@")
    room = context.rooms.get(localpart) if domain == context.rooms_domain else None
    jid = context.bare_jid(account.localpart)
    if room is None or affiliation_of(context, room, jid) < Affiliation.MEMBER:
        return None
    said = context.archive.get((room.room_id, query.position))
    if said is None:
        return None
    peer = f"{room.name}@{context.rooms_domain}"
    return KnownMessage(query.position, message.time_ms, peer, said.contact_id == account.address_id, message.stanza)


def waiting_events(context: Context, query: WaitingEvents) -> list[EventView]:
    """Return what waits, of all applications."""
    sql = (
        "SELECT * FROM business_event WHERE state = ? AND (position, ordinal) > (?, ?)"
        " ORDER BY position, ordinal LIMIT ?"
    )
    return _views(context, sql, (_WAITING, *query.after, max(query.limit, 0)))


def waiting_events_of(context: Context, query: WaitingEventsOf) -> list[EventView]:
    """Return what waits of an application about one peer."""
    sql = (
        "SELECT * FROM business_event WHERE app_id = ? AND state = ? AND peer = ? AND (position, ordinal) > (?, ?)"
        " ORDER BY position, ordinal LIMIT ?"
    )
    return _views(context, sql, (query.app_id, _WAITING, query.peer, *query.after, max(query.limit, 0)))


def waiting_heads(context: Context, query: WaitingHeads) -> list[EventView]:
    """Return of each peer the first that waits, by one look into the index for each."""
    sql = (
        "WITH RECURSIVE head (peer) AS ("
        "SELECT min(peer) FROM business_event WHERE app_id = ?1 AND state = ?2 AND peer > ?3"
        " UNION ALL"
        " SELECT (SELECT min(peer) FROM business_event WHERE app_id = ?1 AND state = ?2 AND peer > head.peer)"
        " FROM head WHERE head.peer IS NOT NULL LIMIT ?4"
        ") SELECT event.* FROM head JOIN business_event AS event ON (event.position, event.ordinal) = ("
        "SELECT position, ordinal FROM business_event WHERE app_id = ?1 AND state = ?2 AND peer = head.peer"
        " ORDER BY position, ordinal LIMIT 1) WHERE head.peer IS NOT NULL ORDER BY head.peer"
    )
    return _views(context, sql, (query.app_id, _WAITING, query.after, max(query.limit, 0)))


def dead_events(context: Context, query: DeadEvents) -> list[EventView]:
    """Return dead letters of an application."""
    sql = (
        "SELECT * FROM business_event WHERE app_id = ? AND state = ? AND (position, ordinal) > (?, ?)"
        " ORDER BY position, ordinal LIMIT ?"
    )
    return _views(context, sql, (query.app_id, _DEAD, *query.after, max(query.limit, 0)))


def events_of(context: Context, query: EventsOf) -> list[EventView]:
    """Return events of an application, whatever their state."""
    sql = (
        "SELECT * FROM business_event WHERE app_id = ? AND (position, ordinal) > (?, ?)"
        " ORDER BY position, ordinal LIMIT ?"
    )
    return _views(context, sql, (query.app_id, *query.after, max(query.limit, 0)))


def audit(context: Context, query: BusinessAudit) -> list[AuditLine]:
    """Return lines of the audit trail, the latest first."""
    end = _POSITION_END if query.before is None else query.before
    sql = (
        "SELECT * FROM business_audit WHERE position < ? AND (? = 0 OR business_id = ?) ORDER BY position DESC LIMIT ?"
    )
    bindings = (end, query.business_id, query.business_id, max(query.limit, 0))
    return [AuditLine._make(row) for row in context.rows.select((context.business.audit,), sql, bindings)]


def apps_waiting(context: Context, _query: AppsWaiting) -> tuple[int, ...]:
    """Return which applications events wait of."""
    sql = (
        "SELECT app_id FROM business_app WHERE EXISTS"
        " (SELECT 1 FROM business_event AS event WHERE event.app_id = business_app.app_id AND state = ?)"
        " ORDER BY app_id"
    )
    business = context.business
    return tuple(app_id for (app_id,) in context.rows.select((business.apps, business.events), sql, (_WAITING,)))


def _views(context: Context, sql: str, bindings: tuple[Any, ...]) -> list[EventView]:
    found: Iterable[Any] = context.rows.select((context.business.events,), sql, bindings)
    return [_view(context, BusinessEvent._make(row)) for row in found]


def _view(context: Context, event: BusinessEvent) -> EventView:
    message = context.messages.get(event.message) if event.kind in _SHOWING else None
    return EventView(event, None, 0) if message is None else EventView(event, message.stanza, message.time_ms)


def _number_view(context: Context, number: Number | None) -> NumberView | None:
    if number is None:
        return None
    business = context.business.businesses.get(number.business_id)
    assert business is not None, number
    return NumberView(number, business)


def _identity(context: Context, account: Account | None) -> Identity | None:
    if account is None:
        return None
    name = name_at(context, context.bare_jid(account.localpart))
    return Identity(account.localpart, account.account_id, name)
