"""
XEP-0368 SRV Records for XMPP over TLS: connections that are TLS from the first byte, for who cannot use STARTTLS.

The records `_xmpps-client._tcp` are the operator's. The listener takes clients that name `xmpp-client` by ALPN and
those that name nothing (section 3); a stream that begins there is secure and is never offered STARTTLS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

CLIENT_PROTOCOL: Final = "xmpp-client"
"""Name of XMPP of clients in ALPN."""


def register(modules: Modules) -> None:
    """Declare it; gateway/tcp.py takes the connections."""
    modules.declare(Declaration(number=368, title="SRV records for XMPP over TLS", version="1.1.0"))
