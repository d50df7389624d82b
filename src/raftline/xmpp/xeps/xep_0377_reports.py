"""
XEP-0377 Blocking Command Reports: why somebody is blocked, kept for the operators.

The report travels in the items of a block request (xep_0191_blocking.py) and is kept with the change of the list
(machine/history/reports.py), where they read and close it (web/reports.py); administrators who are connected are told.
Reports are sent to nobody else, whatever the reporter agrees to; what they agreed to is kept (section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration
from raftline.xmpp.reports import REPORTING_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Announce that a block may carry a report (section 3)."""
    features = (REPORTING_NAMESPACE,)
    modules.declare(
        Declaration(
            number=377, title="Blocking Command Reports", version="0.4.1", features=features, account_features=features
        )
    )
