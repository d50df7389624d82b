"""
XEP-0203 Delayed Delivery: since when a message waited, in cluster time.

`<delay/>` is written by `payloads.delay_element`, on messages that waited for their recipient and around those that
come from an archive. One that the sender wrote stays, unless it says that this server wrote it (section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import DELAY_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Announce delayed delivery."""
    modules.declare(Declaration(number=203, title="Delayed Delivery", version="2.0", features=(DELAY_NAMESPACE,)))
