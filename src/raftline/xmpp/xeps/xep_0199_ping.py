"""XEP-0199 XMPP Ping: is the other side still there?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import concerns_own_account

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

PING_NAMESPACE: Final = "urn:xmpp:ping"


def register(modules: Modules) -> None:
    """Answer pings to the server and to the user's own account (section 4.2)."""
    modules.declare(
        Declaration(
            number=199,
            title="XMPP Ping",
            version="2.0.1",
            features=(PING_NAMESPACE,),
            account_features=(PING_NAMESPACE,),
        )
    )
    modules.on_iq("server", "get", PING_NAMESPACE, "ping", handle_ping)
    modules.on_iq("account", "get", PING_NAMESPACE, "ping", handle_account_ping)


def handle_ping(_context: StreamContext, _stanza: Stanza) -> Steps:
    """Return an empty result (section 4.2)."""
    yield from ()  # a handler that asks for nothing
    return None


def handle_account_ping(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return an empty result on behalf of the user's own account (section 4.2).

    Raises:
        Refused: `service-unavailable` for another account, whether it exists or not (XEP-0030 section 8).
    """
    if not concerns_own_account(context, stanza):
        raise Refused("service-unavailable", "cancel")
    yield from ()  # a handler that asks for nothing
    return None
