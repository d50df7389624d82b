"""
Subscriptions to a node that were asked for by name (XEP-0060 sections 6.1, 6.2).

Most who hear of a node never ask: they see its owner's presence (XEP-0163 section 4.1). A subscription by name is for
those who do not, of a node that is open. It is kept with the node; it ends when its holder may no longer read the node
(XEP-0163 section 7.1), or is no more.

The subscriber's command writes rows of the owner's account, and of no other.
"""

from __future__ import annotations

from raftline.base.limits import JID_SIZE_MAX, PUBSUB_SUBSCRIPTION_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pubsub import access, notifications
from raftline.machine.pubsub.commands import ChangeNodeSubscription
from raftline.machine.pubsub.config import ERRORS, decode_config
from raftline.machine.pubsub.handovers import SubscriberGone
from raftline.machine.pubsub.tables import Node, SubscriptionRow
from raftline.machine.pubsub.values import NodeNotified
from raftline.machine.records import Account, Session


def change_subscription(context: Context, session: Session, action: ChangeNodeSubscription) -> Outcome:
    """Subscribe, or unsubscribe; both by one's own address alone."""
    contact = action.jid.partition("/")[0]
    is_own = contact == context.bare_jid(session.localpart) and len(action.jid.encode()) <= JID_SIZE_MAX
    if not is_own and action.subscribed:
        detail = f"{{{ERRORS}}}invalid-jid"
        return Rejected("bad-request", "modify", "Subscribe with an address of your own.", detail)
    account = context.accounts.get(action.owner)
    node = None if account is None else context.pubsub.nodes.get(account.account_id, action.node)
    if account is None or node is None:
        return access.NO_SUCH_NODE
    if not is_own:
        return access.FORBIDDEN
    key = (node.account_id, node.node, action.jid)
    if not action.subscribed:
        if context.pubsub.subscriptions.delete(key) is None:
            detail = f"{{{ERRORS}}}not-subscribed"
            return Rejected("unexpected-request", "cancel", "There is no such subscription.", detail)
        return Done()
    refusal = access.refusal_of(context, account, node, contact)
    if refusal is not None:
        return refusal
    if context.pubsub.subscriptions.get(key) is None:
        sql = "SELECT count(*) FROM pubsub_subscription WHERE account_id = ? AND node = ?"
        ((count,),) = context.rows.select((context.pubsub.subscriptions,), sql, key[:2])
        if count >= PUBSUB_SUBSCRIPTION_COUNT_MAX:
            detail = f"{{{ERRORS}}}too-many-subscriptions"
            return Rejected("policy-violation", "wait", "The node has too many subscriptions.", detail)
        context.pubsub.subscriptions.insert(key, SubscriptionRow(*key, contact))
    resource = action.jid.partition("/")[2]
    receiver = context.session_index.at(session.account_id, resource) if resource else session
    if receiver is not None:
        _send_last_item(context, receiver, account, node)
    return Done()


def cancel_lost(context: Context, account: Account, *, contact: str = "", node: str = "") -> None:
    """End subscriptions of a contact, or to a node, whose holders may read the node no longer."""
    if not context.pubsub.nodes.of(account.account_id):
        return
    sql = "SELECT * FROM pubsub_subscription WHERE account_id = ? AND (contact = ? OR node = ?) ORDER BY node, jid"
    subscriptions = context.pubsub.subscriptions
    for row in map(
        SubscriptionRow._make, context.rows.select((subscriptions,), sql, (account.account_id, contact, node))
    ):
        found = context.pubsub.nodes.get(row.account_id, row.node)
        assert found is not None, row
        if access.refusal_of(context, account, found, row.contact) is not None:
            subscriptions.delete((row.account_id, row.node, row.jid))


def receive_gone(context: Context, gone: SubscriberGone) -> None:
    """The owner's side: end the subscriptions of an account that is no more."""
    account = context.accounts.get(gone.to_localpart)
    if account is None:
        return
    sql = "SELECT node, jid FROM pubsub_subscription WHERE account_id = ? AND contact = ? ORDER BY node, jid"
    subscriptions = context.pubsub.subscriptions
    for node, jid in context.rows.select((subscriptions,), sql, (account.account_id, gone.contact)):
        subscriptions.delete((account.account_id, node, jid))


def delete_all(context: Context, node: Node) -> None:
    """End the subscriptions to a node that is deleted."""
    sql = "SELECT jid FROM pubsub_subscription WHERE account_id = ? AND node = ? ORDER BY jid"
    subscriptions = context.pubsub.subscriptions
    for (jid,) in context.rows.select((subscriptions,), sql, (node.account_id, node.node)):
        subscriptions.delete((node.account_id, node.node, jid))


def _send_last_item(context: Context, session: Session, account: Account, node: Node) -> None:
    """Send what is there to a session that is subscribed (section 6.1.7)."""
    config = decode_config(node.config)
    item = notifications.last_item(context, account, node)
    if item is None or config.send_last_published_item == "never" or not config.deliver_notifications:
        return
    notification = notifications.item_notification(context, account, item, node=node, late=True)
    context.events.append(NodeNotified(session.node_id, session.session_id, notification))
