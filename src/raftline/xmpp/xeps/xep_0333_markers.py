"""
XEP-0333 Displayed Markers: sent on without a look at what they mark.

A marker takes the way through the log, waits for a device that is away, and is copied to the other devices of both
sides; it is archived with a `store` hint alone, since the next one makes it worthless. The table is in messages.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=333, title="Displayed Markers", version="1.0.0"))
