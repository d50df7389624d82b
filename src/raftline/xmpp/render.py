"""
Events as the stanzas that clients get.

A message that fans out is one byte string shared by all sessions; what is added for one recipient is patched in
before its end tag, never by way of a tree. `SessionEnded` is not here: it ends the stream, which is the stream's own
affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raftline.machine.outcomes import (
    ContactUnavailable,
    MessageArrived,
    MessageBounced,
    PresenceArrived,
    RosterPushed,
    SubscriptionChanged,
)
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import address_presence, append_child, delay_element, imported_at, stanza_id_element
from raftline.xmpp.roster import ROSTER_NAMESPACE, item_element
from raftline.xmpp.stanza import CLIENT_NAMESPACE, error_reply, parse_stanza

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules, StreamContext


def register(modules: Modules) -> None:
    """Render every event but the end of the session; those of one extension are rendered by its file under xeps/."""
    renderers: dict[type, Any] = {
        MessageArrived: render_message,
        PresenceArrived: render_presence,
        ContactUnavailable: render_contact_unavailable,
        SubscriptionChanged: render_subscription,
        RosterPushed: render_roster_push,
        MessageBounced: render_bounce,
    }
    for event_type, renderer in renderers.items():
        modules.on_event(event_type, renderer)


def render_message(context: StreamContext, event: MessageArrived) -> bytes:
    """
    Write a message with its id in the recipient's archive (XEP-0313 section 3.5) and, when it comes late, since when
    it waited (XEP-0160 section 2, XEP-0203).
    """
    added = b""
    if event.owner:
        added = stanza_id_element(event.owner, context.epochs, event.position)
    if event.delayed_ms is not None and imported_at(event.stanza, context.domain) is None:
        added += delay_element(event.delayed_ms, context.domain).encode()
    return append_child(event.stanza, added) if added else event.stanza


def render_presence(context: StreamContext, event: PresenceArrived) -> bytes:
    """Write presence for this account (RFC 6121 section 4.2.2), or a subscription stanza as it is."""
    return address_presence(event.stanza, str(context.jid.bare))


def render_contact_unavailable(context: StreamContext, event: ContactUnavailable) -> bytes:
    """Write the farewell that a contact could not send (RFC 6121 section 4.5.2)."""
    attributes = {"from": event.full_jid, "to": str(context.jid.bare), "type": "unavailable"}
    return Element("presence", CLIENT_NAMESPACE, attributes).to_bytes()


def render_subscription(_context: StreamContext, event: SubscriptionChanged) -> bytes:
    """Write a subscription stanza of the server's own (RFC 6121 sections 2.5.2, 3.1.3)."""
    attributes = {"from": event.from_jid, "to": event.to_jid, "type": event.kind}
    return Element("presence", CLIENT_NAMESPACE, attributes).to_bytes()


def render_roster_push(context: StreamContext, event: RosterPushed) -> bytes:
    """Write a roster push; nothing waits for the client's answer (RFC 6121 section 2.1.6)."""
    query = Element("query", ROSTER_NAMESPACE, {"ver": str(event.version)}, [item_element(event.item)])
    attributes = {"to": str(context.jid), "type": "set", "id": context.new_id()}
    return Element("iq", CLIENT_NAMESPACE, attributes, [query]).to_bytes()


def render_bounce(_context: StreamContext, event: MessageBounced) -> bytes:
    """Write the error that answers a message of this session (RFC 6120 section 8.3)."""
    return error_reply(parse_stanza(event.stanza).element, event.condition, event.kind)
