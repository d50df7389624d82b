"""
When items expire (XEP-0060 section 16.4.4, `pubsub#item_expire`): stories, a live location whose device fell silent.

Time counts from cluster time of the publication, so publishing an item anew gives it all its time again, and another
configuration counts for the items that are there. What is due is carried out by timers/due.py: an item that expires is
retracted (items.py), so who hears of retractions at the node hears of it, and who was away learns of it like of any
other (catch_up.py).
"""

from __future__ import annotations

from raftline.machine.context import Context
from raftline.machine.pubsub.tables import Item, Node
from raftline.machine.pubsub.values import NodeConfig


def due_at(config: NodeConfig, time_ms: int) -> int:
    """Return when an item that was published at a time expires, in cluster time; 0 for never."""
    return time_ms + 1000 * config.item_expire if config.item_expire else 0


def reschedule(context: Context, node: Node, config: NodeConfig) -> None:
    """Let a changed configuration count for the items that are there."""
    sql = "SELECT * FROM pubsub_item WHERE account_id = ? AND node = ? ORDER BY item_id"
    for item in map(Item._make, context.rows.select((context.pubsub.items,), sql, (node.account_id, node.node))):
        key = (item.account_id, item.node, item.item_id)
        context.pubsub.items.put(key, item._replace(due_ms=due_at(config, item.time_ms)))
