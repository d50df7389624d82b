"""XEP-0092 Software Version: which server this is. Its operating system is nobody's business (section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline import __version__
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

VERSION_NAMESPACE: Final = "jabber:iq:version"


def register(modules: Modules) -> None:
    """Answer for the server."""
    modules.declare(Declaration(number=92, title="Software Version", version="1.1", features=(VERSION_NAMESPACE,)))
    modules.on_iq("server", "get", VERSION_NAMESPACE, "query", handle_version)


def handle_version(_context: StreamContext, _stanza: Stanza) -> Steps:
    """Return name and version (section 2)."""
    yield from ()  # a handler that asks for nothing
    return Element(
        "query",
        VERSION_NAMESPACE,
        None,
        [
            Element("name", VERSION_NAMESPACE, None, ["Raftline"]),
            Element("version", VERSION_NAMESPACE, None, [__version__]),
        ],
    )
