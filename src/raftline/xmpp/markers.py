"""
What a marker to a contact names (XEP-0333 section 4.2): found before the message enters the log, so that apply need
not look for it.

In a room a marker names the id that the room gave. Between contacts it names the `id` that its author gave a message,
and nothing makes those unique: the latest counts, among the last messages of the conversation.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from raftline.base.ids import Position
from raftline.machine.conversations.payloads import MARKERS_NAMESPACE as _NAMESPACE
from raftline.machine.conversations.queries import MessageNamed
from raftline.xmpp.effects import Ask, Effect
from raftline.xmpp.element import escape_attribute

if TYPE_CHECKING:
    from raftline.xmpp.element import Element
    from raftline.xmpp.jid import JID
    from raftline.xmpp.module import StreamContext

MARKERS_NAMESPACE: Final = _NAMESPACE


def marked_id(message: Element) -> str:
    """Return the id that a marker names; empty for none."""
    for name in ("displayed", "acknowledged"):  # the latter before version 0.5
        marker = message.child(name, MARKERS_NAMESPACE)
        if marker is not None:
            return marker.get("id") or ""
    return ""


def find_marked(context: StreamContext, message: Element, to: JID) -> Generator[Effect, Any, Position]:
    """Return up to which message of a contact the user says that they have read; 0 for none that is known here."""
    message_id = marked_id(message)
    if not message_id:
        return Position(0)
    attribute = f" id='{escape_attribute(message_id)}'".encode()
    found: Position | None = yield Ask(MessageNamed(context.jid.local, str(to.bare), attribute))
    return Position(0) if found is None else found
