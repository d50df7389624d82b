"""
The directory of businesses: applications, tokens, numbers, callbacks, templates, and the tables of events.

What a message has to ask is kept in memory: is this account a number, which applications are told, what is somebody
called. Businesses are few (`BUSINESS_COUNT_MAX`), so all numbers and callbacks are read at the first question and
again after a change or an undone command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.business import tables
from raftline.machine.business.group_tables import GROUP_LINK, GroupLink
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.tables import (
    App,
    AuditLine,
    Business,
    BusinessEvent,
    BusinessMessage,
    Callback,
    EventState,
    Number,
    Pace,
    PromptRow,
    Template,
    Token,
)
from raftline.machine.rows import CACHE_ROW_COUNT_MAX, RowStore

APP_SCOPE: Final = "app"
MESSAGES_FIELD: Final = "messages"


class Listener(NamedTuple):
    """An application that is told of a number's events: `is_called` by a callback; `streams` lets it read them."""

    app_id: int
    is_called: bool
    streams: bool


class BusinessState:
    """
    Tables of businesses, and what is derived of them.

    Attributes:
        change_count: Grows whenever an event may be fit to be delivered. No part of the state.
        lost_event_count: Events that applications were not told of, because too many waited. No part of it either.
    """

    def __init__(self, rows: RowStore) -> None:
        self._rows = rows
        self.businesses: Final = rows.table(tables.BUSINESS, Business._make)
        self.apps: Final = rows.table(tables.APP, App._make)
        self.tokens: Final = rows.table(tables.TOKEN, Token._make)
        self.numbers: Final = rows.table(tables.NUMBER, Number._make)
        self.callbacks: Final = rows.table(tables.CALLBACK, Callback._make)
        self.events: Final = rows.table(tables.EVENT, BusinessEvent._make)
        self.messages: Final = rows.table(tables.BUSINESS_MESSAGE, BusinessMessage._make)
        self.prompts: Final = rows.table(tables.PROMPT, PromptRow._make)
        self.paces: Final = rows.table(tables.PACE, Pace._make)
        self.audit: Final = rows.table(tables.AUDIT, AuditLine._make)
        self.templates: Final = rows.table(tables.TEMPLATE, Template._make)
        self.group_links: Final = rows.table(GROUP_LINK, GroupLink._make)
        self.change_count = 0
        self.lost_event_count = 0
        self._numbers: dict[AccountId, Number] | None = None
        self._listeners: dict[AccountId, tuple[Listener, ...]] = {}
        self._event_counts: dict[int, int] = {}
        self._names: dict[AccountId, str] = {}
        self._ordinal = (Position(0), 0)
        self._is_undone = True

    # What there is

    def number_of(self, account_id: AccountId) -> Number | None:
        """Return the number that an account is; None for almost all of them."""
        numbers = self._numbers
        if numbers is None:
            found = self._rows.select((self.numbers,), "SELECT * FROM business_number ORDER BY account_id")
            numbers = self._numbers = {row[0]: Number._make(row) for row in found}
        return numbers.get(account_id)

    def numbers_of(self, business_id: int) -> list[Number]:
        """Return the numbers of a business, the oldest first."""
        sql = "SELECT * FROM business_number WHERE business_id = ? ORDER BY number_id"
        return [Number._make(row) for row in self._rows.select((self.numbers,), sql, (business_id,))]

    def apps_of(self, business_id: int) -> list[App]:
        """Return the applications of a business, the oldest first."""
        sql = "SELECT * FROM business_app WHERE business_id = ? ORDER BY app_id"
        return [App._make(row) for row in self._rows.select((self.apps,), sql, (business_id,))]

    def callbacks_of(self, app_id: int) -> list[Callback]:
        """Return the callbacks of an application, by scope."""
        sql = "SELECT * FROM business_callback WHERE app_id = ? ORDER BY scope"
        return [Callback._make(row) for row in self._rows.select((self.callbacks,), sql, (app_id,))]

    def tokens_of(self, app_id: int) -> list[Token]:
        """Return the tokens of an application, the oldest first."""
        sql = "SELECT * FROM business_token WHERE app_id = ? ORDER BY token_id, digest"
        return [Token._make(row) for row in self._rows.select((self.tokens,), sql, (app_id,))]

    def directory_changed(self) -> None:
        """Read numbers, callbacks and applications anew: something of them has changed."""
        self._numbers = None
        self._listeners.clear()
        self.change_count += 1

    def listeners(self, number: Number) -> tuple[Listener, ...]:
        """Return the applications that are told of a number's events, the oldest first."""
        known = self._listeners.get(number.account_id)
        if known is None:
            found = (self._listener(app, number) for app in self.apps_of(number.business_id))
            known = tuple(listener for listener in found if listener.is_called or listener.streams)
            self._listeners[number.account_id] = known
        return known

    def _listener(self, app: App, number: Number) -> Listener:
        scopes = {
            graph_id(GraphKind.NUMBER, number.number_id),
            graph_id(GraphKind.BUSINESS, number.business_id),
        }
        is_called = any(
            callback.scope in scopes or MESSAGES_FIELD in callback.fields.split(",")
            for callback in self.callbacks_of(app.app_id)
            if callback.scope in {*scopes, APP_SCOPE}
        )
        return Listener(app.app_id, is_called, bool(app.streams))

    # Events

    def next_ordinal(self, position: Position) -> int:
        """Give out the next ordinal among the events of a command; positions never come again, but to one undone."""
        known, ordinal = self._ordinal
        if known != position:
            ordinal = 0
        if self._is_undone:
            sql = "SELECT coalesce(max(ordinal) + 1, 0) FROM business_event WHERE position = ?"
            ordinal = int(self._rows.select((self.events,), sql, (position,))[0][0])
            self._is_undone = False
        self._ordinal = (position, ordinal + 1)
        return ordinal

    def event_count(self, app_id: int) -> int:
        """How many events there are of an application, in whatever state."""
        count = self._event_counts.get(app_id)
        if count is None:
            sql = "SELECT count(*) FROM business_event WHERE app_id = ?"
            count = int(self._rows.select((self.events,), sql, (app_id,))[0][0])
            self._event_counts[app_id] = count
        return count

    def add_event(self, row: BusinessEvent) -> None:
        """Write an event that is not there."""
        count = self.event_count(row.app_id)
        self.events.insert(row[:2], row)
        self._event_counts[row.app_id] = count + 1
        if row.state == EventState.WAITING:
            self.change_count += 1

    def remove_event(self, row: BusinessEvent) -> None:
        """Delete an event that is there; the message that it holds is somebody else's work."""
        count = self.event_count(row.app_id)
        self.events.delete(row[:2])
        self._event_counts[row.app_id] = count - 1

    # Names

    def name_of(self, account_id: AccountId, read: Callable[[], str]) -> str:
        """Return what an account calls itself; `read` finds out if it is not known."""
        name = self._names.get(account_id)
        if name is None:
            name = self._names[account_id] = read()
        return name

    def name_changed(self, account_id: AccountId) -> None:
        """Find out anew what an account calls itself."""
        self._names.pop(account_id, None)

    # Memory

    def drop_derived(self) -> None:
        """Forget what is derived from rows."""
        self._numbers = None
        self._listeners.clear()
        self._event_counts.clear()
        self._names.clear()
        self._ordinal = (Position(0), 0)
        self._is_undone = True

    def trim(self) -> None:
        """Forget what is derived if it has grown too large."""
        if len(self._names) > CACHE_ROW_COUNT_MAX:
            self._names.clear()
