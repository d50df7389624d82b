"""
XEP-0352 Client State Indication: what an inactive client is spared.

While nobody looks at a client, presence and chat states are held back, the latest of each sender, and come when
somebody does, or before the next stanza that cannot wait. So order is kept: whatever a client is sent, it was sent all
that came before, less what a later one of its kind replaced.

What is held was never sent: it does not count for stream management, and is gone with the stream. That loses nothing,
as a client that comes back is told everyone's presence anew. Nobody else learns of a client's state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import HINTS_NAMESPACE
from raftline.xmpp.stanza import CLIENT_NAMESPACE, parse_stanza

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

CLIENT_STATE_NAMESPACE: Final = "urn:xmpp:csi:0"

HELD_STANZA_COUNT_MAX: Final = 1024
"""Stanzas that one stream holds back; one of another sender beyond lets out all."""

_CHAT_STATES: Final = "http://jabber.org/protocol/chatstates"
_MUC_USER: Final = "http://jabber.org/protocol/muc#user"


def register(modules: Modules) -> None:
    """Offer it (section 4.1); the stream itself handles its elements, which are no stanzas."""
    modules.declare(Declaration(number=352, title="Client State Indication", version="1.0.0"))
    modules.stream_features.append(lambda _modules: Element("csi", CLIENT_STATE_NAMESPACE))


class ClientState:
    """
    The state of one client and what it was spared.

    Attributes:
        is_inactive: The client said so; streams begin active (section 5).
    """

    __slots__ = ("_held", "is_inactive")

    def __init__(self) -> None:
        self.is_inactive = False
        self._held: dict[tuple[str, str], bytes] = {}

    def hold(self, stanza: bytes) -> bool:
        """Hold a stanza back in place of an earlier one of its kind; False if it cannot wait."""
        key = _key_of(stanza)
        if key is None or (len(self._held) >= HELD_STANZA_COUNT_MAX and key not in self._held):
            return False
        self._held.pop(key, None)  # the later one takes its place in the order as well
        self._held[key] = stanza
        return True

    def release(self) -> list[bytes]:
        """Return what was held back, in order, and forget it."""
        if not self._held:
            return []
        held = list(self._held.values())
        self._held.clear()
        return held


def _key_of(data: bytes) -> tuple[str, str] | None:
    """
    Return what kind of news of whom a stanza is; None for one that cannot wait.

    Presence that manages subscriptions cannot, nor that of rooms, which says who we are there and why we left.
    """
    if data.startswith(b"<iq"):
        return None
    try:
        stanza = parse_stanza(data)
    except ValueError:
        return None
    sender = stanza.element.attributes.get("from", "")
    if stanza.kind == "presence":
        in_room = stanza.element.child("x", _MUC_USER) is not None
        return None if stanza.type not in {"", "unavailable"} or in_room else ("presence", sender)
    if stanza.kind == "message" and stanza.type != "error":
        children = list(stanza.element.elements())
        is_state = any(child.namespace == _CHAT_STATES for child in children) and all(map(_is_state, children))
        return ("state", sender) if is_state else None
    return None


def _is_state(child: Element) -> bool:
    if child.namespace in {_CHAT_STATES, HINTS_NAMESPACE}:
        return True
    return child.name == "thread" and child.namespace == CLIENT_NAMESPACE
