"""XEP-0206 XMPP over BOSH: how a stream lies in bodies. Whole sessions are in tests/gateway/test_bosh.py."""

from __future__ import annotations

from typing import Any

import pytest

from raftline.xmpp.bosh_body import parse_body, write_body
from raftline.xmpp.element import Element
from raftline.xmpp.stanza import LANG
from raftline.xmpp.xeps.xep_0206_xmpp_over_bosh import BoshFraming, greeting
from raftline.xmpp.xmlstream import ElementReceived, StreamClosed, StreamOpened, XMLEvent

STREAM_NAMESPACE = "http://etherx.jabber.org/streams"
XMPP = {"xmlns:xmpp": "urn:xmpp:xbosh"}
STANZA = b"<message xmlns='jabber:client'/>"


@pytest.fixture
def framing() -> BoshFraming:
    return BoshFraming()


def receive(framing: BoshFraming, payloads: bytes = b"", **attributes: Any) -> list[XMLEvent]:
    """Hand over a request."""
    named = {name.replace("_", ":"): value for name, value in attributes.items()}
    body = parse_body(write_body({**XMPP, **named}, [payloads] if payloads else []), stanza_bytes_max=1_000)
    framing.accept(body)
    return framing.receive(body.raw)


class TestSection2Wrapper:
    """2: what stands in a body."""

    def test_prefix_of_the_stream(self, framing: BoshFraming) -> None:
        """A body with features or an error declares the prefix; others need not."""
        features = framing.stream_element("features", [Element("bind", "urn:b")])
        assert features == b"<stream:features><bind xmlns='urn:b'/></stream:features>"
        assert b" xmlns:stream='http://etherx.jabber.org/streams'" in write_body({}, [STANZA, features])
        assert b"xmlns:stream" not in write_body({}, [STANZA])

    def test_stanzas_declare_their_namespace(self, framing: BoshFraming) -> None:
        """In a body the default namespace is another one."""
        assert framing.element(b"<presence/>") == b"<presence xmlns='jabber:client'/>"

    def test_no_header_and_no_footer(self, framing: BoshFraming) -> None:
        """A body holds whole elements."""
        assert framing.header({"from": "localhost"}) == framing.footer() == b""


class TestSection3SessionCreationRequest:
    """3: the first body opens the stream."""

    def test_header(self, framing: BoshFraming) -> None:
        """Its attributes are those of a header."""
        (opened,) = receive(framing, to="localhost", xmpp_version="1.0", xml_lang="de", **{"from": "a@localhost"})
        assert isinstance(opened, StreamOpened)
        assert (opened.root.name, opened.root.namespace) == ("stream", STREAM_NAMESPACE)
        assert opened.root.attributes == {"to": "localhost", "from": "a@localhost", LANG: "de", "version": "1.0"}
        assert opened.namespaces == {"": "jabber:client"}

    def test_version_may_be_left_out(self, framing: BoshFraming) -> None:
        """The schema has a default."""
        (opened,) = receive(framing, to="localhost")
        assert isinstance(opened, StreamOpened)
        assert opened.root.get("version") == "1.0"

    def test_payloads_follow(self, framing: BoshFraming) -> None:
        """A client in a hurry may send some at once."""
        events = receive(framing, STANZA, to="localhost")
        assert [type(event) for event in events] == [StreamOpened, ElementReceived]


class TestSection4SessionCreationResponse:
    """4: what the first response says."""

    def test_greeting(self) -> None:
        """Version, restarts, and who answers."""
        assert greeting("localhost") == {
            **XMPP,
            "from": "localhost",
            "xmpp:version": "1.0",
            "xmpp:restartlogic": "true",
        }


class TestSection5Restart:
    """5: the stream begins anew after authentication."""

    @pytest.mark.parametrize("value", ["true", "1"])
    def test_restart(self, framing: BoshFraming, value: str) -> None:
        """It opens the stream as the first body did, and its payloads are ignored."""
        receive(framing, to="localhost", xml_lang="de")
        (opened,) = receive(framing, STANZA, sid="s", xmpp_restart=value)
        assert isinstance(opened, StreamOpened)
        assert opened.root.attributes == {"to": "localhost", LANG: "de", "version": "1.0"}

    def test_restart_may_say_more(self, framing: BoshFraming) -> None:
        """What it says counts."""
        receive(framing, to="localhost", xml_lang="de")
        (opened,) = receive(framing, sid="s", to="elsewhere", xml_lang="fr", xmpp_restart="true")
        assert isinstance(opened, StreamOpened)
        assert (opened.root.get("to"), opened.root.get(LANG)) == ("elsewhere", "fr")

    def test_no_restart(self, framing: BoshFraming) -> None:
        """Other bodies are payloads."""
        receive(framing, to="localhost")
        assert [type(event) for event in receive(framing, STANZA * 2, sid="s", xmpp_restart="false")] == [
            ElementReceived,
            ElementReceived,
        ]


class TestTermination:
    """XEP-0124 section 13: a body ends the stream."""

    def test_terminate(self, framing: BoshFraming) -> None:
        """After its payloads."""
        receive(framing, to="localhost")
        events = receive(framing, STANZA, sid="s", type="terminate")
        assert [type(event) for event in events] == [ElementReceived, StreamClosed]
