"""
XEP-0500 MUC Slow Mode.

A field of a room's form and one of its service discovery (rooms/forms.py, rooms/discovery.py); whose turn it is is
decided by apply (machine/rooms/pace.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; the host of rooms does the work."""
    modules.declare(Declaration(number=500, title="MUC Slow Mode", version="0.1.1"))
