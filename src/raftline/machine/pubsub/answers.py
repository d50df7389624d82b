"""Answers to questions about nodes (see queries.py)."""

from __future__ import annotations

from raftline.base.limits import PUBSUB_PAGE_BYTES_MAX
from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub import access, photos
from raftline.machine.pubsub.config import decode_config
from raftline.machine.pubsub.queries import AvatarDigestOf, ItemsOf, NodeOf, NodesOf, NodeSubscriptionsOf
from raftline.machine.pubsub.tables import Node
from raftline.machine.pubsub.values import NodeDetails, NodeItem, NodeItems, NodeSubscription
from raftline.machine.records import Account


def items_of(context: Context, query: ItemsOf) -> NodeItems | Rejected:
    """Return items of a node, as many as one answer holds."""
    found = _readable(context, query.owner, query.reader, query.node)
    if isinstance(found, Rejected):
        return found
    _account, node = found
    if query.item_ids:
        return NodeItems(_load(context, node, list(dict.fromkeys(query.item_ids))), node.item_count)
    sql = "SELECT item_id FROM pubsub_item WHERE account_id = ? AND node = ? ORDER BY position, item_id"
    rows = context.rows.select((context.pubsub.items,), sql, (node.account_id, node.node))
    item_ids = [item_id for (item_id,) in rows]
    start, end = 0, len(item_ids)
    try:
        if query.after is not None:
            start = item_ids.index(query.after) + 1
        if query.before is not None:
            end = item_ids.index(query.before)
    except ValueError:  # XEP-0059 section 2.3
        return Rejected("item-not-found", "cancel", "There is no such item to go on from.")
    limit = max(query.limit, 0)
    if query.forward:
        return NodeItems(_load(context, node, item_ids[start : min(end, start + limit)]), node.item_count, start)
    items = _load(context, node, item_ids[max(start, end - limit) : max(start, end)][::-1])
    items.reverse()
    return NodeItems(items, node.item_count, max(start, end) - len(items))


def _load(context: Context, node: Node, item_ids: list[str]) -> list[NodeItem]:
    """Return those that exist of some items, in this order, up to the bytes that one answer holds."""
    items: list[NodeItem] = []
    byte_count = 0
    for item_id in item_ids:
        row = context.pubsub.items.get((node.account_id, node.node, item_id))
        if row is None:
            continue
        byte_count += len(row.payload)
        if items and byte_count > PUBSUB_PAGE_BYTES_MAX:
            break
        items.append(NodeItem(row.item_id, row.payload, row.time_ms))
    return items


def nodes_of(context: Context, query: NodesOf) -> list[NodeDetails]:
    """Return the nodes that somebody may read."""
    account = context.accounts.get(query.owner)
    if account is None:
        return []
    nodes = context.pubsub.nodes.of(account.account_id)
    return [
        NodeDetails(name, decode_config(nodes[name].config), nodes[name].created_ms)
        for name in sorted(nodes)
        if access.refusal_of(context, account, nodes[name], query.reader) is None
    ]


def node_of(context: Context, query: NodeOf) -> NodeDetails | Rejected:
    """Return a node."""
    found = _readable(context, query.owner, query.reader, query.node)
    if isinstance(found, Rejected):
        return found
    account, node = found
    details = NodeDetails(node.node, decode_config(node.config), node.created_ms)
    if query.reader != context.bare_jid(account.localpart):
        return details
    key = (node.account_id, node.node)
    sql = "SELECT jid, affiliation FROM pubsub_affiliation WHERE account_id = ? AND node = ? ORDER BY jid"
    affiliations = context.rows.select((context.pubsub.affiliations,), sql, key)
    sql = "SELECT jid FROM pubsub_subscription WHERE account_id = ? AND node = ? ORDER BY jid"
    subscriptions = context.rows.select((context.pubsub.subscriptions,), sql, key)
    return details._replace(
        affiliations=tuple((jid, affiliation) for jid, affiliation in affiliations),
        subscriptions=tuple(jid for (jid,) in subscriptions),
    )


def node_subscriptions_of(context: Context, query: NodeSubscriptionsOf) -> list[NodeSubscription]:
    """Return subscriptions by name."""
    account = context.accounts.get(query.owner)
    if account is None:
        return []
    sql = "SELECT node, jid FROM pubsub_subscription WHERE account_id = ? AND contact = ? ORDER BY node, jid"
    found = context.rows.select((context.pubsub.subscriptions,), sql, (account.account_id, query.reader))
    return [NodeSubscription(node, jid) for node, jid in found if query.node in {"", node}]


def avatar_digest_of(context: Context, query: AvatarDigestOf) -> str:
    """Return the hash of an account's picture."""
    account = context.accounts.get(query.localpart)
    return "" if account is None else photos.digest_of(context, account.account_id)


def _readable(context: Context, owner: str, reader: str, name: str) -> tuple[Account, Node] | Rejected:
    """Return a node that somebody may read, and its account; an account that does not exist has none."""
    account = context.accounts.get(owner)
    node = None if account is None else context.pubsub.nodes.get(account.account_id, name)
    if account is None or node is None:
        return access.NO_SUCH_NODE
    return access.refusal_of(context, account, node, reader) or (account, node)
