"""
What is written to a push service, and what it answers (XEP-0357 section 7).

The server itself is the sender: since version 0.3 of the XEP it is the server's JID that publishes, and a service that
is told no more than it needs does not learn whose device it is. The node of the publish request names the device to it.

Ids. The item's id is the stanza id of the message, so a notification that is published again replaces itself, and a
service can tell it from another one. The request's id names the notification as well, so whichever node gets the answer
knows what it answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.ids import Epochs, Position, format_stanza_id
from raftline.xmpp.data_forms import make_form
from raftline.xmpp.element import Element, Verbatim
from raftline.xmpp.module import ANSWER_SEPARATOR
from raftline.xmpp.payloads import form_field, stored_element
from raftline.xmpp.stanza import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from raftline.machine.push.answers import WaitingNotification

PUSH_NAMESPACE: Final = "urn:xmpp:push:0"
SUMMARY_FORM: Final = "urn:xmpp:push:summary"
OPTIONS_FORM: Final = "http://jabber.org/protocol/pubsub#publish-options"
PUBSUB_NAMESPACE: Final = "http://jabber.org/protocol/pubsub"

ANSWER_HEAD: Final = "push"
"""Begins the id of each publish request (`Modules.on_answer`)."""

BODY_SIZE_MAX: Final = 1024
"""Characters of a message's text that a notification shows: services of device makers take 4 KiB for all."""

_NUMBER_DIGITS_MAX: Final = 19
_ENCRYPTED: Final = frozenset(
    {
        ("eu.siacs.conversations.axolotl", "encrypted"),
        ("urn:xmpp:omemo:1", "encrypted"),
        ("urn:xmpp:omemo:2", "encrypted"),
        ("urn:xmpp:openpgp:0", "openpgp"),
        ("jabber:x:encrypted", "x"),
    }
)
"""Beside such a payload the text says only that there is one."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """
    What services are told beside counts (section 9: what goes through third parties should be limited).

    Attributes:
        sender: Who sent the last message.
        body: Its text, unless it is encrypted.
    """

    sender: bool = True
    body: bool = False


class NotificationName(NamedTuple):
    """Which notification a request was about."""

    position: Position
    registration_id: int


def write_publication(
    notification: WaitingNotification,
    service: str,
    *,
    domain: str,
    epochs: Epochs,
    disclosure: Disclosure,
) -> bytes:
    """Write the request that publishes a notification."""
    item = Element("item", PUBSUB_NAMESPACE, {"id": format_stanza_id(epochs, notification.position)})
    summary = _summary(notification, disclosure)
    item.children.append(Element("notification", PUSH_NAMESPACE, None, [summary]))
    node = {"node": notification.node} if notification.node else {}
    children: list[Element | str] = [Element("publish", PUBSUB_NAMESPACE, node, [item])]
    if notification.options:
        options = Verbatim(notification.options)
        children.append(Element("publish-options", PUBSUB_NAMESPACE, None, [options]))
    # `from` comes first, as in stanzas of clients.
    attributes = {
        "from": domain,
        "to": service,
        "type": "set",
        "id": ANSWER_SEPARATOR.join((ANSWER_HEAD, str(notification.position), str(notification.registration_id))),
    }
    pubsub = Element("pubsub", PUBSUB_NAMESPACE, None, children)
    return Element("iq", CLIENT_NAMESPACE, attributes, [pubsub]).to_bytes()


def read_request_id(text: str) -> NotificationName | None:
    """Return which notification the id of an answer names; None for an id that no request of ours had."""
    parts = text.split(ANSWER_SEPARATOR)
    if len(parts) != 3 or parts[0] != ANSWER_HEAD:
        return None
    numbers = [int(part) for part in parts[1:] if part.isascii() and part.isdigit() and len(part) < _NUMBER_DIGITS_MAX]
    return NotificationName(Position(numbers[0]), numbers[1]) if len(numbers) == 2 else None


def _summary(notification: WaitingNotification, disclosure: Disclosure) -> Element:
    """Make the form of section 7; a count of nothing is left out."""
    fields = [form_field("message-count", "text-single", str(notification.message_count))]
    if notification.request_count:
        fields.append(form_field("pending-subscription-count", "text-single", str(notification.request_count)))
    if disclosure.sender and notification.sender:
        fields.append(form_field("last-message-sender", "jid-single", notification.sender))
    body = _body_of(notification.message) if disclosure.body and notification.message is not None else ""
    if body:
        fields.append(form_field("last-message-body", "text-single", body[:BODY_SIZE_MAX]))
    return make_form("submit", SUMMARY_FORM, fields)


def _body_of(message: bytes) -> str:
    """Return the text of a message that is kept; empty for one that has none, or has it encrypted."""
    element = stored_element(message)
    if any((child.namespace, child.name) in _ENCRYPTED for child in element.elements()):
        return ""
    # What is kept has no declaration of `jabber:client` on its root, so its own children are in no namespace.
    body = element.child("body", element.namespace)
    return "" if body is None else body.text.strip()
