"""
XEP-0440 SASL Channel-Binding Type Capability: which types of channel binding a client can use.

There is one, tls-server-end-point (RFC 5929 section 4), where TLS ends in this process and the certificate has a hash
function to go by. Over WebSocket TLS may end elsewhere, so nothing is offered there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

CHANNEL_BINDING_NAMESPACE: Final = "urn:xmpp:sasl-cb:0"


def register(modules: Modules) -> None:
    """Declare the extension; negotiation.py offers it beside the mechanisms."""
    modules.declare(
        Declaration(
            number=440,
            title="SASL Channel-Binding Type Capability",
            version="1.0.0",
            note="tls-server-end-point alone, and not with a certificate whose signature names no hash function.",
        )
    )


def bindings_element(types: Iterable[str]) -> Element:
    """Make the stream feature (section 2)."""
    children: list[Element | str] = [
        Element("channel-binding", CHANNEL_BINDING_NAMESPACE, {"type": name}) for name in types
    ]
    return Element("sasl-channel-binding", CHANNEL_BINDING_NAMESPACE, {}, children)
