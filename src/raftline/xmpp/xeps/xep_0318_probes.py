"""
XEP-0318 Best Practices for Client Initiated Presence Probes: since when a contact is away, since when the server is up.

Probes of contacts are answered in ../presence.py, by the rules for those that servers send: to who may see the presence
and to nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from raftline.base.timestamps import format_timestamp
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import DELAY_NAMESPACE
from raftline.xmpp.stanza import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules, StreamContext


def register(modules: Modules, wall_clock_ms: Callable[[], int]) -> None:
    """
    Answer probes of the server itself (section 3.2).

    Args:
        wall_clock_ms: Tells milliseconds since 1970; this node counts as started now.
    """
    started = format_timestamp(wall_clock_ms())

    def server_presence(context: StreamContext) -> Element:
        delay = Element("delay", DELAY_NAMESPACE, {"from": context.domain, "stamp": started})
        attributes = {"from": context.domain, "to": str(context.jid)}
        return Element("presence", CLIENT_NAMESPACE, attributes, [delay])

    modules.declare(Declaration(number=318, title="Best Practices for Client Initiated Presence Probes", version="0.2"))
    modules.server_presence = server_presence
