"""
XEP-0402 PEP Native Bookmarks, unified with those of private storage (XEP-0048 over XEP-0049).

The node is one like any other; publishing to it needs nothing but XEP-0060. The conversion is in bookmarks.py, which
xep_0049_private_storage.py uses for the one element that is converted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Say to clients that either form is enough (section 5.4)."""
    modules.declare(Declaration(number=48, title="Bookmarks", version="1.2"))
    modules.declare(
        Declaration(
            number=402,
            title="PEP Native Bookmarks",
            version="1.2.0",
            account_features=(f"{BOOKMARKS_NODE}#compat",),
        )
    )
