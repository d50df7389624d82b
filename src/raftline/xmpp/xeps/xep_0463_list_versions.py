"""
XEP-0463 MUC Affiliations Versioning: who enters a room again is told what changed of its lists.

What a version is, who is told what, and when nothing is known is decided by apply (machine/rooms/list_versions.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; the host of rooms does the work."""
    modules.declare(Declaration(number=463, title="MUC Affiliations Versioning", version="0.2.0"))
