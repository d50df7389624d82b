"""
Notifications as the messages that clients get (XEP-0060 section 7.1.2, XEP-0163 section 4.3).

A change that fans out is written once: what differs between its recipients is the start tag.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from raftline.machine.pubsub.values import NodeNotified, Notification
from raftline.xmpp.element import Element, Verbatim, escape_attribute
from raftline.xmpp.payloads import delay_element
from raftline.xmpp.pubsub.node_forms import config_form
from raftline.xmpp.pubsub.vocabulary import EVENT_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import StreamContext

_WRITTEN_COUNT_MAX = 32
"""Notifications whose bytes are kept for the next recipient, who follows at once."""


def render_notification(context: StreamContext, event: NodeNotified) -> bytes:
    """Write a notification, from the owner's bare JID to the full JID of the session."""
    notification = event.notification
    kind = "" if notification.message_type == "normal" else f" type='{notification.message_type}'"
    head = (
        f"<message from='{escape_attribute(notification.owner)}' to='{escape_attribute(str(context.jid))}'{kind}"
        f" id='{context.new_id()}'>"
    )
    return b"%b%b</message>" % (head.encode(), _content_of(notification))


@lru_cache(maxsize=_WRITTEN_COUNT_MAX)
def _content_of(notification: Notification) -> bytes:
    content = Element("event", EVENT_NAMESPACE, None, [_change_of(notification)]).to_bytes()
    if notification.delayed_ms is not None:
        content += delay_element(notification.delayed_ms).encode()
    return content


def _change_of(notification: Notification) -> Element:
    node = {"node": notification.node}
    if notification.kind not in {"item", "retract"}:
        change = Element(notification.kind, EVENT_NAMESPACE, node)
        if notification.config is not None:
            change.children.append(config_form(notification.config, kind="result"))
        return change
    items = Element("items", EVENT_NAMESPACE, node)
    if notification.item_id or notification.payload:
        item = Element(
            notification.kind, EVENT_NAMESPACE, {"id": notification.item_id} if notification.item_id else None
        )
        items.children.append(item)
        if notification.payload:
            item.children.append(Verbatim(notification.payload))
    return items
