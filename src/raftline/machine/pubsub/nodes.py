"""Nodes of an account: made, configured, emptied, deleted; who stands how to them (XEP-0060 section 8)."""

from __future__ import annotations

from typing import Final

from raftline.base.limits import (
    JID_SIZE_MAX,
    PUBSUB_AFFILIATION_COUNT_MAX,
    PUBSUB_NAME_SIZE_MAX,
    PUBSUB_NODE_COUNT_MAX,
)
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pubsub import avatars, expiry, notifications, subscribers
from raftline.machine.pubsub.access import NO_SUCH_NODE
from raftline.machine.pubsub.commands import (
    ChangeAffiliations,
    ConfigureNode,
    CreateNode,
    DeleteNode,
    NodeOptions,
    PurgeNode,
)
from raftline.machine.pubsub.config import (
    DEFAULTS,
    ERRORS,
    check_options,
    decode_config,
    encode_config,
    kept_count,
    merge,
)
from raftline.machine.pubsub.tables import AffiliationRow, Item, Node, Removal
from raftline.machine.records import Account, Session
from raftline.machine.rosters import account_of

AFFILIATIONS: Final = ("none", "member", "outcast")
"""Those that can be given; the owner is the account, for ever."""

_EXISTS: Final = Rejected("conflict", "cancel", "There is a node of this name.")


def create_node(context: Context, session: Session, action: CreateNode) -> Outcome:
    """Make a node (section 8.1)."""
    account = account_of(context, session)
    if context.pubsub.nodes.get(account.account_id, action.node) is not None:
        return _EXISTS
    made = make_node(context, account, action.node, action.options)
    return made if isinstance(made, Rejected) else Done()


def make_node(context: Context, account: Account, name: str, options: NodeOptions | None) -> Node | Rejected:
    """Make a node that is known to be absent; one of these options on top of the defaults."""
    if not 0 < len(name.encode()) <= PUBSUB_NAME_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"A name has 1 to {PUBSUB_NAME_SIZE_MAX} bytes.")
    refusal = None if options is None else check_options(options)
    if refusal is not None:
        return refusal
    if len(context.pubsub.nodes.of(account.account_id)) >= PUBSUB_NODE_COUNT_MAX:
        detail = f"{{{ERRORS}}}max-nodes-exceeded"
        return Rejected("conflict", "cancel", f"An account has at most {PUBSUB_NODE_COUNT_MAX} nodes.", detail)
    config = encode_config(merge(DEFAULTS, options))
    node = Node(account.account_id, name, context.time_ms, 0, 0, config)
    context.pubsub.nodes.put(node)
    context.pubsub.removals.delete((account.account_id, name, ""))
    return node


def configure_node(context: Context, session: Session, action: ConfigureNode) -> Outcome:
    """Change the configuration of a node; who may not read it any more is not subscribed (section 8.2)."""
    found = find_own(context, session, action.node)
    if isinstance(found, Rejected):
        return found
    account, node = found
    refusal = check_options(action.options)
    if refusal is not None:
        return refusal
    config = merge(decode_config(node.config), action.options)
    node = node._replace(config=encode_config(config))
    context.pubsub.nodes.put(node)
    node = trim(context, node, kept_count(config))
    if action.options.item_expire is not None:
        expiry.reschedule(context, node, config)
    subscribers.cancel_lost(context, account, node=action.node)
    if config.notify_config:
        changed = notifications.change_notification(context, account, node, "configuration", with_config=True)
        notifications.notify(context, account, node, changed)
    return Done()


def delete_node(context: Context, session: Session, action: DeleteNode) -> Outcome:
    """Delete a node, and tell of it while it is known who may hear (section 8.4)."""
    found = find_own(context, session, action.node)
    if isinstance(found, Rejected):
        return found
    account, node = found
    if decode_config(node.config).notify_delete:
        gone = notifications.change_notification(context, account, node, "delete")
        notifications.notify(context, account, node, gone)
    node = trim(context, node, 0)
    avatars.item_went(context, account, node)
    subscribers.delete_all(context, node)
    sql = "SELECT jid FROM pubsub_affiliation WHERE account_id = ? AND node = ? ORDER BY jid"
    for (jid,) in context.rows.select((context.pubsub.affiliations,), sql, (node.account_id, node.node)):
        context.pubsub.affiliations.delete((node.account_id, node.node, jid))
    context.pubsub.nodes.delete(node)
    note_removal(context, node, "", "delete")
    return Done()


def purge_node(context: Context, session: Session, action: PurgeNode) -> Outcome:
    """Delete all items of a node, and say so once (section 8.5)."""
    found = find_own(context, session, action.node)
    if isinstance(found, Rejected):
        return found
    account, node = found
    config = decode_config(node.config)
    if not config.persist_items:
        detail = f"{{{ERRORS}}}unsupported feature=persistent-items"
        return Rejected("feature-not-implemented", "cancel", "The node keeps no items.", detail)
    node = trim(context, node, 0)
    avatars.item_went(context, account, node)
    note_removal(context, node, "", "purge")
    if config.notify_retract:
        purged = notifications.change_notification(context, account, node, "purge")
        notifications.notify(context, account, node, purged)
    return Done()


def change_affiliations(context: Context, session: Session, action: ChangeAffiliations) -> Outcome:
    """Change how others stand to a node, all or none (section 8.9.2)."""
    found = find_own(context, session, action.node)
    if isinstance(found, Rejected):
        return found
    account, node = found
    own_jid = context.bare_jid(account.localpart)
    for entry in action.affiliations:
        if entry.affiliation not in AFFILIATIONS or entry.jid == own_jid:
            return Rejected("not-acceptable", "modify", "There is no such affiliation here.")
        if not 0 < len(entry.jid.encode()) <= JID_SIZE_MAX:
            return Rejected("bad-request", "modify", "An address is empty or too long.")
    affiliations = context.pubsub.affiliations
    sql = "SELECT jid FROM pubsub_affiliation WHERE account_id = ? AND node = ?"
    listed = {jid for (jid,) in context.rows.select((affiliations,), sql, (node.account_id, node.node))}
    for entry in action.affiliations:
        if entry.affiliation == "none":
            listed.discard(entry.jid)
        else:
            listed.add(entry.jid)
    if len(listed) > PUBSUB_AFFILIATION_COUNT_MAX:
        return Rejected("resource-constraint", "cancel", f"At most {PUBSUB_AFFILIATION_COUNT_MAX} are affiliated.")
    for entry in action.affiliations:
        key = (node.account_id, node.node, entry.jid)
        if entry.affiliation == "none":
            affiliations.delete(key)
        else:
            affiliations.put(key, AffiliationRow(*key, entry.affiliation))
    subscribers.cancel_lost(context, account, node=action.node)
    return Done()


def find_own(context: Context, session: Session, name: str) -> tuple[Account, Node] | Rejected:
    """Return a session's account, and its node of a name; or why there is nothing."""
    account = account_of(context, session)
    node = context.pubsub.nodes.get(account.account_id, name)
    return NO_SUCH_NODE if node is None else (account, node)


def trim(context: Context, node: Node, kept: int) -> Node:
    """Delete the oldest items of a node beyond a count, and return the node as it is then."""
    if node.item_count <= kept:
        return node
    sql = (
        "SELECT * FROM pubsub_item WHERE account_id = ? AND node = ? ORDER BY position DESC, item_id DESC"
        " LIMIT -1 OFFSET ?"
    )
    found = context.rows.select((context.pubsub.items,), sql, (node.account_id, node.node, kept))
    size = node.size
    for item in map(Item._make, found):
        context.pubsub.items.delete((item.account_id, item.node, item.item_id))
        size -= size_of(item)
    node = node._replace(item_count=node.item_count - len(found), size=size)
    context.pubsub.nodes.put(node)
    return node


def size_of(item: Item) -> int:
    """Return the bytes that an item counts for."""
    return len(item.item_id.encode()) + len(item.payload)


def note_removal(context: Context, node: Node, item_id: str, kind: str) -> None:
    """Remember for a while that an item, or all, went."""
    row = Removal(node.account_id, node.node, item_id, kind, context.position, context.time_ms)
    context.pubsub.removals.put((node.account_id, node.node, item_id), row)
