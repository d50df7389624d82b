"""
XEP-0425 Moderated Message Retraction.

The room retracts for everyone and keeps a tombstone (machine/rooms/moderation.py).
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
            number=425,
            title="Moderated Message Retraction",
            version="0.3.0",
        )
    )
