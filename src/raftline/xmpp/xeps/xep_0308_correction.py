"""
XEP-0308 Last Message Correction: archived as a message of its own, beside the one it corrects (section 4).

The server never joins the two, so an archive tells what was said when. A retraction takes the corrections of a message
along (retraction.py). The table is in messages.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=308, title="Last Message Correction", version="1.2.1"))
