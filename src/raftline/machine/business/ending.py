"""What is left of an application or a number that is gone goes in steps (see machine/pruning.py)."""

from __future__ import annotations

from raftline.machine.business.events import forget_event
from raftline.machine.business.tables import BusinessEvent
from raftline.machine.context import Context


def forget_some(context: Context, owner_id: int, budget: int) -> int:
    """Delete rows of an application or a number that is gone, at most `budget`; return how many."""
    if budget <= 0:
        return 0
    business = context.business
    count = _forget_events(context, "app_id", owner_id, budget)
    count += _forget_events(context, "number_id", owner_id, budget - count)
    for table in (business.messages, business.prompts, business.paces):
        definition = table.definition
        keys = ", ".join(definition.columns[: definition.key_width])
        sql = f"SELECT {keys} FROM {definition.name} WHERE account_id = ? ORDER BY {keys} LIMIT ?"  # noqa: S608 - own names
        for key in context.rows.select((table,), sql, (owner_id, max(budget - count, 0))):
            table.delete(key)
            count += 1
    return count


def _forget_events(context: Context, column: str, owner_id: int, budget: int) -> int:
    sql = f"SELECT * FROM business_event WHERE {column} = ? ORDER BY position, ordinal LIMIT ?"  # noqa: S608 - own names
    found = context.rows.select((context.business.events,), sql, (owner_id, max(budget, 0)))
    for row in found:
        forget_event(context, BusinessEvent._make(row))
    return len(found)
