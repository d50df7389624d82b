"""
XEP-0334 Message Processing Hints: obeyed where a message is given its way, in messages.py.

The more careful hint wins: `no-store` before everything, `no-permanent-store` before `store`. Two exceptions that other
texts ask for: hints of errors are those of the message that failed (section 5), and a retraction is archived whatever
`no-permanent-store` says (XEP-0424 section 6). `no-copy` forbids copies by XEP-0280 alone (section 4.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare it; there is nothing to handle."""
    modules.declare(Declaration(number=334, title="Message Processing Hints", version="1.0.0"))
