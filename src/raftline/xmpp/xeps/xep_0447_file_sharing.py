"""
XEP-0447 Stateless File Sharing, with XEP-0446 File Metadata Element and XEP-0264 Jingle Content Thumbnails: what the
server has a part in.

Files and sources that are attached later are delivered and archived as content (the table in messages.py). Of files
that are uploaded here, the server makes all three elements (file_metadata.py). The rest is a matter of clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Declare them; the host of uploads answers."""
    note = "Of files that are uploaded here."
    modules.declare(Declaration(number=264, title="Jingle Content Thumbnails", version="0.4.2", note=note))
    modules.declare(Declaration(number=446, title="File Metadata Element", version="0.2.0", note=note))
    modules.declare(Declaration(number=447, title="Stateless File Sharing", version="0.3.1"))
