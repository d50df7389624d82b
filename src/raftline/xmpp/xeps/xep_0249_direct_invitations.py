"""
XEP-0249 Direct MUC Invitations.

An invitation from client to client, which the server archives and passes on like any message with content
(messages.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; it needs nothing but its way through the server."""
    modules.declare(
        Declaration(
            number=249,
            title="Direct MUC Invitations",
            version="1.2",
        )
    )
