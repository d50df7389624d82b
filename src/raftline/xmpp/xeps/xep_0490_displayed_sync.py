"""
XEP-0490 Message Displayed Synchronization: how far a user has read, told to their other devices.

The node is one like any other. With server assist a message carries what would be published along (section 3.2):
messages.py takes it out before anybody sees it, and apply publishes it with the message (machine/pubsub/displayed.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Offer server assist (section 3.2.2)."""
    modules.declare(
        Declaration(
            number=490,
            title="Message Displayed Synchronization",
            version="1.0.1",
            account_features=("urn:xmpp:mds:server-assist:0",),
        )
    )
