"""XEP-0124 BOSH, section 6: the wrapper around what is carried. The rest is in test_xep_0124.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.xmpp.bosh_body import TAG_COUNT_MAX, BindingFailed, Body, parse_body, write_body


def request(rid: str) -> Body:
    """Write a request and read it again."""
    return parse_body(write_body({"rid": rid}, []), stanza_bytes_max=10_000)


class TestSection6Wrapper:
    """6: one body element around whole elements."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<body",
            b"no XML",
            b"<body/>",
            b"<other xmlns='http://jabber.org/protocol/httpbind'/>",
            b"<body xmlns='http://jabber.org/protocol/httpbind'>text</body>",
            b"<body xmlns='http://jabber.org/protocol/httpbind'><message></body>",
            b"<body xmlns='http://jabber.org/protocol/httpbind'><!-- a comment --></body>",
            b"<body xmlns='http://jabber.org/protocol/httpbind'><?a b?></body>",
            b"<!DOCTYPE body><body xmlns='http://jabber.org/protocol/httpbind'/>",
            b"<body xmlns='http://jabber.org/protocol/httpbind'>&entity;</body>",
            b"<body xmlns='http://jabber.org/protocol/httpbind'/><body xmlns='http://jabber.org/protocol/httpbind'/>",
            b"<?xml version='1.0' encoding='UTF-16'?><body xmlns='http://jabber.org/protocol/httpbind'/>",
        ],
    )
    def test_anything_else_is_refused(self, data: bytes) -> None:
        """No XML, other XML, more XML, and what section 6 forbids within."""
        with pytest.raises(BindingFailed) as failed:
            parse_body(data, stanza_bytes_max=10_000)
        assert failed.value.condition == "bad-request"

    @given(inner=st.binary(max_size=60), outer=st.binary(max_size=20))
    def test_any_bytes(self, inner: bytes, outer: bytes) -> None:
        """Whatever comes, it is a body or a refusal."""
        data = outer + b"<body xmlns='http://jabber.org/protocol/httpbind'>" + inner + b"</body>" + outer
        try:
            read = parse_body(data, stanza_bytes_max=1_000)
        except BindingFailed as failed:
            assert failed.condition in {"bad-request", "policy-violation"}  # noqa: PT017  # either way is right
        else:
            assert read.raw == data

    def test_elements_are_found(self) -> None:
        """With the very bytes they were sent as; whitespace between them is nothing."""
        read = parse_body(
            b"<body xmlns='http://jabber.org/protocol/httpbind' rid='7'>\n <a xmlns='x'/> <b xmlns='y'>z</b></body>\n",
            stanza_bytes_max=100,
        )
        assert read.attributes == {"rid": "7"}
        assert [payload.raw for payload in read.payloads] == [b"<a xmlns='x'/>", b"<b xmlns='y'>z</b>"]

    def test_size_of_a_stanza(self) -> None:
        """Each may be as large as over other transports, not larger."""
        stanza = b"<message>" + b"x" * 81 + b"</message>"
        data = write_body({}, [stanza, stanza])
        assert len(parse_body(data, stanza_bytes_max=100).payloads) == 2
        with pytest.raises(BindingFailed) as failed:
            parse_body(data, stanza_bytes_max=99)
        assert failed.value.condition == "policy-violation"

    def test_number_of_elements(self) -> None:
        """Bounded over all payloads, since nobody has said who he is yet."""
        assert len(parse_body(write_body({}, [b"<a/>"] * (TAG_COUNT_MAX - 2)), stanza_bytes_max=100).payloads) > 1
        with pytest.raises(BindingFailed) as failed:
            parse_body(write_body({}, [b"<a/>"] * (TAG_COUNT_MAX - 1)), stanza_bytes_max=100)
        assert failed.value.condition == "policy-violation"

    def test_inherited_declarations(self) -> None:
        """What an element takes from the wrapper, it brings along."""
        data = (
            b"<body xmlns='http://jabber.org/protocol/httpbind' xmlns:p='urn:p'>"
            b"<message><body>hi</body></message><iq xmlns='jabber:client'><p:q/></iq></body>"
        )
        message, iq = parse_body(data, stanza_bytes_max=1_000).payloads
        assert message.element.namespace == message.element.children[0].namespace == "jabber:client"  # type: ignore[union-attr]
        assert message.raw == b"<message><body>hi</body></message>"
        assert iq.raw == b"<iq xmlns='jabber:client'><q xmlns='urn:p'/></iq>"

    @pytest.mark.parametrize("rid", ["", "x", "-1", "1.5", "٣", str(2**53), "9" * 5_000, " 1"])
    def test_numbers(self, rid: str) -> None:
        """A request id is a number that a double can hold."""
        with pytest.raises(BindingFailed):
            request(rid).number("rid")
        assert request(str(2**53 - 1)).number("rid") == 2**53 - 1
