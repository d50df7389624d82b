"""
XEP-0353 Jingle Message Initiation: what rings, answers and ends calls reaches every device, also later (section 6).

All of its messages are archived, wait for devices that are away and are copied to the other devices of both sides, with
or without the `store` hint that clients must give them (section 3). The table is in messages.py. What follows between
two devices (XEP-0166) goes off the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=353, title="Jingle Message Initiation", version="0.8.0"))
