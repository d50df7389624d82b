"""
XEP-0206 XMPP over BOSH: how a stream lies in the bodies of HTTP requests and responses.

There is no header and no end tag: the body that creates the session opens the stream, one with `xmpp:restart` opens it
anew, and one of type `terminate` ends it. Of our own header nothing is written either; what a client needs to know of
it stands on the first response (`greeting`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from raftline.xmpp.bosh_body import VERSION, XBOSH_NAMESPACE, Body
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.stanza import CLIENT_NAMESPACE, LANG, with_namespace
from raftline.xmpp.xmlstream import STREAM_NAMESPACE, StreamClosed, StreamOpened, XMLEvent

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

STREAM_ERROR: Final = b"<stream:error>"
"""How the payload begins that says why the stream ended."""

_REMEMBERED: Final = ("to", "from", LANG)


def register(modules: Modules) -> None:
    """Declare it; a client learns of it where it learns of the address (XEP-0156)."""
    modules.declare(Declaration(number=206, title="XMPP Over BOSH", version="1.4"))


def greeting(domain: str) -> dict[str, str]:
    """Return what the first response says of the stream (section 4)."""
    return {"from": domain, "xmlns:xmpp": XBOSH_NAMESPACE, "xmpp:version": "1.0", "xmpp:restartlogic": "true"}


class BoshFraming:
    """
    A stream in bodies; implements framing.Framing.

    Bodies are parsed before it is known whether it is their turn, so they come by `accept`, and `receive` is told of
    each by its bytes.
    """

    __slots__ = ("_bodies", "_opening")

    is_websocket = True  # TLS, and the end of the connection, are a matter of HTTP
    prefixes: tuple[bytes, ...] = ()
    has_rest = False

    def __init__(self) -> None:
        self._bodies: deque[Body] = deque()
        self._opening: dict[str, str] = {}

    def accept(self, body: Body) -> None:
        """Take the body that `receive` is told of next."""
        self._bodies.append(body)

    def receive(self, data: bytes) -> list[XMLEvent]:
        """As Framing."""
        body = self._bodies.popleft()
        attributes = body.attributes
        if "sid" not in attributes:
            self._opening = {name: attributes[name] for name in _REMEMBERED if name in attributes}
            return [self._opened(attributes), *body.payloads]
        if body.is_restart:
            return [self._opened(attributes)]  # payloads are ignored (section 5)
        if body.is_terminate:
            return [*body.payloads, StreamClosed()]
        return [*body.payloads]

    def _opened(self, attributes: dict[str, str]) -> StreamOpened:
        """Say what a header over TCP says; a restart may leave out what the session began with (sections 3, 5)."""
        said = {name: attributes[name] for name in _REMEMBERED if name in attributes}
        root = Element("stream", STREAM_NAMESPACE, {**self._opening, **said, "version": attributes.get(VERSION, "1.0")})
        return StreamOpened(root, {"": CLIENT_NAMESPACE})

    def restart(self) -> None:
        """As Framing."""

    def release(self) -> bool:
        """As Framing."""
        return False

    def close(self) -> None:
        """As Framing."""
        self._bodies.clear()

    def header(self, attributes: dict[str, str]) -> bytes:
        """As Framing: there is none."""
        return b""

    def footer(self) -> bytes:
        """As Framing: there is none."""
        return b""

    def stream_element(self, name: str, children: list[Element]) -> bytes:
        """As Framing; the prefix is declared by the body (section 2)."""
        inner = "".join(child.serialize("") for child in children)
        return f"<stream:{name}>{inner}</stream:{name}>".encode()

    def element(self, data: bytes) -> bytes:
        """As Framing."""
        return with_namespace(data)
