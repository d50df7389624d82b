"""XEP-0202 Entity Time: the clock of the node that serves the client, in UTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from raftline.base.timestamps import format_timestamp
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

TIME_NAMESPACE: Final = "urn:xmpp:time"


def register(modules: Modules, wall_clock_ms: Callable[[], int]) -> None:
    """
    Answer for the server.

    Args:
        wall_clock_ms: Tells milliseconds since 1970; handed in, as nothing here reads a clock.
    """

    def handle_time(_context: StreamContext, _stanza: Stanza) -> Steps:
        """Return the time (section 2)."""
        yield from ()  # a handler that asks for nothing
        return Element(
            "time",
            TIME_NAMESPACE,
            None,
            [
                Element("tzo", TIME_NAMESPACE, None, ["+00:00"]),
                Element("utc", TIME_NAMESPACE, None, [format_timestamp(wall_clock_ms())]),
            ],
        )

    modules.declare(Declaration(number=202, title="Entity Time", version="2.0", features=(TIME_NAMESPACE,)))
    modules.on_iq("server", "get", TIME_NAMESPACE, "time", handle_time)
