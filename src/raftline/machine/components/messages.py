"""
Messages between accounts and components (XEP-0114), on either side.

An account's side is that of any message: archive, copies, block list, offline (machine/messages.py). A component has
neither devices nor an archive; it has a queue. What is accepted for it is owed to its connection until that has
acknowledged it, waits while there is none, and comes late, in the same order, to the next one. So nothing that a user
was told to be accepted is lost, and what a connection had got but not acknowledged comes again, under the same stanza
id. XEP-0114 has no acknowledgement of its own; how the node that holds the connection learns how far the component has
come is told in xmpp/components/stream.py.

The queue is bounded; beyond, the sender gets `resource-constraint`. Errors and headlines do not wait, as with accounts.
"""

from __future__ import annotations

from raftline.base.limits import COMPONENT_QUEUE_COUNT_MAX, INBOX_MESSAGE_COUNT_MAX
from raftline.machine import carbons, messages
from raftline.machine.blocking import BLOCKED_BY_SENDER
from raftline.machine.commands import SubscriptionKind
from raftline.machine.components.commands import (
    ChangeSubscriptionFromComponent,
    SendFromComponent,
    SendToComponent,
)
from raftline.machine.components.handovers import MessageForComponent
from raftline.machine.components.state import component_of, session_of
from raftline.machine.components.tables import Component
from raftline.machine.context import Context
from raftline.machine.history.retraction import retract_with_component
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.outbox import MessageHandedOver, MessageReturned, SubscriptionHandedOver
from raftline.machine.outcomes import Done, MessageArrived, Outcome, Rejected
from raftline.machine.pubsub.displayed import note_displayed
from raftline.machine.records import Owed, Session, StoredMessage
from raftline.machine.rosters import account_of

_ARCHIVE = int(Storage.ARCHIVE)
_OFFLINE = int(Storage.OFFLINE)
_COPY = int(Storage.COPY)
_NOT_KEPT = frozenset({int(MessageKind.ERROR), int(MessageKind.HEADLINE)})

assert COMPONENT_QUEUE_COUNT_MAX <= INBOX_MESSAGE_COUNT_MAX, "all that waits is given to the next connection"

_NOT_ITS_OWN = Rejected("not-allowed", "cancel", "The sender is not at this component.")
_NO_SUCH_KIND = Rejected("bad-request", "modify", "There is no such type.")


def send_to_component(context: Context, session: Session, action: SendToComponent) -> Outcome:
    """The user's side."""
    if component_of(context, session) is not None:
        return _NOT_ITS_OWN
    full_jid = action.to if action.to_resource is None else f"{action.to}/{action.to_resource}"
    if context.blocks(session, full_jid):
        return BLOCKED_BY_SENDER
    if action.displayed:
        refusal = note_displayed(context, account_of(context, session), full_jid, action.displayed)
        if refusal is not None:
            return refusal
    digest = None
    if action.origin_id:
        recipient = f"@{action.to}".encode()  # no account is called so
        digest = messages.remember_origin(context, session, recipient, action.fingerprint, action.origin_id)
        if digest is None:
            return Done()
    storage = action.storage
    if storage & _ARCHIVE:
        storage = messages.archive_sent(context, session.account_id, action.to, action.to_resource, storage)
    if storage & _COPY:
        carbons.copy_sent(context, session, action.stanza, storage)
    context.outbox.append(
        MessageForComponent(
            action.to,
            action.kind,
            action.stanza,
            context.bare_jid(session.localpart),
            session.session_id,
            digest,
            action.retraction,
        )
    )
    return Done()


def receive_for_component(context: Context, handed: MessageForComponent) -> None:
    """The component's side: owed to its connection, or kept until there is one."""
    component = context.component_at(handed.to)
    if component is None:
        _return(context, handed, "service-unavailable", "cancel")
        return
    session = session_of(context, component)
    if session is None and handed.kind in _NOT_KEPT:
        return
    if _queue_length(context, component, session) >= COMPONENT_QUEUE_COUNT_MAX:
        _return(context, handed, "resource-constraint", "wait")
        return
    _retract(context, component, handed)
    position = context.position
    context.message_holders += 1
    if session is None:
        context.offline_counts.add(component.owner_id, position, _OFFLINE)
        return
    storage = 0 if handed.kind in _NOT_KEPT else _OFFLINE
    context.inboxes.add(Owed(session.session_id, position, storage, position))
    context.events.append(MessageArrived(session.node_id, session.session_id, position, handed.stanza, "", None))


def _retract(context: Context, component: Component, handed: MessageForComponent) -> None:
    """Take back what an accepted message takes back (XEP-0424)."""
    account = context.accounts.get(context.account_named(handed.sender) or "")
    if handed.retraction is not None and account is not None:
        retract_with_component(context, account, handed.to, handed.sender, component.owner_id, handed.retraction)


def send_from_component(context: Context, session: Session, action: SendFromComponent) -> Outcome:
    """The component's side of what it sends: whose address it is, and whether it was sent before."""
    component = component_of(context, session)
    if component is None or context.component_at(action.sender) != component:
        return _NOT_ITS_OWN
    try:
        kind = MessageKind(action.kind)
    except ValueError:
        return _NO_SUCH_KIND
    digest = None
    if action.origin_id:
        pair = f"{action.sender}>{action.to_localpart}".encode()
        digest = messages.remember_origin(context, session, pair, action.fingerprint, action.origin_id)
        if digest is None:
            return Done()
    context.outbox.append(
        MessageHandedOver(
            action.to_localpart,
            action.to_resource,
            kind,
            action.storage,
            action.stanza,
            action.sender,
            action.sender_resource,
            component.owner_id,
            session.session_id,
            digest,
            action.retraction,
        )
    )
    return Done()


def change_subscription(context: Context, session: Session, action: ChangeSubscriptionFromComponent) -> Outcome:
    """Hand a stanza that manages a subscription to the account; the component keeps its own side."""
    component = component_of(context, session)
    if component is None or context.component_at(action.sender) != component:
        return _NOT_ITS_OWN
    try:
        kind = SubscriptionKind(action.kind)
    except ValueError:
        return _NO_SUCH_KIND
    context.outbox.append(SubscriptionHandedOver(action.localpart, kind, action.sender, action.stanza))
    return Done()


def store_message(context: Context, session: Session, action: SendToComponent | SendFromComponent) -> None:
    """Store the message of this command once, as machine.messages.store_message does."""
    if isinstance(action, SendFromComponent):
        sender, resource = action.sender, action.sender_resource
    else:
        sender, resource = context.bare_jid(session.localpart), session.resource
    position = context.position
    context.messages.insert(
        position,
        StoredMessage(
            position,
            context.time_ms,
            context.address_id(sender),
            resource,
            action.to_resource or "",
            context.message_holders,
            action.stanza,
        ),
    )


def _queue_length(context: Context, component: Component, session: Session | None) -> int:
    owed = 0 if session is None else len(context.inboxes.of(session.session_id))
    return owed + context.offline_counts.of(component.owner_id)


def _return(context: Context, handed: MessageForComponent, condition: str, kind: str) -> None:
    """Send a message back, but never an error (RFC 6120 section 8.3.1)."""
    if handed.kind not in _NOT_KEPT:
        context.outbox.append(
            MessageReturned(handed.sender, handed.session_id, handed.stanza, condition, kind, handed.origin_digest)
        )
