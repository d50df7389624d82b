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
    key = (node.account_id, node.node)
    if query.item_ids:
        wanted = [context.pubsub.items.get((*key, item_id)) for item_id in dict.fromkeys(query.item_ids)]
        rows = [(row.item_id, row.payload, row.time_ms) for row in reversed(wanted) if row is not None]
    else:
        sql = (
            "SELECT item_id, payload, time_ms FROM pubsub_item WHERE account_id = ? AND node = ?"
            " ORDER BY position DESC, item_id DESC LIMIT ?"
        )
        rows = context.rows.select((context.pubsub.items,), sql, (*key, max(query.limit, 0)))
    items: list[NodeItem] = []
    byte_count = 0
    for row in map(NodeItem._make, rows):
        byte_count += len(row.payload)
        if items and byte_count > PUBSUB_PAGE_BYTES_MAX:
            break
        items.append(row)
    items.reverse()
    return NodeItems(items, node.item_count)


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
