"""
How a stream lies on its transport: one document over TCP, one message for each element over WebSocket.

The stream (stream.py) speaks in headers, elements and footers; a framing turns them into bytes and bytes into the
events of xmlstream.py. Over WebSocket `<open/>` and `<close/>` take the place of the tags of the root, and each
element declares its namespace itself (RFC 7395 section 3.3).
"""

from __future__ import annotations

from typing import Final, Protocol

from raftline.xmpp.element import XML_NAMESPACE, Element
from raftline.xmpp.stanza import CLIENT_NAMESPACE, with_namespace
from raftline.xmpp.xmlstream import (
    STREAM_NAMESPACE,
    StreamClosed,
    StreamFailed,
    StreamOpened,
    XMLEvent,
    XMLStreamParser,
    parse_element,
)

WEBSOCKET_NAMESPACE: Final = "urn:ietf:params:xml:ns:xmpp-framing"
STREAM_ERROR_NAMESPACE: Final = "urn:ietf:params:xml:ns:xmpp-streams"


class Framing(Protocol):
    """What a stream asks of its transport's framing."""

    @property
    def is_websocket(self) -> bool:
        """Whether TLS, and the end of the connection, are a matter of HTTP."""

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Prefixes that are declared outside of the stanzas, each with its colon."""

    @property
    def has_rest(self) -> bool:
        """Whether bytes were taken that no event covers yet."""

    def receive(self, data: bytes) -> list[XMLEvent]:
        """Take bytes (over WebSocket: one whole message) and return what they complete. Never raises."""

    def restart(self) -> None:
        """Expect a new header next (RFC 6120 section 4.3.3)."""

    def release(self) -> bool:
        """Give back memory that an idle stream does not need; return whether there was any to give."""

    def close(self) -> None:
        """Take nothing more, and hold on to nothing."""

    def header(self, attributes: dict[str, str]) -> bytes:
        """Write our own header."""

    def footer(self) -> bytes:
        """Write the end of our direction of the stream."""

    def stream_element(self, name: str, children: list[Element]) -> bytes:
        """Write an element of the streams namespace: features or error."""

    def element(self, data: bytes) -> bytes:
        """Finish an element that was written for a place where `jabber:client` is the default namespace."""


class TCPFraming:
    """One XML document in each direction (RFC 6120 section 4.2)."""

    __slots__ = ("_parser", "_stanza_bytes_max")

    is_websocket = False
    namespace = CLIENT_NAMESPACE

    def __init__(self, stanza_bytes_max: int) -> None:
        self._stanza_bytes_max = stanza_bytes_max
        self._parser = XMLStreamParser(stanza_bytes_max=stanza_bytes_max)

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """As Framing."""
        return self._parser.prefixes

    @property
    def has_rest(self) -> bool:
        """As Framing."""
        return self._parser.has_rest

    def receive(self, data: bytes) -> list[XMLEvent]:
        """As Framing."""
        return self._parser.feed(data)

    def restart(self) -> None:
        """As Framing."""
        self._parser.close()
        self._parser = XMLStreamParser(stanza_bytes_max=self._stanza_bytes_max)

    def release(self) -> bool:
        """As Framing."""
        return self._parser.release()

    def close(self) -> None:
        """As Framing."""
        self._parser.close()

    def header(self, attributes: dict[str, str]) -> bytes:
        """As Framing."""
        written = Element("x", "", attributes).serialize("")[len("<x") : -len("/>")]
        namespaces = f"xmlns='{self.namespace}' xmlns:stream='{STREAM_NAMESPACE}'"
        return f"<?xml version='1.0'?><stream:stream {namespaces}{written}>".encode()

    def footer(self) -> bytes:
        """As Framing."""
        return b"</stream:stream>"

    def stream_element(self, name: str, children: list[Element]) -> bytes:
        """As Framing."""
        inner = "".join(child.serialize(CLIENT_NAMESPACE) for child in children)
        return f"<stream:{name}>{inner}</stream:{name}>".encode()

    def element(self, data: bytes) -> bytes:
        """As Framing."""
        return data


class WebSocketFraming:
    """One message for each element (RFC 7395 section 3)."""

    __slots__ = ("_stanza_bytes_max",)

    is_websocket = True
    prefixes: tuple[bytes, ...] = ()
    has_rest = False

    def __init__(self, stanza_bytes_max: int) -> None:
        self._stanza_bytes_max = stanza_bytes_max

    def receive(self, data: bytes) -> list[XMLEvent]:
        """As Framing."""
        received = parse_element(data, bytes_max=self._stanza_bytes_max)
        if isinstance(received, StreamFailed):
            return [received]
        element = received.element
        if element.namespace == WEBSOCKET_NAMESPACE:
            if element.name == "open":
                # Says what a header over TCP says, so that both are checked in one place.
                return [StreamOpened(Element("stream", STREAM_NAMESPACE, element.attributes), {"": CLIENT_NAMESPACE})]
            if element.name == "close":
                return [StreamClosed()]
        elif element.name == "stream" and element.namespace == STREAM_NAMESPACE:
            return [StreamFailed("invalid-namespace", "over WebSocket a stream begins with an open element")]
        return [received]

    def restart(self) -> None:
        """As Framing."""

    def release(self) -> bool:
        """As Framing."""
        return False

    def close(self) -> None:
        """As Framing; a message leaves nothing behind anyway."""

    def header(self, attributes: dict[str, str]) -> bytes:
        """As Framing."""
        return Element("open", WEBSOCKET_NAMESPACE, attributes).to_bytes()

    def footer(self) -> bytes:
        """As Framing."""
        return Element("close", WEBSOCKET_NAMESPACE).to_bytes()

    def stream_element(self, name: str, children: list[Element]) -> bytes:
        """As Framing."""
        inner = "".join(child.serialize("") for child in children)
        return f"<stream:{name} xmlns:stream='{STREAM_NAMESPACE}'>{inner}</stream:{name}>".encode()

    def element(self, data: bytes) -> bytes:
        """As Framing."""
        return with_namespace(data)


def stream_error(framing: Framing, condition: str, text: str = "", detail: Element | None = None) -> bytes:
    """Write `<stream:error>` (RFC 6120 section 4.9.2). `detail` is an application's own condition."""
    children = [Element(condition, STREAM_ERROR_NAMESPACE)]
    if text:
        children.append(Element("text", STREAM_ERROR_NAMESPACE, {f"{{{XML_NAMESPACE}}}lang": "en"}, [text]))
    if detail is not None:
        children.append(detail)
    return framing.stream_element("error", children)
