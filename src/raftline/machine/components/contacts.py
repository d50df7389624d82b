"""
Handing presence and subscriptions to a contact, which is an account or somebody at a component.

A component speaks for its addresses as a server does for its accounts: it keeps their side of each subscription, and
answers probes. What it is told is told once, to the connection that is there: presence is how things are now, so a
component that comes back probes (RFC 6121 section 4.3), and finds subscriptions as the rosters of its users have them.
What asks for its consent is refused while it is away (subscriptions.py), so that nobody waits for what nobody saw.
"""

from __future__ import annotations

from raftline.machine.commands import SubscriptionKind
from raftline.machine.components.events import PresenceForComponent
from raftline.machine.components.handovers import ContactTold
from raftline.machine.components.state import session_of
from raftline.machine.context import Context
from raftline.machine.outbox import SubscriptionHandedOver


def hand_subscription(
    context: Context, contact: str, kind: SubscriptionKind, from_jid: str, stanza: bytes | None, invite: bytes = b""
) -> None:
    """
    Hand a stanza that manages a subscription to a contact; who is neither an account nor at a component gets nothing.

    Args:
        contact, from_jid: Bare JIDs.
        stanza: What the client sent; None when the server acts for it.
        invite: As in ChangeSubscription; a component takes none.
    """
    localpart = context.account_named(contact)
    if localpart is not None:
        context.outbox.append(SubscriptionHandedOver(localpart, kind, from_jid, stanza, invite))
    else:
        tell(context, contact, kind.name.lower(), from_jid, stanza)


def tell(context: Context, contact: str, kind: str, from_jid: str, stanza: bytes | None) -> None:
    """Hand presence of any kind to a contact at a component; nothing happens if it is at none."""
    component = context.component_at(contact)
    if component is not None:
        context.outbox.append(ContactTold(component.label, kind, from_jid, contact, stanza))


def is_there(context: Context, contact: str) -> bool:
    """Tell whether a contact is at a component that is connected."""
    component = context.component_at(contact)
    return component is not None and session_of(context, component) is not None


def receive_told(context: Context, told: ContactTold) -> None:
    """The component's side: whoever is connected hears of it."""
    component = context.components.get(told.label)
    session = None if component is None else session_of(context, component)
    if session is not None:
        context.events.append(
            PresenceForComponent(
                session.node_id, session.session_id, told.kind, told.from_jid, told.to_jid, told.stanza
            )
        )
