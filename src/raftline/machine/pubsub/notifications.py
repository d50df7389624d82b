"""
Who hears of a change at a node, and of what was there before (XEP-0163 section 4, XEP-0060 section 9).

    change ──▶ the owner's sessions that want to hear of the node
           ──▶ contacts who see the owner's presence ──outbox──▶ their sessions that want to hear of the node
           ──▶ who subscribed by name                ──outbox──▶ the sessions they subscribed with, wanting or not

A session wants to hear of the nodes that its capabilities name (capabilities.py). One that comes, or wants to hear of
more, asks its own account and all whose presence it sees for the last item of each such node, once: presence that
follows asks for nothing (section 4.3.3).

Whether somebody may read the node is decided by the owner's side, each time; whether the owner is blocked, by the
receiver's side. Notifications are not kept: a session that is away for a moment is told the sum of what it missed when
it comes back (catch_up.py), one that is gone longer gets last items when it is there again.

Decided against: taking `replyto` along (section 4.3.1), which would tell contacts from which device an item came;
notifying the bare JID of who subscribed by name and is away, since what waits offline there would be stale.
"""

from __future__ import annotations

from collections.abc import Iterable

from raftline.machine.context import Context
from raftline.machine.pubsub import access
from raftline.machine.pubsub.capabilities import nodes_of
from raftline.machine.pubsub.config import decode_config
from raftline.machine.pubsub.handovers import (
    LastItemAnswered,
    LastItemsAsked,
    LastItemsOffered,
    NotificationHandedOver,
    SubscriberGone,
)
from raftline.machine.pubsub.tables import Item, Node
from raftline.machine.pubsub.values import NodeNotified, Notification
from raftline.machine.records import SUBSCRIBED_FROM, SUBSCRIBED_TO, Account, Session


def item_notification(context: Context, account: Account, item: Item, *, node: Node, late: bool) -> Notification:
    """Say that an item was published; `late` takes along since when it is there."""
    config = decode_config(node.config)
    return Notification(
        context.bare_jid(account.localpart),
        item.node,
        "item",
        item.item_id,
        item.payload if config.deliver_payloads else b"",
        config.notification_type,
        item.time_ms if late else None,
    )


def change_notification(
    context: Context, account: Account, node: Node, kind: str, item_id: str = "", *, with_config: bool = False
) -> Notification:
    """Say that an item, or all, or the node went, or that its configuration changed."""
    config = decode_config(node.config)
    return Notification(
        context.bare_jid(account.localpart),
        node.node,
        kind,
        item_id,
        b"",
        config.notification_type,
        config=config if with_config and config.deliver_payloads else None,
    )


def notify(context: Context, account: Account, node: Node, notification: Notification) -> None:
    """Tell everyone who may hear of a change."""
    if not decode_config(node.config).deliver_notifications:
        return
    subscribed = _subscribed_resources(context, account, node)
    own = subscribed.pop(context.bare_jid(account.localpart), ())
    _tell_sessions(context, account, notification, by_presence=True, subscribed=own)
    for contact in _contacts(context, account, node):
        _tell(context, account, node, contact, notification, by_presence=True, subscribed=subscribed.pop(contact, ()))
    for contact, resources in sorted(subscribed.items()):
        _tell(context, account, node, contact, notification, by_presence=False, subscribed=resources)


def last_item(context: Context, account: Account, node: Node) -> Item | None:
    """Return the item of a node that was published last."""
    sql = "SELECT * FROM pubsub_item WHERE account_id = ? AND node = ? ORDER BY position DESC, item_id DESC LIMIT 1"
    found = context.rows.select((context.pubsub.items,), sql, (account.account_id, node.node))
    return Item._make(found[0]) if found else None


def ask_for_last_items(context: Context, session: Session, nodes: frozenset[str]) -> None:
    """Ask for the last items of nodes on behalf of a session: its own account, and those whose presence it sees."""
    if not nodes:
        return
    account = context.accounts.get(session.localpart)
    assert account is not None, session.localpart
    for notification in _last_items(context, account, nodes, context.bare_jid(account.localpart)):
        context.events.append(NodeNotified(session.node_id, session.session_id, notification))
    sql = "SELECT contact FROM roster WHERE account_id = ? AND subscription & ? ORDER BY contact"
    for (contact,) in context.rows.select((context.roster,), sql, (session.account_id, SUBSCRIBED_TO)):
        _ask(context, session, contact, nodes)


def offer_last_items(context: Context, account: Account, contact: str) -> None:
    """Let a contact, by name, know that it may ask from now on."""
    context.outbox.append(LastItemsOffered(contact, account.localpart))


def receive_offer(context: Context, offered: LastItemsOffered) -> None:
    """The contact's side: each of its sessions that wants to hear of something asks."""
    account = context.accounts.get(offered.to_localpart)
    if account is None:
        return
    for session, _presence in context.session_index.available(account.account_id):
        nodes = nodes_of(context, session)
        if nodes:
            _ask(context, session, context.bare_jid(offered.from_localpart), nodes)


def answer_last_items(context: Context, asked: LastItemsAsked) -> None:
    """The owner's side: answer with what the one who asks may read."""
    account = context.accounts.get(asked.to_localpart)
    if account is None or not context.pubsub.nodes.of(account.account_id):
        return
    reader = context.bare_jid(asked.from_localpart)
    entry = context.roster.get((account.account_id, reader))
    if entry is None or not entry.subscription & SUBSCRIBED_FROM:
        return
    if context.blocks(account, f"{reader}/{asked.from_resource}"):
        return
    for notification in _last_items(context, account, asked.nodes, reader):
        context.outbox.append(
            LastItemAnswered(asked.from_localpart, notification.owner, asked.session_id, notification)
        )


def receive_last_item(context: Context, answered: LastItemAnswered) -> None:
    """An answer comes back to the session that asked."""
    session = context.sessions.get(answered.session_id)
    if session is not None and not context.blocks(session, answered.from_full_jid):
        context.events.append(NodeNotified(session.node_id, session.session_id, answered.notification))


def receive_notification(context: Context, handed: NotificationHandedOver) -> None:
    """The side of a contact or subscriber: tell its sessions, unless it has blocked the owner."""
    account = context.accounts.get(handed.to_localpart)
    if account is None:
        if handed.subscribed:
            context.outbox.append(SubscriberGone(handed.from_localpart, context.bare_jid(handed.to_localpart)))
        return
    if not context.blocks(account, handed.notification.owner):
        _tell_sessions(
            context,
            account,
            handed.notification,
            by_presence=handed.by_presence,
            subscribed=handed.subscribed,
            hidden=handed.hidden,
        )


def _tell_sessions(
    context: Context,
    account: Account,
    notification: Notification,
    *,
    by_presence: bool,
    subscribed: tuple[str, ...],
    hidden: frozenset[str] = frozenset(),
) -> None:
    for session, presence in context.session_index.available(account.account_id):
        if session.resource not in hidden and (
            (by_presence and notification.node in nodes_of(context, session))
            or session.resource in subscribed
            or ("" in subscribed and presence.priority >= 0)  # as a headline to a bare JID (RFC 6121 section 8.5.2.1.1)
        ):
            context.events.append(NodeNotified(session.node_id, session.session_id, notification))


def _contacts(context: Context, account: Account, node: Node) -> list[str]:
    """Contacts who see the account's presence; none when the node is closed to all who have no affiliation."""
    sql = "SELECT contact FROM roster WHERE account_id = ? AND subscription & ? ORDER BY contact"
    if decode_config(node.config).access_model == "whitelist":
        sql = (
            "SELECT roster.contact FROM roster JOIN pubsub_affiliation AS a ON a.jid = roster.contact"
            " WHERE roster.account_id = ?1 AND subscription & ?2 AND a.account_id = ?1 AND a.node = ?3 ORDER BY contact"
        )
        found = context.rows.select(
            (context.roster, context.pubsub.affiliations), sql, (account.account_id, SUBSCRIBED_FROM, node.node)
        )
    else:
        found = context.rows.select((context.roster,), sql, (account.account_id, SUBSCRIBED_FROM))
    return [contact for (contact,) in found]


def _subscribed_resources(context: Context, account: Account, node: Node) -> dict[str, tuple[str, ...]]:
    """Resources that subscribed by name, by bare JID."""
    sql = "SELECT contact, jid FROM pubsub_subscription WHERE account_id = ? AND node = ? ORDER BY jid"
    resources: dict[str, tuple[str, ...]] = {}
    for contact, jid in context.rows.select((context.pubsub.subscriptions,), sql, (account.account_id, node.node)):
        resources[contact] = (*resources.get(contact, ()), jid.partition("/")[2])
    return resources


def _tell(
    context: Context,
    account: Account,
    node: Node,
    contact: str,
    notification: Notification,
    *,
    by_presence: bool,
    subscribed: tuple[str, ...],
) -> None:
    localpart = context.account_named(contact)
    if localpart is None or context.blocks(account, contact):
        return
    if access.refusal_of(context, account, node, contact) is None:
        hidden = context.blocklists.resources(account.account_id, contact)
        context.outbox.append(
            NotificationHandedOver(localpart, account.localpart, notification, by_presence, subscribed, hidden)
        )


def _ask(context: Context, session: Session, contact: str, nodes: frozenset[str]) -> None:
    localpart = context.account_named(contact)
    if localpart is not None and not context.blocks(session, contact):
        context.outbox.append(LastItemsAsked(localpart, session.localpart, session.resource, session.session_id, nodes))


def _last_items(context: Context, account: Account, names: Iterable[str], reader: str) -> list[Notification]:
    nodes = context.pubsub.nodes.of(account.account_id)
    notifications: list[Notification] = []
    for name in sorted(nodes.keys() & names):
        node = nodes[name]
        config = decode_config(node.config)
        if config.send_last_published_item != "on_sub_and_presence" or not config.deliver_notifications:
            continue
        if not node.item_count or access.refusal_of(context, account, node, reader) is not None:
            continue
        item = last_item(context, account, node)
        if item is not None:
            notifications.append(item_notification(context, account, item, node=node, late=True))
    return notifications
