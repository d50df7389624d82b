"""
What a session missed that is resumed, of the nodes it wants to hear of: their sum, not each change.

Notifications are not kept for each session. What a client surely has is said by the cursor of its last delivery that
it acknowledged: a stream writes notifications and deliveries in the order of the log, so a client that has the
delivery of a command has every notification of the commands before it, unless that was replaced by a later one. What
was published after the cursor is told as it is now, and what went after it, as far as is remembered; some of it the
client may have already, which says nothing new to it. A session that never was delivered anything is told all there is.

Not told are the end of a contact's node, since who might read it is gone with it, and nodes that the session subscribed
to by name alone.

Told are its own account's nodes and those of everyone whose presence it sees, the oldest change first, at most
`PUBSUB_CATCH_UP_COUNT_MAX` items and removals of each account; of more, the latest.
"""

from __future__ import annotations

from collections.abc import Iterable

from raftline.base.limits import PUBSUB_CATCH_UP_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.outcomes import Event
from raftline.machine.pubsub import access, notifications
from raftline.machine.pubsub.capabilities import nodes_of, question_of
from raftline.machine.pubsub.config import DEFAULTS, decode_config, encode_config
from raftline.machine.pubsub.tables import Item, Node, Removal
from raftline.machine.pubsub.values import NodeNotified, Notification
from raftline.machine.records import SUBSCRIBED_FROM, SUBSCRIBED_TO, Account, Session


def missed(context: Context, session: Session) -> list[Event]:
    """Return what an available session that was just resumed has to be told."""
    events: list[Event] = []
    question = question_of(context, session)
    if question is not None:
        events.append(question)
    nodes, progress = nodes_of(context, session), context.progress.get(session.session_id)
    if not nodes or progress is None:
        return events
    for account in _visible(context, session):
        events += [
            NodeNotified(session.node_id, session.session_id, notification)
            for notification in _changes_since(context, account, session, nodes, progress.delivered)
        ]
    return events


def _visible(context: Context, session: Session) -> Iterable[Account]:
    """The session's own account, and those whose presence it sees."""
    own_jid = context.bare_jid(session.localpart)
    own = context.accounts.get(session.localpart)
    assert own is not None, session.localpart
    yield own
    sql = "SELECT contact FROM roster WHERE account_id = ? AND subscription & ? ORDER BY contact"
    for (contact,) in context.rows.select((context.roster,), sql, (session.account_id, SUBSCRIBED_TO)):
        localpart = context.account_named(contact)
        account = None if localpart is None else context.accounts.get(localpart)
        if account is None or context.blocks(session, contact):
            continue
        if context.blocks(account, f"{own_jid}/{session.resource}"):
            continue
        entry = context.roster.get((account.account_id, own_jid))
        if entry is not None and entry.subscription & SUBSCRIBED_FROM:
            yield account


def _changes_since(
    context: Context, account: Account, session: Session, wanted: frozenset[str], position: int
) -> list[Notification]:
    """Return what changed at the nodes of an account, in order."""
    nodes = context.pubsub.nodes.of(account.account_id)
    reader = context.bare_jid(session.localpart)
    readable = {
        name: nodes[name]
        for name in sorted(nodes.keys() & wanted)
        if decode_config(nodes[name].config).deliver_notifications
        and access.refusal_of(context, account, nodes[name], reader) is None
    }
    changes: list[tuple[int, Notification]] = []
    bindings = (account.account_id, position, PUBSUB_CATCH_UP_COUNT_MAX)
    sql = "SELECT * FROM pubsub_item WHERE account_id = ? AND position > ? ORDER BY position DESC LIMIT ?"
    for item in map(Item._make, context.rows.select((context.pubsub.items,), sql, bindings)):
        node = readable.get(item.node)
        if node is not None:
            said = notifications.item_notification(context, account, item, node=node, late=True)
            changes.append((item.position, said))
    sql = "SELECT * FROM pubsub_removal WHERE account_id = ? AND position > ? ORDER BY position DESC LIMIT ?"
    for row in map(Removal._make, context.rows.select((context.pubsub.removals,), sql, bindings)):
        node = readable.get(row.node)
        if node is not None:
            changes.append((row.position, _removal(context, account, node, row)))
        elif row.kind == "delete" and row.node in wanted and reader == context.bare_jid(account.localpart):
            gone = Node(account.account_id, row.node, 0, 0, 0, encode_config(DEFAULTS))
            changes.append((row.position, _removal(context, account, gone, row)))
    return [said for _position, said in sorted(changes, key=lambda change: change[0])]


def _removal(context: Context, account: Account, node: Node, row: Removal) -> Notification:
    return notifications.change_notification(context, account, node, row.kind, row.item_id)
