"""Limits of retention: setting, looking up."""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId
from raftline.base.limits import RETENTION_AGE_MAX_MS, RETENTION_AGE_MIN_MS
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.retention.commands import SetRetention
from raftline.machine.retention.queries import RetentionRules
from raftline.machine.retention.tables import KeptDoomed, RetentionRule

ACCOUNT_ARCHIVES: Final = "account-archives"
ROOM_ARCHIVES: Final = "room-archives"
UPLOADS: Final = "uploads"
REPORTS: Final = "reports"
DELETED_ACCOUNTS: Final = "deleted-accounts"

KINDS: Final = (ACCOUNT_ARCHIVES, ROOM_ARCHIVES, UPLOADS, REPORTS, DELETED_ACCOUNTS)


def set_retention(context: Context, action: SetRetention) -> Outcome:
    """Set limits; deletion begins anew, at once, where one was changed."""
    kinds = {limit.kind for limit in action.limits}
    if len(kinds) != len(action.limits) or not kinds <= set(KINDS):
        return Rejected("bad-request", "modify", "A kind is none of those that there are, or named twice.")
    for limit in action.limits:
        if limit.age_ms and not RETENTION_AGE_MIN_MS <= limit.age_ms <= RETENTION_AGE_MAX_MS:
            days = (RETENTION_AGE_MIN_MS // 86_400_000, RETENTION_AGE_MAX_MS // 86_400_000)
            return Rejected("bad-request", "modify", f"Things are kept between {days[0]} and {days[1]} days.")
    for limit in action.limits:
        if not limit.age_ms:
            context.retention.delete(limit.kind)
        elif limit.age_ms != age_of(context, limit.kind):
            due_ms = 0 if limit.kind == DELETED_ACCOUNTS else context.time_ms
            context.retention.put(limit.kind, RetentionRule(limit.kind, limit.age_ms, 0, due_ms))
    return Done()


def age_of(context: Context, kind: str) -> int:
    """Return how long things of a kind are kept, in milliseconds; 0 for no limit."""
    rule = context.retention.get(kind)
    return 0 if rule is None else rule.age_ms


def keep_doomed(context: Context, account_id: AccountId) -> None:
    """Keep what is left of an account that was just deleted, if there is such a limit; counts from now on."""
    age_ms = age_of(context, DELETED_ACCOUNTS)
    if age_ms:
        context.kept_doomed.insert(account_id, KeptDoomed(account_id, context.time_ms + age_ms))


def end_keeping(context: Context, account_id: AccountId) -> None:
    """Let pruning have what is left of a deleted account."""
    context.kept_doomed.delete(account_id)


def retention_rules(context: Context, _query: RetentionRules) -> list[RetentionRule]:
    """Return the limits that are set."""
    found = (context.retention.get(kind) for kind in sorted(KINDS))
    return [rule for rule in found if rule is not None]
