"""
XEP-0333 Displayed Markers: sent on as they are.

A marker takes the way through the log, waits for a device that is away, and is copied to the other devices of both
sides; it is archived with a `store` hint alone, since the next one makes it worthless. The table is in messages.py. How
far the user has read by it is remembered (markers.py), and what it has come to can be asked for (ticks.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration
from raftline.xmpp.ticks import TICKS_NAMESPACE, handle_ticks

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it, and answer what markers have come to."""
    modules.declare(
        Declaration(number=333, title="Displayed Markers", version="1.0.0", account_features=(TICKS_NAMESPACE,))
    )
    modules.on_iq("account", "get", TICKS_NAMESPACE, "ticks", handle_ticks)
