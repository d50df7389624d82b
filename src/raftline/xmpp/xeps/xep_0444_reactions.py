"""
XEP-0444 Message Reactions: archived and copied like a text, with or without the `store` hint (section 4).

Which reactions count is decided by clients, by sender and order of the archive. The table is in messages.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=444, title="Message Reactions", version="0.2.1"))
