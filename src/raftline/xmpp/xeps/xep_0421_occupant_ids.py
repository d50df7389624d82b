"""
XEP-0421 Occupant identifiers for semi-anonymous MUCs.

A keyed digest of the account's address, by the room's own secret (machine/rooms/markup.py).
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
            number=421,
            title="Occupant identifiers for semi-anonymous MUCs",
            version="1.0.1",
        )
    )
