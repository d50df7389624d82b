"""The parser: the same events in any chunking, and nothing but documented faults."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raftline.xmpp.element import Element
from raftline.xmpp.xmlstream import (
    ELEMENT_ATTRIBUTE_COUNT_MAX,
    ELEMENT_COUNT_MAX,
    ELEMENT_DEPTH_MAX,
    STREAM_HEADER_BYTES_MAX,
    ElementReceived,
    StreamClosed,
    StreamFailed,
    StreamOpened,
    XMLEvent,
    XMLStreamParser,
    parse_element,
)
from xmpp_core.playbook import HEADER
from xmpp_core.strategies import elements

CONDITIONS = {"not-well-formed", "restricted-xml", "policy-violation", "bad-format", "unsupported-encoding"}

STREAM = (
    HEADER
    + b"<message to='b@d' type='chat' id='1'><body>h&amp;i \xc3\xa4 &#65; <![CDATA[<x>]]></body><a/></message>\r\n "
    + b"<presence/><iq type='get'\n id='a>b' ><q xmlns='u' xmlns:p='v' p:a='1'/></iq >"
    + b"<message to='x@d'></message> <presence/>\t<presence a='/>'></presence></stream:stream>"
)


def feed_in_chunks(data: bytes, cuts: list[int], *, release: bool = False) -> list[XMLEvent]:
    parser = XMLStreamParser()
    events: list[XMLEvent] = []
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(places):
        events += parser.feed(data[start:end])
        if release:
            parser.release()
    return events


class TestChunks:
    """What bytes mean does not depend on how they arrive."""

    @given(st.lists(st.integers(min_value=0), max_size=40), st.booleans())
    @example(list(range(1000)), False)
    @example(list(range(1000)), True)
    def test_any_cuts_give_the_same_events(self, cuts: list[int], release: bool) -> None:
        """A stream cut anywhere, its parser freed in between or not, is the stream in one piece."""
        whole = XMLStreamParser().feed(STREAM)
        assert feed_in_chunks(STREAM, cuts, release=release) == whole
        assert len(whole) == 8

    @given(st.lists(elements(), max_size=4), st.lists(st.integers(min_value=0), max_size=12))
    def test_any_elements(self, trees: list[Element], cuts: list[int]) -> None:
        """Elements arrive as the trees they were written from, with the bytes they were written as."""
        written = [tree.to_bytes() for tree in trees]
        events = feed_in_chunks(HEADER + b" ".join(written) + b"</stream:stream>", cuts)
        assert [(event.element, event.raw) for event in events[1:-1]] == list(zip(trees, written, strict=True))  # type: ignore[union-attr]
        assert isinstance(events[-1], StreamClosed)

    @given(st.binary(max_size=200), st.lists(st.integers(min_value=0), max_size=6))
    def test_garbage_ends_in_documented_faults(self, garbage: bytes, cuts: list[int]) -> None:
        """Arbitrary bytes within a stream give elements or one of the conditions, and the fault is the last event."""
        events = feed_in_chunks(HEADER + garbage, cuts)
        for event in events[:-1]:
            assert not isinstance(event, StreamFailed)
        assert all(event.condition in CONDITIONS for event in events if isinstance(event, StreamFailed))

    @given(st.binary(max_size=60))
    def test_garbage_for_a_header(self, garbage: bytes) -> None:
        """Arbitrary bytes instead of a header do no more."""
        events = XMLStreamParser().feed(garbage)
        assert all(event.condition in CONDITIONS for event in events if isinstance(event, StreamFailed))

    def test_nothing_is_read_after_the_end(self) -> None:
        """Bytes behind the end tag, or behind a fault, mean nothing."""
        parser = XMLStreamParser()
        parser.feed(STREAM)
        assert parser.is_closed
        assert parser.feed(b"<presence/>") == []


class TestRestrictions:
    """RFC 6120 section 11.1."""

    @pytest.mark.parametrize(
        "data",
        [
            b"<!DOCTYPE stream [<!ENTITY a 'b'>]>",
            b"<!DOCTYPE stream SYSTEM 'x'>",
            HEADER + b"<!-- comment -->",
            HEADER + b"<message><!-- comment --></message>",
            HEADER + b"<?php x ?>",
            HEADER + b"<message><body>&external;</body></message>",
            HEADER + b"<message to='&external;'/>",
        ],
    )
    def test_restricted_xml(self, data: bytes) -> None:
        """Document types, entities, comments and processing instructions end the stream."""
        assert XMLStreamParser().feed(data)[-1] == StreamFailed("restricted-xml")

    def test_predefined_entities(self) -> None:
        """The five entities of XML itself are no entities in this sense."""
        event = XMLStreamParser().feed(HEADER + b"<message>&amp;&lt;&gt;&quot;&apos;</message>")[-1]
        assert isinstance(event, ElementReceived)
        assert event.element.text == "&<>\"'"


class TestEncoding:
    """RFC 6120 sections 11.5, 11.6."""

    @pytest.mark.parametrize("encoding", [b"ISO-8859-1", b"UTF-16", b"us-ascii"])
    def test_other_encodings(self, encoding: bytes) -> None:
        """A prologue that names another encoding is refused by name."""
        prologue = b"<?xml version='1.0' encoding='" + encoding + b"'?>"
        (event,) = XMLStreamParser().feed(prologue + HEADER.partition(b"?>")[2])
        assert isinstance(event, StreamFailed)
        assert event.condition == "unsupported-encoding"

    def test_utf8_by_any_name(self) -> None:
        """UTF-8 in lower case is UTF-8."""
        events = XMLStreamParser().feed(b"<?xml version='1.0' encoding='utf-8'?>" + HEADER.partition(b"?>")[2])
        assert isinstance(events[0], StreamOpened)

    def test_bad_bytes(self) -> None:
        """Bytes that are no UTF-8 are not well-formed."""
        (_, event) = XMLStreamParser().feed(HEADER + b"<message>\xff</message>")
        assert isinstance(event, StreamFailed)
        assert event.condition == "not-well-formed"


class TestLimits:
    """Both sides of each bound."""

    @pytest.mark.parametrize("size", [100, 101])
    @pytest.mark.parametrize("step", [1, 7, 1000])
    def test_stanza_bytes(self, size: int, step: int) -> None:
        """A stanza of the greatest size passes, one byte more does not, in any chunking."""
        parser = XMLStreamParser(stanza_bytes_max=100)
        parser.feed(HEADER)
        stanza = b"<a>" + b"x" * (size - 7) + b"</a>"
        events: list[XMLEvent] = []
        for start in range(0, size, step):
            events += parser.feed(stanza[start : start + step])
        (event,) = events
        assert event.condition == "policy-violation" if isinstance(event, StreamFailed) else size == 100

    @pytest.mark.parametrize("tail", [b"<", b"<" + b"a" * 200, b"&" + b"a" * 200, b"<a b='" + b"c" * 200])
    def test_unfinished_tokens_are_bounded(self, tail: bytes) -> None:
        """What never becomes an element is not held for ever either."""
        parser = XMLStreamParser(stanza_bytes_max=100)
        parser.feed(HEADER)
        events = parser.feed(tail)
        assert bool(events) == (len(tail) > 100)
        assert all(isinstance(event, StreamFailed) for event in events)

    def test_header_bytes(self) -> None:
        """A header that never ends is refused, whatever it consists of."""
        for start in (b"<stream a='", b"x", b"<?xml ", b"<!DOCTYPE "):
            parser = XMLStreamParser()
            events: list[XMLEvent] = []
            for _ in range(STREAM_HEADER_BYTES_MAX // 512 + 2):
                events += parser.feed(start)
                start = b"y" * 512  # noqa: PLW2901  # first the beginning, then more of it
            assert isinstance(events[-1], StreamFailed), start

    def test_whitespace_between_stanzas_is_not_held(self) -> None:
        """Keepalives of years do not add up to a stanza (RFC 6120 section 4.6.1)."""
        parser = XMLStreamParser(stanza_bytes_max=100)
        parser.feed(HEADER)
        for _ in range(100):
            assert parser.feed(b" \n" * 50) == []
        assert not parser.has_rest

    def test_depth(self) -> None:
        """Elements nest to the bound and no deeper."""
        for depth, is_fine in ((ELEMENT_DEPTH_MAX, True), (ELEMENT_DEPTH_MAX + 1, False)):
            (_, event) = XMLStreamParser().feed(HEADER + b"<a>" * depth + b"</a>" * depth)
            assert isinstance(event, ElementReceived) == is_fine

    def test_attributes(self) -> None:
        """An element has attributes to the bound and no more."""
        for count, is_fine in ((ELEMENT_ATTRIBUTE_COUNT_MAX, True), (ELEMENT_ATTRIBUTE_COUNT_MAX + 1, False)):
            attributes = b" ".join(b"a%d=''" % number for number in range(count))
            (_, event) = XMLStreamParser().feed(HEADER + b"<a " + attributes + b"/>")
            assert isinstance(event, ElementReceived) == is_fine

    def test_count(self) -> None:
        """A stanza has elements to the bound and no more; the next stanza counts anew."""
        inner = b"<a/>" * (ELEMENT_COUNT_MAX - 1)
        (_, first, second) = XMLStreamParser().feed(HEADER + (b"<m>" + inner + b"</m>") * 2)
        assert isinstance(first, ElementReceived)
        assert isinstance(second, ElementReceived)
        (_, event) = XMLStreamParser().feed(HEADER + b"<m>" + inner + b"<a/></m>")
        assert isinstance(event, StreamFailed)


class TestNamespaces:
    """RFC 6120 section 4.8."""

    def test_prefixes_of_the_header(self) -> None:
        """The parser tells which prefixes stanzas may use without declaring them."""
        parser = XMLStreamParser()
        (event,) = parser.feed(HEADER)
        assert isinstance(event, StreamOpened)
        assert event.namespaces == {"": "jabber:client", "stream": "http://etherx.jabber.org/streams"}
        assert parser.prefixes == (b"stream:",)

    def test_undeclared_prefix(self) -> None:
        """A prefix without a declaration is not well-formed."""
        (_, event) = XMLStreamParser().feed(HEADER + b"<x:message/>")
        assert isinstance(event, StreamFailed)
        assert event.condition == "not-well-formed"

    def test_names(self) -> None:
        """Names come with their namespaces, attributes too."""
        (_, event) = XMLStreamParser().feed(HEADER + b"<m xml:lang='de' xmlns:x='u'><x:a x:b='c' d='e'/></m>")
        assert isinstance(event, ElementReceived)
        lang = "{http://www.w3.org/XML/1998/namespace}lang"
        child = Element("a", "u", {"{u}b": "c", "d": "e"})
        assert event.element == Element("m", "jabber:client", {lang: "de"}, [child])


class TestParseElement:
    """One element that stands alone (RFC 7395 section 3.3.3)."""

    @given(elements())
    def test_round_trip(self, tree: Element) -> None:
        """What was written is what is read."""
        data = tree.to_bytes("")
        assert parse_element(data) == ElementReceived(tree, data)

    @pytest.mark.parametrize(
        "data", [b"", b" <a/>", b"<a/><b/>", b"<a/>x", b"<a>", b"</s>", b"<a/></s>", b"<?xml version='1.0'?><a/>", b"x"]
    )
    def test_not_exactly_one(self, data: bytes) -> None:
        """None, more than one, half of one: each is a fault."""
        assert isinstance(parse_element(data), StreamFailed)

    def test_size(self) -> None:
        """The bound is that of the element."""
        assert isinstance(parse_element(b"<a>xx</a>", bytes_max=9), ElementReceived)
        assert parse_element(b"<a>xxx</a>", bytes_max=9) == StreamFailed(
            "policy-violation", "a stanza may have 9 bytes"
        )
