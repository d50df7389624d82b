"""
XEP-0449 Stickers: a mark on a file, which goes the way of any message; packs of them are items of nodes (XEP-0060).

That a sticker is archived, unread and told of like other messages is said in machine/conversations/payloads.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=449, title="Stickers", version="0.2.0"))
