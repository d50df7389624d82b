"""
XEP-0160 Best Practices for Handling Offline Messages.

What is kept is decided by messages.py (section 3), apply keeps and delivers it in order (machine/), and render.py
marks it as delayed (section 2). An account whose store is full refuses with `service-unavailable`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

OFFLINE_FEATURE: Final = "msgoffline"


def register(modules: Modules) -> None:
    """Announce offline storage (section 4)."""
    modules.declare(
        Declaration(
            number=160,
            title="Best Practices for Handling Offline Messages",
            version="1.0.1",
            features=(OFFLINE_FEATURE,),
        )
    )
