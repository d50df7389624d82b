"""What an account that was deleted leaves of its nodes, deleted in steps (see machine/pruning.py)."""

from __future__ import annotations

from raftline.base.ids import AccountId
from raftline.machine.context import Context
from raftline.machine.records import Account


def forget_account(context: Context, account: Account) -> None:
    """Delete what is one row; nothing finds the rest, because account ids are never used twice."""
    context.pubsub.avatars.delete(account.account_id)
    context.pubsub.location_updates.delete(account.account_id)
    context.pubsub.nodes.forget(account.account_id)


def delete_some(context: Context, account_id: AccountId, budget: int) -> int:
    """Delete rows of an account that was deleted, at most `budget`; return how many."""
    pubsub = context.pubsub
    deleted = 0
    for table in (pubsub.items, pubsub.removals, pubsub.subscriptions, pubsub.affiliations, pubsub.nodes.table):
        if deleted >= budget:
            break
        name, width = table.definition.name, table.definition.key_width
        keys = ", ".join(table.definition.columns[:width])
        sql = f"SELECT {keys} FROM {name} WHERE account_id = ? ORDER BY {keys} LIMIT ?"  # noqa: S608 - own names alone
        for key in context.rows.select((table,), sql, (account_id, budget - deleted)):
            table.delete(tuple(key))
            deleted += 1
    return deleted
