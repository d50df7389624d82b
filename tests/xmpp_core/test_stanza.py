"""Stanzas that are passed on, and replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.xmpp.element import Element
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.stanza import (
    LANG,
    Stanza,
    error_reply,
    parse_stanza,
    result_reply,
    with_namespace,
)
from raftline.xmpp.xmlstream import ElementReceived, XMLStreamParser, parse_element
from xmpp_core.playbook import HEADER
from xmpp_core.strategies import TEXT, elements

ALICE = parse_jid("alice@localhost/home")
BOB = parse_jid("bob@localhost")
QUOTED = parse_jid("alice@localhost/o'neil & <co>")


def received(data: bytes, header: bytes = HEADER) -> Stanza:
    """Parse a stanza as part of a stream."""
    parser = XMLStreamParser()
    (_, event) = parser.feed(header + data)
    assert isinstance(event, ElementReceived)
    return Stanza(event.element, event.raw, prefixes=parser.prefixes)


def parsed(data: bytes) -> Element:
    event = parse_element(with_namespace(data))
    assert isinstance(event, ElementReceived)
    return event.element


class TestStamped:
    """The way a stanza leaves for its recipient."""

    @given(
        st.sampled_from(["message", "presence", "iq"]),
        st.dictionaries(st.sampled_from(["type", "id", LANG, "other"]), TEXT, max_size=4),
        st.lists(st.one_of(elements(), st.sampled_from(["text", "a > b"])), max_size=3),
        st.sampled_from([ALICE, QUOTED]),
        st.booleans(),
    )
    def test_is_the_tree_under_new_addresses(
        self, kind: str, attributes: dict[str, str], children: list[Element | str], sender: object, drop: bool
    ) -> None:
        """Bytes kept or tree rebuilt: what the recipient parses is the sender's tree under our addresses."""
        spaced: list[Element | str] = [item for child in children for item in (child, Element("end", "urn:x"))]
        tree = Element(kind, "jabber:client", {"to": "bob@localhost", "from": "mallory@x"} | attributes, spaced)
        stanza = received(tree.to_bytes())

        def is_end(child: Element) -> bool:
            return child.name == "end"

        stamped = parsed(stanza.stamped(sender, BOB, drop=is_end if drop else None))  # type: ignore[arg-type]
        expected = {"from": str(sender), "to": "bob@localhost"}
        expected |= {name: attributes[name] for name in ("type", "id", LANG) if attributes.get(name)}
        assert stamped.attributes == expected
        assert list(stamped.attributes) == [name for name in ("from", "to", "type", "id", LANG) if name in expected]
        kept = [child for child in spaced if not (drop and isinstance(child, Element) and is_end(child))]
        assert [child for child in stamped.children if isinstance(child, Element)] == [
            child for child in kept if isinstance(child, Element)
        ]
        assert stamped.text == "".join(child for child in kept if isinstance(child, str))

    def test_inner_bytes_are_kept(self) -> None:
        """The payload is copied as it was sent: its quotes, its entities, its whitespace."""
        inner = b"<body>a &#38; b &amp; \xc3\xa4</body>\n <x  xmlns=\"urn:x\" y='>'/>"
        stamped = received(b"<message to='bob@localhost'>" + inner + b"</message >").stamped(ALICE, BOB)
        assert stamped == b"<message from='alice@localhost/home' to='bob@localhost'>" + inner + b"</message>"

    @pytest.mark.parametrize("empty", [b"<presence/>", b"<presence></presence>", b"<presence to='>' />"])
    def test_empty(self, empty: bytes) -> None:
        """A stanza without payload is one tag."""
        if b">'" in empty:
            with pytest.raises(ValueError):
                received(empty)
            return
        assert received(empty).stamped(ALICE, None) == b"<presence from='alice@localhost/home'/>"

    @pytest.mark.parametrize(
        "data",
        [
            b"<c:message xmlns:c='jabber:client'><c:body>x</c:body></c:message>",
            b"<message xmlns:p='urn:p'><p:a p:b='c'/></message>",
            b"<message><stream:a/></message>",
            b"<message><a stream:b='c' xmlns='urn:x'/></message>",
        ],
    )
    def test_inherited_prefixes(self, data: bytes) -> None:
        """A payload that leans on declarations outside of it is written so that it stands alone."""
        stanza = received(data)
        stamped = stanza.stamped(ALICE, BOB)
        assert parsed(stamped).children == stanza.element.children

    def test_own_prefixes_are_no_reason_to_rebuild(self) -> None:
        """Prefixes that the payload declares itself stay."""
        inner = b"<p:a xmlns:p='urn:p'/>"
        assert inner in received(b"<message>" + inner + b"</message>").stamped(ALICE, BOB)

    def test_language_of_the_stream(self) -> None:
        """A stanza without a language gets that of its stream (RFC 6120 section 8.1.5)."""
        element = Element("message", "jabber:client")
        assert b"xml:lang='de'" in Stanza(element, b"<message/>", lang="de").stamped(ALICE, BOB)
        element.attributes[LANG] = "fr"
        assert b"xml:lang='fr'" in Stanza(element, b"<message/>", lang="de").stamped(ALICE, BOB)


class TestReplies:
    """RFC 6120 sections 8.2.3 and 8.3."""

    IQ = Element("iq", "jabber:client", {"from": "alice@localhost/home", "to": "localhost", "type": "get", "id": "1"})

    def test_error(self) -> None:
        """Addresses swapped, the id kept, type, condition and text in their places."""
        assert error_reply(self.IQ, "item-not-found", "cancel", "Not <here>.") == (
            b"<iq from='localhost' to='alice@localhost/home' type='error' id='1'><error type='cancel'>"
            b"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            b"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>Not &lt;here&gt;.</text></error></iq>"
        )

    def test_result(self) -> None:
        """A result with and without payload."""
        assert result_reply(self.IQ) == b"<iq from='localhost' to='alice@localhost/home' type='result' id='1'/>"
        reply = result_reply(self.IQ, Element("query", "urn:x"), from_jid="", to_jid="a@b/c")
        assert reply == b"<iq to='a@b/c' type='result' id='1'><query xmlns='urn:x'/></iq>"


class TestWithNamespace:
    """Stanzas outside of a stream over TCP."""

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"<presence/>", b"<presence xmlns='jabber:client'/>"),
            (b"<iq id='1'><a/></iq>", b"<iq xmlns='jabber:client' id='1'><a/></iq>"),
            (b"<a xmlns='urn:x'/>", b"<a xmlns='urn:x'/>"),
            (b'<a b="c" xmlns="urn:x"/>', b'<a b="c" xmlns="urn:x"/>'),
            (b"<x:a xmlns:x='y'/>", b"<x:a xmlns:x='y'/>"),
            (b"<a b=' xmlns='/>", b"<a xmlns='jabber:client' b=' xmlns='/>"),
            (b"<m><a xmlns='u'/></m>", b"<m xmlns='jabber:client'><a xmlns='u'/></m>"),
        ],
    )
    def test_declares_it_once(self, data: bytes, expected: bytes) -> None:
        """Added to the root where it is missing, and nowhere else."""
        assert with_namespace(data) == expected

    def test_parse_stanza(self) -> None:
        """Reads what this module writes; refuses what is no stanza."""
        stanza = parse_stanza(b"<message to='Bob@localhost' type='chat' id='1'/>")
        assert (stanza.kind, stanza.type, stanza.id, stanza.to) == ("message", "chat", "1", BOB)
        for data in (b"<a/>", b"<message xmlns='urn:x'/>", b"<message", b"<message to='@'/>"):
            with pytest.raises(ValueError):
                parse_stanza(data)
