"""
XEP-0085 Chat State Notifications: passed on at once and kept nowhere (section 5.6).

What makes a message a state is in the table of messages.py; a state beside content goes the way of the content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=85, title="Chat State Notifications", version="2.1"))
