"""
What is too old goes, in steps that a timer takes (timers/due.py): a few hundred rows each, then a rest.

    round: owner after owner (archives), or the oldest first (uploads, reports) ── nothing left ──▶ an hour of rest

Old is what was there for longer than the limit by cluster time. A message leaves one archive at a time; with its last
holder its row goes, and with that its words in the search index. An offline message that its account's archive holds
goes as well; one that a session owes stays until its device has it, and goes in a later round. Uploads take their bytes
along like any that are over (media/uploads.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from raftline.base.ids import AccountId, Position
from raftline.base.limits import RETENTION_OWNER_COUNT_MAX, RETENTION_ROUND_MS, RETENTION_ROW_COUNT_MAX
from raftline.machine import inbox
from raftline.machine.archive import position_at
from raftline.machine.context import Context
from raftline.machine.media.uploads import expire_upload
from raftline.machine.message_commands import Storage
from raftline.machine.retention.rules import ACCOUNT_ARCHIVES, REPORTS, ROOM_ARCHIVES, UPLOADS
from raftline.machine.retention.tables import RetentionRule

STEP_MS: Final = 100
"""Of rest between two steps of a round; the leader looks once a second."""


def take_step(context: Context, kind: str) -> None:
    """Delete a part of what is too old, and set when the next step is due."""
    rule = context.retention.get(kind)
    assert rule is not None, kind
    step = _STEPS[kind]
    owner_id = step(context, rule)
    rest_ms = RETENTION_ROUND_MS if owner_id < 0 else STEP_MS
    context.retention.put(kind, rule._replace(owner_id=max(owner_id, 0), due_ms=context.time_ms + rest_ms))


_DONE: Final = -1
"""What a step returns when its round is done; else the owner with whom the next one goes on."""


def _step_through_archives(context: Context, rule: RetentionRule, owners: str) -> int:
    """Take what is too old out of the archives of the next few owners, which are rows of the table `owners`."""
    # Positions grow with time, so that one look tells where each archive begins.
    end = position_at(context, context.time_ms - rule.age_ms)
    budget, owner_id = RETENTION_ROW_COUNT_MAX, rule.owner_id
    column = "room_id" if owners == "room" else "account_id"
    sql = "SELECT position FROM archive WHERE owner_id = ? AND position < ? ORDER BY position LIMIT ?"
    for _ in range(RETENTION_OWNER_COUNT_MAX):
        query = f"SELECT min({column}) FROM {owners} WHERE {column} > ?"  # noqa: S608 - own names alone
        tables = (context.rooms if owners == "room" else context.accounts,)
        ((following,),) = context.rows.select(tables, query, (owner_id,))
        if following is None:
            return _DONE
        found = context.rows.select((context.archive,), sql, (following, end, budget))
        is_account = owners == "account"
        owner = AccountId(following)
        count = sum(_take_out(context, owner, Position(position), is_account=is_account) for (position,) in found)
        budget -= len(found)
        if budget <= 0:
            return owner_id if count else following  # this owner may have more
        owner_id = following
    return owner_id


def _take_out(context: Context, owner_id: AccountId, position: Position, *, is_account: bool) -> bool:
    """Take a message out of an archive, unless a device is still to get it; say whether that was done."""
    if is_account:
        sessions = context.session_index.of(owner_id)
        if any(position in context.inboxes.of(session.session_id) for session in sessions if session.managed):
            return False
        waiting = context.offline.get((owner_id, position))
        if waiting is not None and waiting.storage & Storage.ARCHIVE:
            context.offline_counts.remove(owner_id, position)
    context.archive.delete((owner_id, position))
    inbox.release_message(context, position)
    return True


def _step_through_uploads(context: Context, rule: RetentionRule) -> int:
    sql = "SELECT token FROM upload WHERE stored_ms > 0 AND stored_ms < ? ORDER BY stored_ms, token LIMIT ?"
    limit = (context.time_ms - rule.age_ms, RETENTION_ROW_COUNT_MAX)
    found = context.rows.select((context.media.uploads,), sql, limit)
    for (token,) in found:
        expire_upload(context, token)
    return 0 if len(found) == RETENTION_ROW_COUNT_MAX else _DONE


def _step_through_reports(context: Context, rule: RetentionRule) -> int:
    sql = "SELECT position, number, time_ms FROM report ORDER BY position, number LIMIT ?"
    found = context.rows.select((context.reports,), sql, (RETENTION_ROW_COUNT_MAX,))
    for position, number, time_ms in found:
        if time_ms >= context.time_ms - rule.age_ms:
            return _DONE
        context.reports.delete((position, number))
    return 0 if len(found) == RETENTION_ROW_COUNT_MAX else _DONE


_STEPS: Final[Mapping[str, Callable[[Context, RetentionRule], int]]] = MappingProxyType(
    {
        ACCOUNT_ARCHIVES: lambda context, rule: _step_through_archives(context, rule, "account"),
        ROOM_ARCHIVES: lambda context, rule: _step_through_archives(context, rule, "room"),
        UPLOADS: _step_through_uploads,
        REPORTS: _step_through_reports,
    }
)
