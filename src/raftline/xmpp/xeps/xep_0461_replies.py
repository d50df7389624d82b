"""
XEP-0461 Message Replies: a mark on a message, which goes the way of what it is on; nothing depends on it here.

By itself, without content, it says nothing to anybody and is not archived. The table is in messages.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=461, title="Message Replies", version="0.2.1"))
