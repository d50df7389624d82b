"""
XEP-0184 Message Delivery Receipts: an affair of clients, and the server gives none itself (section 5.1).

A receipt takes the way through the log, waits for a device that is away, and is copied to the other devices of both
sides; it is archived with a `store` hint alone. The table is in messages.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=184, title="Message Delivery Receipts", version="1.4.0"))
