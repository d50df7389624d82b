"""XEP-0478 Stream Limits Advertisement: how large a stanza may be. Idle streams are left alone, so no time is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

LIMITS_NAMESPACE: Final = "urn:xmpp:stream-limits:0"


def register(modules: Modules) -> None:
    """Declare the extension; negotiation.py offers it, in every state."""
    modules.declare(Declaration(number=478, title="Stream Limits Advertisement", version="0.2.0"))


def limits_element(stanza_bytes_max: int) -> Element:
    """Make the stream feature (section 3)."""
    return Element(
        "limits", LIMITS_NAMESPACE, None, [Element("max-bytes", LIMITS_NAMESPACE, None, [str(stanza_bytes_max)])]
    )
