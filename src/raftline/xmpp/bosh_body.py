"""
The wrapper of BOSH: each HTTP request and response is one `<body/>`, with whole elements inside (XEP-0124 section 6).

What is read stands on its own: elements that lean on a prefix of the wrapper are written anew, and stanzas that
inherit the wrapper's namespace are taken for those of `jabber:client`, as clients have always meant them (XEP-0206
section 2).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.errors import RemoteProtocolError
from raftline.xmpp.element import Element, escape_attribute
from raftline.xmpp.payloads import TRUE
from raftline.xmpp.stanza import CLIENT_NAMESPACE, STANZA_KINDS
from raftline.xmpp.xmlstream import (
    ELEMENT_COUNT_MAX,
    STREAM_NAMESPACE,
    ElementReceived,
    StreamClosed,
    StreamFailed,
    StreamOpened,
    XMLStreamParser,
)

BOSH_NAMESPACE: Final = "http://jabber.org/protocol/httpbind"
XBOSH_NAMESPACE: Final = "urn:xmpp:xbosh"

RESTART: Final = f"{{{XBOSH_NAMESPACE}}}restart"
VERSION: Final = f"{{{XBOSH_NAMESPACE}}}version"

RID_MAX: Final = 2**53 - 1
"""Greatest request id: what a client keeps in a double stays exact (XEP-0124 section 14.1)."""

TAG_COUNT_MAX: Final = 2 * ELEMENT_COUNT_MAX
"""Tags of one body: all of it becomes values before any of it is looked at, and `<a/>` grows a hundredfold."""

_NUMBER_DIGIT_COUNT_MAX: Final = len(str(RID_MAX))


class BindingFailed(RemoteProtocolError):
    """A request broke a rule of BOSH. `condition` is that of the terminal binding error (XEP-0124 section 17.2)."""

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self.condition = condition


class Body(NamedTuple):
    """
    A request.

    Attributes:
        attributes: Of the wrapper; a namespaced one as `{uri}name`.
        payloads: The elements inside, in order.
        raw: The bytes it was sent as.
    """

    attributes: dict[str, str]
    payloads: list[ElementReceived]
    raw: bytes

    @property
    def is_restart(self) -> bool:
        """Whether the stream is to begin anew (XEP-0206 section 5)."""
        return self.attributes.get(RESTART) in TRUE

    @property
    def is_terminate(self) -> bool:
        """Whether the client ends the session (XEP-0124 section 13)."""
        return self.attributes.get("type") == "terminate"

    @property
    def is_pause(self) -> bool:
        """Whether the client will be away for a while (XEP-0124 section 10)."""
        return "pause" in self.attributes

    @property
    def is_empty(self) -> bool:
        """Whether it only asks for what there is; the one that creates the session does not."""
        return "sid" in self.attributes and not (self.payloads or self.is_restart or self.is_terminate or self.is_pause)

    def number(self, name: str, default: int | None = None) -> int:
        """
        Return an attribute that is a number, RID_MAX at most.

        Raises:
            BindingFailed: `bad-request`: it is none, or absent without a default.
        """
        text = self.attributes.get(name)
        if text is None and default is not None:
            return default
        if text is None or not (text.isascii() and text.isdigit()) or len(text) > _NUMBER_DIGIT_COUNT_MAX:
            raise BindingFailed("bad-request")
        number = int(text)
        if number > RID_MAX:
            raise BindingFailed("bad-request")
        return number


def parse_body(data: bytes, *, stanza_bytes_max: int) -> Body:
    """
    Read the body of an HTTP request.

    Raises:
        BindingFailed: `policy-violation` for an element that is too large or too deep, or too many of them;
            `bad-request` for anything else that is no wrapper around whole elements.
    """
    if data.count(b"<") > TAG_COUNT_MAX:
        raise BindingFailed("policy-violation")
    parser = XMLStreamParser(stanza_bytes_max=stanza_bytes_max)
    events = parser.feed(data)
    parser.close()
    match events:
        case [StreamOpened() as opened, *inner, StreamClosed()]:
            root = opened.root
        case [*_, StreamFailed(condition="policy-violation")]:
            raise BindingFailed("policy-violation")
        case _:
            raise BindingFailed("bad-request")
    if root.name != "body" or root.namespace != BOSH_NAMESPACE:
        raise BindingFailed("bad-request")
    payloads = [_standing_alone(event, parser.prefixes) for event in inner if isinstance(event, ElementReceived)]
    return Body(root.attributes, payloads, data)


def _standing_alone(received: ElementReceived, prefixes: tuple[bytes, ...]) -> ElementReceived:
    element, raw = received
    if element.namespace == BOSH_NAMESPACE and element.name in STANZA_KINDS:
        _adopt(element)
    if any(prefix in raw for prefix in prefixes):
        return ElementReceived(element, element.to_bytes(""))
    return ElementReceived(element, raw)


def _adopt(element: Element) -> None:
    """Take what inherits the namespace of the wrapper for a client's; the parser bounds the depth."""
    element.namespace = CLIENT_NAMESPACE
    for child in element.elements():
        if child.namespace == BOSH_NAMESPACE:
            _adopt(child)


def write_body(attributes: dict[str, str], payloads: list[bytes]) -> bytes:
    """
    Write the body of an HTTP response. Attributes are written under the names given.

    The prefix `stream` is declared where an element of the stream is inside (XEP-0206 section 2).
    """
    head = "".join(f" {name}='{escape_attribute(value)}'" for name, value in attributes.items())
    if any(payload.startswith(b"<stream:") for payload in payloads):
        head += f" xmlns:stream='{STREAM_NAMESPACE}'"
    start = f"<body xmlns='{BOSH_NAMESPACE}'{head}".encode()
    if not payloads:
        return start + b"/>"
    return b"%b>%b</body>" % (start, b"".join(payloads))
