"""
Timers: rows that are due at a cluster time.

    row with `due_ms` ──▶ next_due_ms, asked by the leader each second ──▶ CarryOutDue in the log ──▶ carry_out_due
                              (cluster/expiry.py)                                                 on every node alike

Apply has no clock. Whether a row is due is decided by the time of the entry that carries the command, so it is due at
the same position on every node; the leader's own clock says no more than that it is time to propose one. A leader that
proposes too early, too late, twice or none does no harm: what is due stays due.

A timer is not a table of its own but a row of the area it belongs to, with a column `due_ms` (0 for never) and an
index by it over the rows that are due at all. An area puts its kind into `KINDS` and has the rest: bounded steps, the
order (by time, then by key), a cluster that is idle. What one command leaves, the next takes, at once.

What is due and not yet carried out may still be read, for as long as the leader needs to notice: a second or so. Where
that matters, who reads compares `due_ms` itself, as sessions do (resumption.py).

Decided against: carrying it out with each entry, as pruning does. Nothing of that is seen by anyone, while timers tell
people; and an entry would cost a look at each kind, be anything due or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from raftline.base.business_limits import EXPIRED_EVENT_COUNT_MAX
from raftline.base.limits import (
    EXPIRED_ITEM_COUNT_MAX,
    EXPIRED_JOIN_REQUEST_COUNT_MAX,
    EXPIRED_MESSAGE_COUNT_MAX,
    EXPIRED_POLL_COUNT_MAX,
    EXPIRED_SEALED_COUNT_MAX,
    EXPIRED_SESSION_COUNT_MAX,
    EXPIRED_UPLOAD_COUNT_MAX,
    KEPT_ACCOUNT_COUNT_MAX,
    ROOM_ALERT_ROOM_COUNT_MAX,
    TOLD_POLL_COUNT_MAX,
)
from raftline.machine import resumption
from raftline.machine.business import events
from raftline.machine.commands import CarryOutDue
from raftline.machine.context import Context
from raftline.machine.media import uploads
from raftline.machine.outcomes import Done, Outcome
from raftline.machine.polls import choosing, telling
from raftline.machine.pubsub import items
from raftline.machine.queries import NextExpiry
from raftline.machine.retention import deletion
from raftline.machine.retention.rules import end_keeping
from raftline.machine.rooms import alerting, join_requests
from raftline.machine.rows import Table
from raftline.machine.timers import ephemeral
from raftline.machine.view_once import opening


class TimerKind(NamedTuple):
    """
    Rows of one table that are due at a time.

    Attributes:
        table: The table; it has a column `due_ms`.
        count_max: Rows that one command carries out.
        carry_out: Does what is due, given the key of a row, which is not due any more then.
    """

    table: Callable[[Context], Table[Any]]
    count_max: int
    carry_out: Callable[[Context, Any], None]


KINDS: Final = (
    TimerKind(lambda context: context.resumptions, EXPIRED_SESSION_COUNT_MAX, resumption.expire_session),
    TimerKind(lambda context: context.message_timers, EXPIRED_MESSAGE_COUNT_MAX, ephemeral.expire_message),
    TimerKind(lambda context: context.media.uploads, EXPIRED_UPLOAD_COUNT_MAX, uploads.expire_upload),
    TimerKind(lambda context: context.alert_rounds, ROOM_ALERT_ROOM_COUNT_MAX, alerting.carry_on),
    TimerKind(lambda context: context.retention, 1, deletion.take_step),
    TimerKind(lambda context: context.kept_doomed, KEPT_ACCOUNT_COUNT_MAX, end_keeping),
    TimerKind(lambda context: context.pubsub.items, EXPIRED_ITEM_COUNT_MAX, items.expire_item),
    TimerKind(lambda context: context.doors.requests, EXPIRED_JOIN_REQUEST_COUNT_MAX, join_requests.expire_request),
    TimerKind(lambda context: context.polls.polls, EXPIRED_POLL_COUNT_MAX, choosing.close_due),
    TimerKind(lambda context: context.polls.news, TOLD_POLL_COUNT_MAX, telling.tell_due),
    TimerKind(lambda context: context.business.events, EXPIRED_EVENT_COUNT_MAX, events.expire_event),
    TimerKind(lambda context: context.sealed.contents, EXPIRED_SEALED_COUNT_MAX, opening.expire_sealed),
)


def carry_out_due(context: Context, _action: CarryOutDue) -> Outcome:
    """Carry out what is due by cluster time, of each kind the longest overdue first, as much as one command may."""
    for kind in KINDS:
        table = kind.table(context)
        width = table.definition.key_width
        keys = ", ".join(table.definition.columns[:width])
        sql = (
            f"SELECT {keys} FROM {table.definition.name} WHERE due_ms > 0 AND due_ms <= ?"  # noqa: S608 - own names
            f" ORDER BY due_ms, {keys} LIMIT ?"
        )
        for key in context.rows.select((table,), sql, (context.time_ms, kind.count_max)):
            kind.carry_out(context, key if width > 1 else key[0])
    return Done()


def next_due_ms(context: Context, _query: NextExpiry) -> int | None:
    """Return the cluster time at which something is due next; None for never."""
    found: list[int] = []
    for kind in KINDS:
        table = kind.table(context)
        sql = f"SELECT min(due_ms) FROM {table.definition.name} WHERE due_ms > 0"  # noqa: S608 - own names alone
        ((due_ms,),) = context.rows.select((table,), sql)
        if due_ms is not None:
            found.append(due_ms)
    return min(found, default=None)
