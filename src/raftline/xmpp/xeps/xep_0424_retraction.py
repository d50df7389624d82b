"""
XEP-0424 Message Retraction: retractions are archived, and what they take back becomes a tombstone (section 5).

Which messages are meant is found in retraction.py, what counts is decided in machine/history/retraction.py, where also
stands what becomes of the content everywhere else. Retractions in rooms are the room's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.xmpp.module import Declaration
from raftline.xmpp.retraction import RETRACTION_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

TOMBSTONE_FEATURE: Final = f"{RETRACTION_NAMESPACE}#tombstone"


def register(modules: Modules) -> None:
    """Announce that retractions are archived (section 3) and leave tombstones (section 5)."""
    features = (RETRACTION_NAMESPACE, TOMBSTONE_FEATURE)
    modules.declare(
        Declaration(
            number=424, title="Message Retraction", version="0.4.2", features=features, account_features=features
        )
    )
