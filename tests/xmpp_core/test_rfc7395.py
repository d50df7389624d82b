"""Streams over WebSocket (RFC 7395), one message for each element."""

from __future__ import annotations

import pytest

from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.outcomes import MessageArrived
from raftline.xmpp.effects import Submit
from xmpp_core.playbook import OPEN, Playbook

FRAMING = b"urn:ietf:params:xml:ns:xmpp-framing"
CLOSE = b"<close xmlns='" + FRAMING + b"'/>"


@pytest.fixture
def bound() -> Playbook:
    return Playbook(websocket=True).log_in()


def messages(stream: Playbook, data: bytes) -> list[bytes]:
    stream.feed(data)
    stream.run()
    return stream.stream.data_to_send()


class TestSection33Framing:
    """3.3: each message is one element that stands alone."""

    def test_open(self) -> None:
        """<open/> gets <open/> and features, each a message with its own namespaces."""
        opened, features = messages(Playbook(websocket=True), OPEN)
        assert opened.startswith(b"<open xmlns='" + FRAMING + b"' from='localhost'")
        assert features.startswith(b"<stream:features xmlns:stream='http://etherx.jabber.org/streams'>")

    def test_no_starttls(self) -> None:
        """TLS is a matter of HTTP (3.9)."""
        stream = Playbook(websocket=True)
        assert b"starttls" not in stream.open()
        assert b"tls'/>" in stream.exchange(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert stream.stream.is_ended

    def test_plain_over_wss(self) -> None:
        """Behind HTTPS the stream is secure from the start."""
        assert b"PLAIN" in Playbook(websocket=True, is_secure=True).open()

    def test_stanzas(self, bound: Playbook) -> None:
        """Stanzas come with their namespace and leave with it."""
        bound.feed(b"<message xmlns='jabber:client' to='bob@localhost'><body>x</body></message>")
        stanza = bound.answer(Submit).action.stanza
        assert stanza == b"<message from='alice@localhost/home' to='bob@localhost'><body>x</body></message>"
        event = MessageArrived(NodeId(1), SessionId(7), Position(1), stanza, "", None)
        bound.stream.receive_event(event)
        (sent,) = bound.stream.data_to_send()
        assert sent.startswith(b"<message xmlns='jabber:client' from=")

    @pytest.mark.parametrize(
        ("data", "condition"),
        [
            (b"<presence xmlns='jabber:client'/><presence xmlns='jabber:client'/>", b"not-well-formed"),
            (b"<presence xmlns='jabber:client'>", b"not-well-formed"),
            (b" ", b"not-well-formed"),
            (b"<presence/>", b"unsupported-stanza-type"),
            (b"<!-- x --><presence xmlns='jabber:client'/>", b"restricted-xml"),
            (b"<stream xmlns='http://etherx.jabber.org/streams'/>", b"invalid-namespace"),
            (OPEN, b"bad-format"),
        ],
    )
    def test_faults(self, bound: Playbook, data: bytes, condition: bytes) -> None:
        """What breaks the framing gets its stream error and <close/>."""
        error, close = messages(bound, data)
        assert error.startswith(b"<stream:error xmlns:stream='http://etherx.jabber.org/streams'><" + condition + b" ")
        assert close == CLOSE

    def test_element_before_open(self) -> None:
        """A stream begins with <open/>."""
        opened, error, close = messages(Playbook(websocket=True), b"<presence xmlns='jabber:client'/>")
        assert opened.startswith(b"<open ")
        assert b"<bad-format" in error
        assert close == CLOSE


class TestSection34Initiation:
    """3.4: the header of a stream."""

    @pytest.mark.parametrize(
        ("attributes", "condition"),
        [
            (b"to='example.com' version='1.0'", b"host-unknown"),
            (b"version='1.0'", b"improper-addressing"),
            (b"to='localhost'", b"unsupported-version"),
        ],
    )
    def test_errors(self, attributes: bytes, condition: bytes) -> None:
        """The same faults as over TCP, after our <open/>."""
        sent = messages(Playbook(websocket=True), b"<open xmlns='" + FRAMING + b"' " + attributes + b"/>")
        assert sent[0].startswith(b"<open ")
        assert b"<" + condition in sent[1]
        assert sent[2] == CLOSE


class TestSection36Closing:
    """3.6: <close/> for the end tag."""

    def test_close(self, bound: Playbook) -> None:
        """<close/> gets <close/>."""
        assert messages(bound, CLOSE) == [CLOSE]
        assert bound.stream.is_ended


class TestSection37Restarts:
    """3.7: a new <open/> after SASL."""

    def test_restart(self, bound: Playbook) -> None:
        """Logging in took two of them (the fixture did it), and the stream works."""
        assert b"type='result'" in bound.exchange(
            b"<iq xmlns='jabber:client' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"
        )
