"""
The outbox of events: written by whatever happens to a number, there until somebody has taken them.

    written ──▶ WAITING ── SettleEvents ──▶ gone, or KEPT where the application reads streams ── a day ──▶ gone
       │           └── nobody took it for 7 days ──▶ DEAD ── ReplayEvents ──▶ WAITING
       │                                               └── DiscardEvents, or 30 days ──▶ gone
       └──▶ KEPT, where the application has streams and no callback

An application without either gets no events. Each application has rows of its own, so that one that nobody answers for
holds up none of the others. One that has too many gets no more, which is counted; when that goes for all applications
of a number, whoever writes to it is refused (receiving.py), but groups go on. What was sent is not part of the state,
so that leaders may change at any moment: whoever delivers sends again what has not been settled (web/cloud/webhooks).

An event that shows a message is one of its holders, so that what is retracted meanwhile is not told of any more as it
was, and what an archive forgets is told all the same.
"""

from __future__ import annotations

from typing import Final

from raftline.base.business_limits import (
    APP_EVENT_COUNT_MAX,
    BUSINESS_EVENT_AGE_MAX_MS,
    DEAD_EVENT_AGE_MAX_MS,
    SETTLED_EVENT_COUNT_MAX,
    STREAMED_EVENT_AGE_MAX_MS,
)
from raftline.base.ids import AccountId, Position
from raftline.machine import inbox
from raftline.machine.business.audit import note_app
from raftline.machine.business.commands import DiscardEvents, ReplayEvents, SettleEvents
from raftline.machine.business.refusals import NO_APP
from raftline.machine.business.tables import BusinessEvent, EventKind, EventState, Number
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome

_NOWHERE: Final = Position(0)


def write_event(
    context: Context,
    number: Number,
    kind: EventKind,
    *,
    peer: str,
    message: Position,
    room: str = "",
    target: Position = _NOWHERE,
    name: str = "",
    detail: bytes = b"",
    holds: bool = False,
) -> None:
    """
    Tell the applications of a number of something; the other fields are those of the row.

    Args:
        holds: `message` is that of the command that runs, and the event is one of its holders.
    """
    business = context.business
    position, now_ms = context.position, context.time_ms
    account = context.accounts.get(context.account_named(peer) or "")
    peer_account = AccountId(0) if account is None else account.account_id
    for listener in business.listeners(number):
        if business.event_count(listener.app_id) >= APP_EVENT_COUNT_MAX:
            business.lost_event_count += 1
            continue
        state = EventState.WAITING if listener.is_called else EventState.KEPT
        due_ms = now_ms + (BUSINESS_EVENT_AGE_MAX_MS if listener.is_called else STREAMED_EVENT_AGE_MAX_MS)
        row = BusinessEvent(
            position,
            business.next_ordinal(position),
            listener.app_id,
            number.number_id,
            peer,
            room,
            int(kind),
            int(state),
            message,
            target,
            name,
            detail,
            now_ms,
            due_ms,
            peer_account,
        )
        business.add_event(row)
        if holds:
            context.message_holders += 1


def is_full(context: Context, number: Number) -> bool:
    """Whether no application of a number has room for another event; one that has none to tell is never full."""
    business = context.business
    listeners = business.listeners(number)
    return bool(listeners) and all(
        business.event_count(listener.app_id) >= APP_EVENT_COUNT_MAX for listener in listeners
    )


def settle_events(context: Context, action: SettleEvents) -> Outcome:
    """Let go of events that receivers have taken."""
    business = context.business
    for key in action.events:
        row = business.events.get(key)
        if row is None or row.state != EventState.WAITING:
            continue
        app = business.apps.get(row.app_id)
        if app is not None and app.streams:
            due_ms = context.time_ms + STREAMED_EVENT_AGE_MAX_MS
            business.events.put(key, row._replace(state=int(EventState.KEPT), due_ms=due_ms))
        else:
            forget_event(context, row)
    return Done()


def expire_event(context: Context, key: tuple[Position, int]) -> None:
    """Take an event out of the state whose time is over."""
    row = context.business.events.get(key)
    assert row is not None, key
    if row.state == EventState.WAITING:
        due_ms = context.time_ms + DEAD_EVENT_AGE_MAX_MS
        context.business.events.put(key, row._replace(state=int(EventState.DEAD), due_ms=due_ms))
    else:
        forget_event(context, row)


def replay_events(context: Context, action: ReplayEvents) -> Outcome:
    """Let dead letters wait again."""
    business = context.business
    app = business.apps.get(action.app_id)
    if app is None:
        return NO_APP
    rows = _dead_letters(context, action)
    for row in rows:
        due_ms = context.time_ms + BUSINESS_EVENT_AGE_MAX_MS
        business.events.put(row[:2], row._replace(state=int(EventState.WAITING), due_ms=due_ms))
    business.change_count += 1
    note_app(context, app, action.actor, "dead-letters.replay", str(len(rows)))
    return Done()


def discard_events(context: Context, action: DiscardEvents) -> Outcome:
    """Forget dead letters."""
    app = context.business.apps.get(action.app_id)
    if app is None:
        return NO_APP
    rows = _dead_letters(context, action)
    for row in rows:
        forget_event(context, row)
    note_app(context, app, action.actor, "dead-letters.discard", str(len(rows)))
    return Done()


def forget_event(context: Context, row: BusinessEvent) -> None:
    """Delete an event, and its hold on the message that it shows."""
    context.business.remove_event(row)
    if row.kind == EventKind.MESSAGE and context.messages.get(row.message) is not None:
        inbox.release_message(context, row.message)


def _dead_letters(context: Context, action: ReplayEvents | DiscardEvents) -> list[BusinessEvent]:
    """Return the dead letters that a command means: those it names, or the oldest ones."""
    business = context.business
    if action.events:
        named = (business.events.get(key) for key in sorted(set(action.events)))
        return [
            row for row in named if row is not None and row.app_id == action.app_id and row.state == EventState.DEAD
        ]
    sql = "SELECT * FROM business_event WHERE app_id = ? AND state = ? ORDER BY position, ordinal LIMIT ?"
    bindings = (action.app_id, int(EventState.DEAD), SETTLED_EVENT_COUNT_MAX)
    return [BusinessEvent._make(row) for row in context.rows.select((business.events,), sql, bindings)]
