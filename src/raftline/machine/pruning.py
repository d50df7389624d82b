"""
What is over is deleted in small steps, a few rows with each entry, by cluster time: the same rows at the same entry on
every node, and no entry is held up.

The budget of an entry grows with its commands, so that deleting keeps pace with what they insert.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from raftline.base.business_limits import BUSINESS_MESSAGE_AGE_MAX_MS
from raftline.base.limits import (
    ENDED_SESSION_AGE_MAX_MS,
    IDEMPOTENCY_AGE_MAX_MS,
    LEFT_RESOURCE_AGE_MAX_MS,
    LOGIN_TOKEN_AGE_MAX_MS,
    ORIGIN_ID_AGE_MAX_MS,
    PUBSUB_REMOVAL_AGE_MAX_MS,
    PUSH_NOTIFICATION_AGE_MAX_MS,
    REPORT_AGE_MAX_MS,
    SLOW_MODE_S_MAX,
)
from raftline.machine import inbox
from raftline.machine.business import ending as business
from raftline.machine.context import Context
from raftline.machine.conversations.read_marks import forget_some
from raftline.machine.invites import issuing
from raftline.machine.invites.rooms import forget_room_invites
from raftline.machine.media.uploads import forget_uploads
from raftline.machine.message_commands import Storage
from raftline.machine.pins import ending as pins
from raftline.machine.polls import ending as polls
from raftline.machine.pubsub.removal import delete_some
from raftline.machine.push import outbox as push
from raftline.machine.rooms import administration, join_requests
from raftline.machine.rows import Table
from raftline.machine.view_once import ending as view_once

ROWS_PER_ENTRY: Final = 64
ROWS_PER_COMMAND: Final = 2


class Pruner:
    """
    Deletes expired and orphaned rows.

    It remembers when the oldest row of a table will be due, which spares looking; forgetting that changes nothing.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._due_ms: dict[str, int] = {}
        self._nobody_doomed = False

    def prune(self, command_count: int) -> None:
        """Take the step that belongs to an entry with so many commands."""
        context = self._context
        budget = ROWS_PER_ENTRY + ROWS_PER_COMMAND * command_count
        try:
            self._expire(context.idempotency, IDEMPOTENCY_AGE_MAX_MS, budget)
            self._expire(context.origins, ORIGIN_ID_AGE_MAX_MS, budget)
            self._expire(context.ended_sessions, ENDED_SESSION_AGE_MAX_MS, budget)
            self._expire(context.left_resources, LEFT_RESOURCE_AGE_MAX_MS, budget)
            self._expire(context.login_tokens, LOGIN_TOKEN_AGE_MAX_MS, budget)
            self._expire(context.pubsub.removals, PUBSUB_REMOVAL_AGE_MAX_MS, budget)
            self._expire(context.room_departures, LEFT_RESOURCE_AGE_MAX_MS, budget)
            self._expire(context.reports, REPORT_AGE_MAX_MS, budget)
            self._expire(context.doors.turns, 1000 * SLOW_MODE_S_MAX, budget)
            self._expire_invites(budget)
            expire_notification = partial(push.expire, context)
            self._expire(context.push.notifications, PUSH_NOTIFICATION_AGE_MAX_MS, budget, expire_notification)
            self._expire(context.business.messages, BUSINESS_MESSAGE_AGE_MAX_MS, budget)
            self._bury_doomed(budget)
        except BaseException:
            self.forget()  # the step is undone, so what it learned is no longer so
            raise

    def forget(self) -> None:
        """Look again, whatever was known of when rows are due."""
        self._due_ms.clear()
        self._nobody_doomed = False

    def _expire(
        self, table: Table[Any], age_max_ms: int, budget: int, delete: Callable[[Any], object] | None = None
    ) -> None:
        """Delete rows older than `age_max_ms`, the oldest first; `delete` does more than to delete one."""
        context = self._context
        definition = table.definition
        name, width = definition.name, definition.key_width
        if context.time_ms < self._due_ms.get(name, 0):
            return
        keys = ", ".join(definition.columns[:width])
        sql = f"SELECT time_ms, {keys} FROM {name} ORDER BY position LIMIT ?"  # noqa: S608 - own names alone
        oldest_ms = context.time_ms
        for time_ms, *key in context.rows.select((table,), sql, (budget,)):
            if context.time_ms - time_ms <= age_max_ms:
                oldest_ms = time_ms
                break
            (delete or table.delete)(key[0] if width == 1 else tuple(key))
            oldest_ms = time_ms
        self._due_ms[name] = oldest_ms + age_max_ms + 1

    def _expire_invites(self, budget: int) -> None:
        """Delete invitations of people, each of which has an age of its own."""
        context = self._context
        name = context.invites.definition.name
        if context.time_ms >= self._due_ms.get(name, 0):
            self._due_ms[name] = issuing.prune(context, budget)

    def _bury_doomed(self, budget: int) -> None:
        """Delete what is left of an account that was deleted, of a room, or of a poll."""
        context = self._context
        if self._nobody_doomed and not context.doomed.pending_count:
            return
        # What was said in a room that is gone stays until all who were there have it.
        sql = (
            "SELECT account_id FROM doomed WHERE NOT EXISTS (SELECT 1 FROM visit WHERE room_id = account_id)"
            " AND NOT EXISTS (SELECT 1 FROM kept_doomed WHERE kept_doomed.account_id = doomed.account_id)"
            " ORDER BY account_id LIMIT 1"
        )
        doomed = context.rows.select((context.doomed, context.visits.table, context.kept_doomed), sql)
        self._nobody_doomed = False
        if not doomed:
            self._nobody_doomed = not context.rows.select((context.doomed,), "SELECT 1 FROM doomed LIMIT 1")
            return
        account_id = doomed[0][0]
        sql = "SELECT position, storage FROM offline WHERE account_id = ? ORDER BY position LIMIT ?"
        waiting = context.rows.select((context.offline,), sql, (account_id, budget))
        for position, storage in waiting:
            context.offline.delete((account_id, position))
            if not storage & Storage.ARCHIVE:
                inbox.release_message(context, position)
        sql = "SELECT position FROM archive WHERE owner_id = ? ORDER BY position LIMIT ?"
        archived = context.rows.select((context.archive,), sql, (account_id, budget - len(waiting)))
        for (position,) in archived:
            context.archive.delete((account_id, position))
            inbox.release_message(context, position)
        budget -= len(waiting) + len(archived)
        budget -= delete_some(context, account_id, budget)
        budget -= forget_some(context, account_id, budget)
        budget -= push.delete_some(context, account_id, budget)
        budget -= administration.forget_lists(context, account_id, budget)
        budget -= join_requests.forget_requests(context, account_id, budget)
        budget -= forget_room_invites(context, account_id, budget)
        budget -= forget_uploads(context, account_id, budget)
        budget -= polls.forget_some(context, account_id, budget)
        budget -= pins.forget_some(context, account_id, budget)
        budget -= view_once.forget_some(context, account_id, budget)
        budget -= business.forget_some(context, account_id, budget)
        if budget > 0:
            context.doomed.delete(account_id)
