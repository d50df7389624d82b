"""
XEP-0115 Entity Capabilities: a hash of what the server can do, among the stream's features.

Those of clients travel in their presence, which is passed on as it is; what they stand for is asked for and checked by
client_capabilities.py.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from typing import TYPE_CHECKING, Final

from raftline.machine.pubsub.values import CapabilitiesUnknown
from raftline.xmpp.capabilities import server_info
from raftline.xmpp.client_capabilities import CAPABILITIES_NAMESPACE, render_question, verification_text
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

NODE: Final = "urn:raftline:server"
"""Names the software (section 4)."""


def register(modules: Modules) -> None:
    """Offer the hash (section 6.3), answer for its node (section 6.2), and ask clients for theirs."""
    modules.declare(
        Declaration(number=115, title="Entity Capabilities", version="1.6.0", features=(CAPABILITIES_NAMESPACE,))
    )
    modules.stream_features.append(feature_element)
    modules.disco_nodes.append(node_of)
    modules.on_event(CapabilitiesUnknown, render_question)


def feature_element(modules: Modules) -> Element:
    """Make the stream feature (section 6.3)."""
    version = verification_string(server_info(modules))
    return Element("c", CAPABILITIES_NAMESPACE, {"hash": "sha-1", "node": NODE, "ver": version})


def node_of(modules: Modules) -> str:
    """Name the node whose discovery the hash is of (section 6.2)."""
    return f"{NODE}#{verification_string(server_info(modules))}"


def verification_string(info: Element) -> str:
    """
    Hash an answer of service discovery (section 5.1).

    SHA-1 is what section 5.4 makes everyone understand; XEP-0390 is there for those who want better.
    """
    text = verification_text(info)
    assert text is not None, "the server's own answer is well-formed"
    return b64encode(sha1(text.encode(), usedforsecurity=False).digest()).decode()
