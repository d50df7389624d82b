"""
Items of a node, published and retracted (XEP-0060 section 7).

Publishing makes the node if need be, of the options that come along; to a node that is there, the same options are
preconditions (section 7.1.5). An item of a known id takes the place of the former one. The oldest items beyond what
the node keeps go in silence: whoever wants to hear of the node hears of the new one.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId
from raftline.base.limits import PUBSUB_ACCOUNT_SIZE_MAX, PUBSUB_ITEM_SIZE_MAX, PUBSUB_NAME_SIZE_MAX
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pubsub import avatars, expiry, location, nodes, notifications
from raftline.machine.pubsub.commands import NodeOptions, Publish, RetractItem
from raftline.machine.pubsub.config import ERRORS, decode_config, is_met, kept_count
from raftline.machine.pubsub.tables import Item, Node
from raftline.machine.records import Account, Session
from raftline.machine.rosters import account_of

_PRECONDITION_NOT_MET: Final = Rejected(
    "conflict", "cancel", "The node is configured another way.", f"{{{ERRORS}}}precondition-not-met"
)
_TOO_BIG: Final = Rejected(
    "not-acceptable",
    "modify",
    f"An item has at most {PUBSUB_ITEM_SIZE_MAX} bytes.",
    f"{{{ERRORS}}}payload-too-big",
)


def publish(context: Context, session: Session, action: Publish) -> Outcome:
    """Publish an item, and tell whoever may hear of it."""
    account = account_of(context, session)
    is_location = action.node == location.LOCATION_NODE
    refusal = location.refusal_of_update(context, account, action.payload) if is_location else None
    if refusal is None:
        refusal = publish_item(
            context, account, action.node, action.item_id, action.payload, options=action.options, preconditions=True
        )
    if refusal is not None:
        return refusal
    if is_location:
        location.note_update(context, account)
    if action.avatar is not None:
        avatars.change(context, account, action.avatar)
    return Done()


def publish_item(
    context: Context,
    account: Account,
    name: str,
    item_id: str,
    payload: bytes,
    *,
    options: NodeOptions | None = None,
    preconditions: bool = False,
) -> Rejected | None:
    """
    Publish an item to a node of an account; return why it cannot be, or None.

    Args:
        options: Configuration of a node that is made.
        preconditions: Whether a node that is there must have these options.
    """
    if len(payload) > PUBSUB_ITEM_SIZE_MAX:
        return _TOO_BIG
    if len(item_id.encode()) > PUBSUB_NAME_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"An id has at most {PUBSUB_NAME_SIZE_MAX} bytes.")
    node = context.pubsub.nodes.get(account.account_id, name)
    if node is not None and preconditions and not is_met(decode_config(node.config), options):
        return _PRECONDITION_NOT_MET
    refusal = _check_event_type(node, options, item_id, payload)
    if refusal is not None:
        return refusal
    item = Item(account.account_id, name, item_id, context.position, context.time_ms, payload)
    if not _has_room(context, account, item):
        return Rejected("resource-constraint", "wait", f"An account has at most {PUBSUB_ACCOUNT_SIZE_MAX} bytes.")
    if node is None:
        made = nodes.make_node(context, account, name, options)
        if isinstance(made, Rejected):
            return made
        node = made
    config = decode_config(node.config)
    kept = kept_count(config)
    if kept:
        item = item._replace(due_ms=expiry.due_at(config, item.time_ms))
        node = nodes.trim(context, _store(context, node, item), kept)
    notification = notifications.item_notification(context, account, item, node=node, late=False)
    notifications.notify(context, account, node, notification)
    return None


def retract(context: Context, session: Session, action: RetractItem) -> Outcome:
    """Delete an item; say so if its publisher, or the node, wants it (section 7.2)."""
    found = nodes.find_own(context, session, action.node)
    if isinstance(found, Rejected):
        return found
    account, node = found
    if not decode_config(node.config).persist_items:
        detail = f"{{{ERRORS}}}unsupported feature=persistent-items"
        return Rejected("feature-not-implemented", "cancel", "The node keeps no items.", detail)
    if not retract_item(context, account, node, action.item_id, notify=action.notify):
        return Rejected("item-not-found", "cancel", "There is no such item.")
    return Done()


def retract_item(context: Context, account: Account, node: Node, item_id: str, *, notify: bool) -> bool:
    """Delete an item of a node; return False if there is none."""
    row = context.pubsub.items.delete((node.account_id, node.node, item_id))
    if row is None:
        return False
    node = node._replace(item_count=node.item_count - 1, size=node.size - nodes.size_of(row))
    context.pubsub.nodes.put(node)
    avatars.item_went(context, account, node, item_id)
    nodes.note_removal(context, node, item_id, "retract")
    if notify or decode_config(node.config).notify_retract:
        gone = notifications.change_notification(context, account, node, "retract", item_id)
        notifications.notify(context, account, node, gone)
    return True


def expire_item(context: Context, key: tuple[AccountId, str, str]) -> None:
    """Retract an item whose time is over (timers/due.py); one of an account that is gone just goes."""
    account_id, name, item_id = key
    sql = "SELECT * FROM account WHERE account_id = ?"
    owner = context.rows.select((context.accounts,), sql, (account_id,))
    if not owner:
        context.pubsub.items.delete(key)
        return
    node = context.pubsub.nodes.get(account_id, name)
    assert node is not None, key
    retract_item(context, Account._make(owner[0]), node, item_id, notify=False)


def _store(context: Context, node: Node, item: Item) -> Node:
    """Write an item, and return the node as it is then."""
    key = (item.account_id, item.node, item.item_id)
    former = context.pubsub.items.get(key)
    count, size = node.item_count + 1, node.size + nodes.size_of(item)
    if former is not None:
        count, size = count - 1, size - nodes.size_of(former)
    context.pubsub.items.put(key, item)
    context.pubsub.removals.delete(key)
    node = node._replace(item_count=count, size=size)
    context.pubsub.nodes.put(node)
    return node


def _check_event_type(node: Node | None, options: NodeOptions | None, item_id: str, payload: bytes) -> Rejected | None:
    """Return why an item does not fit what the node is for (section 7.1.3.6), or None."""
    if node is not None:
        config = decode_config(node.config)
        persists, has_payloads = config.persist_items, config.deliver_payloads
    else:
        persists = options is None or options.persist_items is not False
        has_payloads = options is None or options.deliver_payloads is not False
    if not persists and not has_payloads:
        return _bad_request("item-forbidden", "The node takes no items.") if item_id or payload else None
    if not item_id and persists:
        return _bad_request("item-required", "There is no item.")
    if not payload and has_payloads:
        return _bad_request("payload-required", "The item is empty.")
    return None


def _bad_request(condition: str, text: str) -> Rejected:
    return Rejected("bad-request", "modify", text, f"{{{ERRORS}}}{condition}")


def _has_room(context: Context, account: Account, item: Item) -> bool:
    kept = sum(node.size for node in context.pubsub.nodes.of(account.account_id).values())
    former = context.pubsub.items.get((item.account_id, item.node, item.item_id))
    kept -= 0 if former is None else nodes.size_of(former)
    return kept + nodes.size_of(item) <= PUBSUB_ACCOUNT_SIZE_MAX
