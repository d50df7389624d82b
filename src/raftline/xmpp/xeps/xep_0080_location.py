"""
XEP-0080 User Location: where somebody is, in a message or, live, at a node of their account (XEP-0163).

A location in a message is content like a text (messages.py). A live one is an item that its device publishes anew: a
place on Earth (pubsub/locations.py), at a pace (machine/pubsub/location.py), until it says that it ends, or falls
silent and the item expires (machine/pubsub/expiry.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=80, title="User Location", version="1.10.0"))
