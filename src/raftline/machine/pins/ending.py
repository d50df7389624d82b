"""A pin goes with the content of its message, with its room, and with either account of its chat."""

from __future__ import annotations

from raftline.base.ids import AccountId, Position
from raftline.machine.context import Context


def content_gone(context: Context, position: Position) -> None:
    """Take the pin away of a message whose content is gone; a message is pinned in one conversation at most."""
    sql = "SELECT owner_id, partner_id, position FROM pin WHERE position = ? ORDER BY owner_id, partner_id"
    for key in context.rows.select((context.pins,), sql, (position,)):
        context.pins.delete(key)


def forget_some(context: Context, owner_id: AccountId, budget: int) -> int:
    """Delete some pins of an account's chats, or of a room, that is gone; return how many."""
    sql = (
        "SELECT owner_id, partner_id, position FROM pin WHERE owner_id = ?1 OR (partner_id = ?1 AND partner_id > 0)"
        " ORDER BY owner_id, partner_id, position LIMIT ?2"
    )
    found = context.rows.select((context.pins,), sql, (owner_id, max(budget, 0)))
    for key in found:
        context.pins.delete(key)
    return len(found)
