"""
XEP-0410 MUC Self-Ping (Schrödinger's Chat).

The room answers a ping to one's own nickname itself (section 3.3; rooms/occupants.py).
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
            number=410,
            title="MUC Self-Ping (Schrödinger's Chat)",
            version="1.1.0",
        )
    )
