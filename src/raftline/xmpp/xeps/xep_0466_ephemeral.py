"""
XEP-0466 Ephemeral Messages: what a sender gives a time is gone from the server when that is over.

The timer is read in ephemeral.py, on the way of a message (messages.py, rooms/messages.py); what disappears, and what
remains of it, is told in machine/timers/ephemeral.py. A conversation's timer is nowhere but in its messages: clients
agree on it (section 3.3), and the server keeps no setting. Rooms alone have one, since no two people speak for a room
(rooms/forms.py): what is said without a timer is given the room's, and nobody's is longer than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.machine.timers.ephemeral import EPHEMERAL_NAMESPACE
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Announce that messages are discarded; rooms do too, accounts do not, as each client has to for itself."""
    modules.declare(
        Declaration(
            number=466,
            title="Ephemeral Messages",
            version="0.1.0",
            features=(EPHEMERAL_NAMESPACE,),
            note="Time counts from when the server took the message; opting out is left to clients.",
        )
    )
