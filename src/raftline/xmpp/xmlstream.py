"""
The XML parser of streams: bytes in, top-level elements out.

    <stream:stream …>            StreamOpened
      <message …>…</message>     ElementReceived, with the very bytes it was sent as
    </stream:stream>             StreamClosed

XMPP is restricted XML (RFC 6120 section 11.1): a document type, an entity, a comment or a processing instruction ends
the stream, which also keeps every known way to blow up a parser out. Encoding is UTF-8 whatever the prologue says.
What the bytes mean does not depend on how they were cut into reads.

Faults are values: `StreamFailed` with a condition of RFC 6120 section 4.9.3 is the last event a parser gives.

Bytes of elements are found by the offsets that expat reports, so that a stanza which is only passed on is copied and
never rebuilt. Offsets count from the first byte the expat parser saw; `_base` is the offset of the first byte still
held. Between stanzas nothing is held but the beginning of a tag, so an idle stream can give its expat parser back
(`release`): the next bytes go to a new one that is shown the stream header first.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from xml.parsers import expat

from raftline.xmpp.element import Element

STREAM_NAMESPACE: Final = "http://etherx.jabber.org/streams"

STANZA_BYTES_MAX: Final = 262_144
"""Default bound of one top-level element; XMPP asks for at least 10,000 bytes (RFC 6120 section 13.12)."""

STREAM_HEADER_BYTES_MAX: Final = 8_192
"""Of the prologue and the stream header."""

ELEMENT_DEPTH_MAX: Final = 64
"""Levels of elements within a stanza, the stanza included; keeps recursion over trees shallow."""

ELEMENT_ATTRIBUTE_COUNT_MAX: Final = 64

ELEMENT_COUNT_MAX: Final = 16_384
"""Elements of one stanza: `<a/>` is 4 bytes on the wire and a hundred times that as a value."""

_SEPARATOR: Final = "}"
_START_TAG: Final = re.compile(rb"<[^>\"']*(?:(?:\"[^\"]*\"|'[^']*')[^>\"']*)*>")
_WHITESPACE: Final = " \t\r\n"
_NOT_WHITESPACE: Final = re.compile(rb"[^ \t\r\n]")
_RESTRICTED_CODES: Final = frozenset(
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_UNDEFINED_ENTITY,
        expat.errors.XML_ERROR_RECURSIVE_ENTITY_REF,
        expat.errors.XML_ERROR_BINARY_ENTITY_REF,
        expat.errors.XML_ERROR_ATTRIBUTE_EXTERNAL_ENTITY_REF,
    )
)


class StreamOpened(NamedTuple):
    """
    The start tag of the root.

    Attributes:
        root: Without children.
        namespaces: What it declares, by prefix; the default namespace under the empty prefix.
    """

    root: Element
    namespaces: dict[str, str]


class ElementReceived(NamedTuple):
    """A whole top-level element and the bytes it was sent as."""

    element: Element
    raw: bytes


class StreamClosed(NamedTuple):
    """The end tag of the root."""


class StreamFailed(NamedTuple):
    """The bytes broke a rule. `condition` is that of the stream error (RFC 6120 section 4.9.3)."""

    condition: str
    text: str = ""


XMLEvent = StreamOpened | ElementReceived | StreamClosed | StreamFailed


class _Rejected(Exception):  # unwinds expat, never seen outside
    def __init__(self, condition: str, text: str = "") -> None:
        super().__init__(condition)
        self.condition = condition
        self.text = text


class XMLStreamParser:
    """
    The parser of one stream, from its header to its end tag.

    After a restart of the stream (RFC 6120 section 4.3.3) a new parser is used.
    """

    __slots__ = (
        "_base",
        "_closed",
        "_count",
        "_depth",
        "_events",
        "_expat",
        "_header",
        "_held",
        "_namespaces",
        "_stack",
        "_stanza_bytes_max",
        "_start",
        "_window",
        "prefixes",
    )

    def __init__(self, *, stanza_bytes_max: int = STANZA_BYTES_MAX) -> None:
        self._stanza_bytes_max = stanza_bytes_max
        self._events: list[XMLEvent] = []
        self._stack: list[Element] = []
        self._namespaces: dict[str, str] = {}
        self._header = b""
        self._depth = 0
        self._count = 0
        self._base = 0
        self._start = 0
        self._closed = False
        self._held = bytearray()
        self._window: bytes | bytearray = b""
        self._expat: expat.XMLParserType | None = self._new_expat()
        self._expat.StartNamespaceDeclHandler = self._namespace_declared
        self.prefixes: tuple[bytes, ...] = ()
        """Prefixes that the stream header declares, each with its colon: `(b"stream:",)`."""

    @property
    def is_closed(self) -> bool:
        """Whether the stream ended or failed; later bytes mean nothing."""
        return self._closed

    def feed(self, data: bytes) -> list[XMLEvent]:
        """
        Take bytes and return what they complete. Never raises.

        Limits: holds at most one top-level element, `stanza_bytes_max` and one read.
        """
        if self._closed or not data:
            return []
        parser = self._expat or self._reopen()
        if self._held:
            self._held += data
            self._window = self._held
        else:
            self._window = data
        events: list[XMLEvent] = []
        self._events = events
        try:
            parser.Parse(data)
            self._keep_rest(parser)
        except _Rejected as rejected:
            self._fail(rejected.condition, rejected.text)
        except expat.ExpatError as error:
            self._fail_malformed(parser, error)
        self._window = b""
        self._events = []
        return events

    @property
    def has_rest(self) -> bool:
        """Whether bytes were taken that no event covers yet, whitespace aside."""
        return bool(self._held) or self._depth > 1

    def release(self) -> bool:
        """Give the memory of expat back if nothing is half parsed; return whether that was so."""
        if self._depth == 1 and not self._held and not self._closed:
            self._expat = None
        return self._expat is None

    def close(self) -> None:
        """Let go of expat, which holds its handlers and by them this object; later bytes mean nothing."""
        self._closed = True
        self._expat = None
        self._held = bytearray()
        self._stack = []

    def _reopen(self) -> expat.XMLParserType:
        """Make a parser that stands where the released one stood."""
        self._depth = 0
        self._base = self._start = len(self._header)
        self._window = b""
        parser = self._expat = self._new_expat()
        parser.StartElementHandler = None
        parser.Parse(self._header)
        parser.StartElementHandler = self._start_element
        self._depth = 1
        return parser

    def _new_expat(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("UTF-8", _SEPARATOR)
        parser.buffer_text = True
        if hasattr(parser, "SetReparseDeferralEnabled"):
            # A deferred token would hold back a stanza that is complete; the size of tokens is bounded here.
            parser.SetReparseDeferralEnabled(False)
        parser.StartElementHandler = self._start_element
        parser.EndElementHandler = self._end_element
        parser.CharacterDataHandler = self._character_data
        parser.XmlDeclHandler = self._xml_declaration
        parser.StartDoctypeDeclHandler = _restricted
        parser.EntityDeclHandler = _restricted
        parser.CommentHandler = _restricted
        parser.ProcessingInstructionHandler = _restricted
        return parser

    def _keep_rest(self, parser: expat.XMLParserType) -> None:
        """Hold on to the bytes of what has begun; refuse it when it is too long already."""
        window = self._window
        end = self._base + len(window)
        start, bound = self._start, self._stanza_bytes_max
        if self._depth == 0:
            bound = STREAM_HEADER_BYTES_MAX
        elif self._depth == 1:
            # Between stanzas: whitespace is done with, anything else has begun something.
            match = _NOT_WHITESPACE.search(window, start - self._base)
            self._start = start = self._base + match.start() if match else end
        if end - start > bound:
            raise _Rejected("policy-violation", f"a stanza may have {bound} bytes")
        if window is self._held:
            del self._held[: start - self._base]
        elif start < end:
            self._held += window[start - self._base :]
        self._base = start

    def _fail(self, condition: str, text: str) -> None:
        self._events.append(StreamFailed(condition, text))
        self.close()

    def _fail_malformed(self, parser: expat.XMLParserType, error: expat.ExpatError) -> None:
        if self._depth > 1 and parser.ErrorByteIndex - self._start > self._stanza_bytes_max:
            self._fail("policy-violation", f"a stanza may have {self._stanza_bytes_max} bytes")
        elif error.code in _RESTRICTED_CODES:
            self._fail("restricted-xml", "")
        else:
            self._fail("not-well-formed", expat.ErrorString(error.code) or "")

    def _namespace_declared(self, prefix: str | None, uri: str | None) -> None:
        self._namespaces[prefix or ""] = uri or ""

    def _xml_declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            raise _Rejected("unsupported-encoding", "XMPP is UTF-8")

    def _start_element(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth
        self._depth = depth + 1
        if attributes:
            attributes = _checked_attributes(attributes)
        namespace, _, local = name.rpartition(_SEPARATOR)
        element = Element(local, namespace, attributes, [])
        stack = self._stack
        if depth > 1:
            stack[-1].children.append(element)
            stack.append(element)
            self._count = count = self._count + 1
            if depth > ELEMENT_DEPTH_MAX or count > ELEMENT_COUNT_MAX:
                raise _Rejected("policy-violation", "too many elements, or too deep")
            return
        parser = self._expat
        assert parser is not None
        self._start = parser.CurrentByteIndex
        if depth == 1:
            self._count = 1
            stack.append(element)
        else:
            self._open(parser, element)

    def _open(self, parser: expat.XMLParserType, root: Element) -> None:
        parser.StartNamespaceDeclHandler = None
        match = _START_TAG.match(self._window, self._start - self._base)
        assert match is not None, "expat reports a start tag that is whole"
        self._header = bytes(match[0])
        self._start += len(self._header)
        self.prefixes = tuple(f"{prefix}:".encode() for prefix in self._namespaces if prefix)
        self._events.append(StreamOpened(root, self._namespaces))

    def _end_element(self, name: str) -> None:
        self._depth = depth = self._depth - 1
        if depth > 1:
            self._stack.pop()
            return
        if depth == 0:
            self._closed = True
            self._events.append(StreamClosed())
            return
        element = self._stack.pop()
        assert self._expat is not None
        window, base = self._window, self._base
        end = self._expat.CurrentByteIndex - base
        if element.children or window[end - 2 : end] != b"/>":
            # The offset is that of the end tag; behind an empty-element tag it is that of the next byte.
            end = window.index(b">", end) + 1
        start = self._start - base
        if end - start > self._stanza_bytes_max:
            raise _Rejected("policy-violation", f"a stanza may have {self._stanza_bytes_max} bytes")
        self._start = base + end
        self._events.append(ElementReceived(element, bytes(window[start:end])))

    def _character_data(self, data: str) -> None:
        if self._depth > 1:
            children = self._stack[-1].children
            if children and isinstance(children[-1], str):
                children[-1] += data
            else:
                children.append(data)
        elif data.strip(_WHITESPACE):
            raise _Rejected("bad-format", "character data between stanzas")


def parse_element(data: bytes, *, bytes_max: int = STANZA_BYTES_MAX) -> ElementReceived | StreamFailed:
    """
    Read one element that stands alone under the same rules as those of a stream, such as a WebSocket message.

    Source: RFC 7395 section 3.3.3.
    """
    if len(data) > bytes_max:
        return StreamFailed("policy-violation", f"a stanza may have {bytes_max} bytes")
    if not data.startswith(b"<"):
        return StreamFailed("not-well-formed", "a message begins with an element")
    parser = XMLStreamParser(stanza_bytes_max=bytes_max)
    events = parser.feed(b"<s>" + data)
    match events:
        case [StreamOpened(), ElementReceived() as received] if received.raw == data.rstrip():
            return received
        case [*_, StreamFailed() as failed]:
            return failed
        case _:
            return StreamFailed("not-well-formed", "a message is exactly one element")


def _checked_attributes(attributes: dict[str, str]) -> dict[str, str]:
    """Bound their number, and write the names of namespaced ones as `{uri}name`."""
    if len(attributes) > ELEMENT_ATTRIBUTE_COUNT_MAX:
        raise _Rejected("policy-violation", f"an element may have {ELEMENT_ATTRIBUTE_COUNT_MAX} attributes")
    for key in attributes:
        if _SEPARATOR in key:
            return {f"{{{key}" if _SEPARATOR in key else key: value for key, value in attributes.items()}
    return attributes


def _restricted(*_: object) -> None:
    raise _Rejected("restricted-xml")
