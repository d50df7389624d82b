"""
XEP-0492 Chat notification settings: kept in the extensions of bookmarks, whichever form of bookmarks a client speaks.

That is the work of bookmarks.py (XEP-0402). What the settings say is read by machine/pubsub/alerts.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it."""
    modules.declare(
        Declaration(
            number=492,
            title="Chat notification settings",
            version="0.2.0",
            status="partial",
            note="Clients' settings are kept and can be read; `<advanced/>` ones are for clients alone.",
        )
    )
