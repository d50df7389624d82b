"""
XEP-0486 MUC Avatars.

The picture in a room's card, and its hash in service discovery (rooms/ownership.py, rooms/discovery.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; the host of rooms does the work."""
    modules.declare(
        Declaration(
            number=486,
            title="MUC Avatars",
            version="0.1.0",
        )
    )
