"""
Notifications that are to be published: written, answered, given up.

    written (alerts.py) ──> answered with a result ──> gone
                        ──> answered with a transient error ──> waits until its registration is due, each time longer
                        ──> answered with any other error, or too often ──> gone with its registration
                        ──> too old, or too many behind it ──> gone

A row is there from the command that made the device owe it until a command says what the service answered. Whether it
was sent meanwhile, the state does not know: that is the publisher's (node/publisher.py), which sends again whatever has
no answer, under the same item id.

What is too old counts as a transient error, so a service that takes nothing for days is not kept for ever (section
7.1).
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId, Position
from raftline.base.limits import PUSH_BACKOFF_MS_MAX, PUSH_FAILURE_COUNT_MAX, PUSH_WAITING_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome
from raftline.machine.push.answers import WaitingNotification
from raftline.machine.push.commands import AnswerNotification
from raftline.machine.push.queries import PushNotifications, PushServices
from raftline.machine.push.tables import Notification, Registration

BACKOFF_MS_MIN: Final = 1_000

_TRANSIENT: Final = "wait"
"""The type of error after which the same may succeed (RFC 6120 section 8.3.2)."""

_DONE: Final = Done()


def write(context: Context, row: Notification) -> None:
    """Write a notification. Where a registration has too many, the oldest goes: the latest one counts for them all."""
    push = context.push
    if push.waiting_count(row.registration_id) >= PUSH_WAITING_COUNT_MAX:
        sql = "SELECT min(position) FROM push_notification WHERE registration_id = ?"
        ((oldest,),) = context.rows.select((push.notifications,), sql, (row.registration_id,))
        push.remove((oldest, row.registration_id))
    push.add(row)


def answer_notification(context: Context, action: AnswerNotification) -> Outcome:
    """Take what a service answered (section 7.1)."""
    key = (action.position, action.registration_id)
    row = context.push.notifications.get(key)
    if row is None or row.service != action.service:
        return _DONE
    registration = context.push.find(row.account_id, row.registration_id)
    if registration is None or not action.error_type:
        context.push.remove(key)
        if registration is not None and registration.failure_count:
            context.push.put(registration._replace(failure_count=0, due_ms=0))
    elif action.error_type == _TRANSIENT:
        # What was sent before the error was known fails of the same cause, and counts once.
        if registration.due_ms <= context.time_ms:
            _fail(context, registration)
    else:
        end_registration(context, registration)
    return _DONE


def expire(context: Context, key: tuple[Position, int]) -> None:
    """Give a notification up for its age."""
    row = context.push.notifications.get(key)
    if row is None:
        return  # went with its registration, which an older one has ended just now
    context.push.remove(key)
    registration = context.push.find(row.account_id, row.registration_id)
    if registration is not None:
        _fail(context, registration)


def end_registration(context: Context, registration: Registration) -> None:
    """End a registration with all that waits for it."""
    push = context.push
    sql = "SELECT position FROM push_notification WHERE registration_id = ? ORDER BY position"
    for (position,) in context.rows.select((push.notifications,), sql, (registration.registration_id,)):
        push.remove((position, registration.registration_id))
    push.delete(registration)
    context.watchers.registrations_changed(registration.account_id)


def delete_some(context: Context, account_id: AccountId, budget: int) -> int:
    """Delete notifications of an account that was deleted, at most `budget`; return how many."""
    sql = (
        "SELECT position, registration_id FROM push_notification WHERE account_id = ?"
        " ORDER BY position, registration_id LIMIT ?"
    )
    found = context.rows.select((context.push.notifications,), sql, (account_id, max(budget, 0)))
    for position, registration_id in found:
        context.push.remove((position, registration_id))
    return len(found)


def _fail(context: Context, registration: Registration) -> None:
    """Count a transient error: let the registration rest, or end it after too many in a row."""
    count = registration.failure_count + 1
    if count >= PUSH_FAILURE_COUNT_MAX:
        end_registration(context, registration)
        return
    rest_ms = min(BACKOFF_MS_MIN << (count - 1), PUSH_BACKOFF_MS_MAX)
    context.push.put(registration._replace(failure_count=count, due_ms=context.time_ms + rest_ms))


def services(context: Context, query: PushServices) -> tuple[str, ...]:
    """Return which services something waits for, by one look into an index for each."""
    sql = (
        "WITH RECURSIVE found (service) AS ("
        "SELECT min(service) FROM push_notification WHERE service > ?"
        " UNION ALL"
        " SELECT (SELECT min(service) FROM push_notification AS n WHERE n.service > found.service)"
        " FROM found WHERE found.service IS NOT NULL"
        ") SELECT service FROM found WHERE service IS NOT NULL LIMIT ?"
    )
    found = context.rows.select((context.push.notifications,), sql, (query.after, max(query.limit, 0)))
    return tuple(service for (service,) in found)


def waiting_notifications(context: Context, query: PushNotifications) -> list[WaitingNotification]:
    """Return what is due at a service, the oldest first."""
    sql = (
        "SELECT n.position, n.registration_id, r.node, r.options, n.message_count, n.request_count, n.sender,"
        " (SELECT stanza FROM message WHERE ? AND message.position = n.position)"
        " FROM push_notification AS n JOIN push_registration AS r"
        " ON r.account_id = n.account_id AND r.service = n.service AND r.registration_id = n.registration_id"
        " WHERE n.service = ? AND r.due_ms <= ? ORDER BY n.position, n.registration_id LIMIT ?"
    )
    push = context.push
    tables = (push.notifications, push.registrations, *((context.messages,) if query.with_message else ()))
    bindings = (int(query.with_message), query.service, query.now_ms, max(query.limit, 0))
    return [WaitingNotification._make(row) for row in context.rows.select(tables, sql, bindings)]
