"""XMPP core: streams and their negotiation, section by section (RFC 6120 sections 4 to 7)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.errors import OutcomeUnknown, Refused, Unavailable
from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.outcomes import Bound, MessageArrived, Rejected, SessionEnded
from raftline.machine.queries import Reachable, SessionRow
from raftline.xmpp.effects import Ask, Close, OpenSession, Route, StartTls, Submit
from raftline.xmpp.negotiation import StreamState
from xmpp_core.playbook import (
    CREDENTIALS,
    HEADER,
    Playbook,
    auth,
    bind_request,
    credential_rules,
    error,
    header,
    response,
)

END = b"</stream:stream>"
BODY = b"<message to='bob@localhost' type='chat' id='m1'><body>hello</body></message>"
BOB_ROW = SessionRow(SessionId(9), NodeId(1), "phone", 0, None)


def answer_for_bob(ask: Ask) -> Any:
    """Bob is there, and nobody has an avatar."""
    return [BOB_ROW] if isinstance(ask.query, Reachable) else ""


def message_arrived(position: int) -> MessageArrived:
    stanza = f"<message from='bob@localhost/phone' to='alice@localhost' id='{position}'/>".encode()
    return MessageArrived(NodeId(1), SessionId(7), Position(position), stanza, "alice@localhost", None)


@pytest.fixture
def bound() -> Playbook:
    return Playbook().log_in()


class TestSection42Opening:
    """4.2, 4.3: the header is answered by a header, then features."""

    def test_header_and_features(self) -> None:
        """Our header comes from the domain, with an id and version 1.0, and the features of the state follow."""
        sent = Playbook().open()
        assert b"from='localhost'" in sent
        assert b"version='1.0'" in sent
        assert b" id='" in sent
        assert sent.endswith(b"</stream:features>")

    def test_ids_differ(self) -> None:
        """Each stream, and each restart, has an id of its own (4.7.3)."""
        stream = Playbook()
        first = stream.open()
        stream.authenticate()
        assert stream.open().partition(b" id='")[2][:24] != first.partition(b" id='")[2][:24]

    def test_to_echoes_from(self) -> None:
        """Who opens with a from gets it back as to; what is no address is left out (4.7.2)."""
        assert b"to='alice@localhost'" in Playbook().exchange(header(**{"from": "alice@localhost"}))
        assert b" to=" not in Playbook().exchange(header(**{"from": "@"}))

    def test_states_offer_what_they_should(self) -> None:
        """STARTTLS and SASL, then bind, session and stream management (4.3.2)."""
        stream = Playbook()
        assert stream.open().count(b"<mechanism>") == 2
        stream.authenticate()
        features = stream.open()
        assert b"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind>" in features
        assert b"<sm xmlns='urn:xmpp:sm:3'/>" in features
        assert b"<mechanism" not in features


class TestSection44Closing:
    """4.4: both sides end the stream."""

    def test_end_is_answered(self, bound: Playbook) -> None:
        """</stream:stream> gets </stream:stream>, and nothing is read behind it."""
        assert bound.exchange(END) == END
        assert bound.stream.is_ended
        assert bound.exchange(BODY) == b""

    def test_end_waits_for_outcomes(self, bound: Playbook) -> None:
        """What was sent before the end is settled before the end is answered."""
        bound.feed(BODY + END)
        bound.answer(Submit)
        assert bound.effect() is None
        assert not bound.stream.is_closing
        bound.stream.receive_outcome(1, Rejected("forbidden", "auth"))
        assert bound.effect() is None
        assert bound.take().endswith(b"</message></stream:stream>")

    def test_lost_connection(self, bound: Playbook) -> None:
        """Without a connection nothing is written, and the stream is over."""
        bound.feed(BODY)
        bound.stream.connection_lost()
        assert bound.take() == b""
        assert bound.stream.is_ended
        assert bound.effect() is None

    def test_farewells_are_said(self, bound: Playbook) -> None:
        """Who was sent directed presence hears of the end, however the stream ends (RFC 6121 section 4.6.3)."""
        rules: dict[type, Any] = {Ask: answer_for_bob, Route: lambda _: True}
        bound.exchange(b"<presence to='bob@localhost/phone'/>", rules)
        bound.stream.connection_lost()
        assert not bound.stream.is_ended
        farewell = [effect for effect in bound.run(rules) if isinstance(effect, Route)]
        assert b"type='unavailable'" in farewell[0].stanza
        assert bound.stream.is_ended

    @pytest.mark.parametrize("fault", [Unavailable("x"), OutcomeUnknown("x"), Refused("x", "y")])
    def test_farewells_that_fail(self, bound: Playbook, fault: Exception) -> None:
        """The end does not hang on a farewell."""
        bound.exchange(b"<presence to='bob@localhost/phone'/>", {Ask: answer_for_bob, Route: lambda _: True})
        bound.feed(END)
        assert isinstance(bound.effect(), Ask)
        bound.stream.throw(fault)
        assert bound.effect() is None
        assert bound.stream.is_ended
        assert bound.take() == END


class TestSection49StreamErrors:
    """4.9: what is wrong with a stream is told, in a stream, and ends it."""

    @pytest.mark.parametrize(
        ("data", "condition"),
        [
            (header(to="example.com"), "host-unknown"),
            (header(to="@"), "host-unknown"),
            (header(to=""), "improper-addressing"),
            (header(version=""), "unsupported-version"),
            (header(version="0.9"), "unsupported-version"),
            (header(version="x.y"), "unsupported-version"),
            (header(xmlns="jabber:server"), "invalid-namespace"),
            (header(xmlns=""), "invalid-namespace"),
            (header(**{"xmlns:stream": "urn:x"}), "invalid-namespace"),
            (header().replace(b"stream:stream", b"stream:streams"), "bad-format"),
            (b"<message/>", "invalid-namespace"),
            (b"</a>", "not-well-formed"),
            (b"<!DOCTYPE x>", "restricted-xml"),
            (b"<?xml version='1.0' encoding='latin-1'?>", "unsupported-encoding"),
        ],
    )
    def test_bad_headers(self, data: bytes, condition: str) -> None:
        """Our header comes first, then the error, then the end (4.9.1.2)."""
        stream = Playbook()
        sent = stream.exchange(data)
        before, found, after = sent.partition(error(condition))
        assert found, sent
        assert before.startswith(b"<?xml version='1.0'?><stream:stream ")
        assert b"<stream:features>" not in before
        assert after.endswith(b"</stream:error></stream:stream>")
        assert stream.stream.close_condition == condition
        assert stream.stream.is_ended

    def test_later_versions_are_fine(self) -> None:
        """A client of a later version is answered by ours (4.7.5)."""
        assert b"<stream:features>" in Playbook().exchange(header(version="1.1"))
        assert b"<stream:features>" in Playbook().exchange(header(version="2.0"))

    @pytest.mark.parametrize(
        ("data", "condition"),
        [
            (b"<message", None),
            (b"<message></presence>", "not-well-formed"),
            (b"text", "bad-format"),
            (b"<!-- -->", "restricted-xml"),
            (b"<message><body>&x;</body></message>", "restricted-xml"),
            (b"<foo/>", "unsupported-stanza-type"),
            (b"<foo xmlns='urn:x'/>", "unsupported-stanza-type"),
            (b"<message xmlns='jabber:server'/>", "unsupported-stanza-type"),
            (b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "unsupported-stanza-type"),
            (auth("PLAIN", b"x"), "unsupported-stanza-type"),
            (b"<message from='bob@localhost'/>", "invalid-from"),
            (b"<message from='@'/>", "invalid-from"),
        ],
    )
    def test_bound_streams(self, bound: Playbook, data: bytes, condition: str | None) -> None:
        """Faults after the bind; half a stanza is none."""
        sent = bound.exchange(data)
        assert sent.startswith(error(condition)) if condition else sent == b""
        assert bound.stream.is_ended == (condition is not None)

    @given(st.binary(max_size=80))
    def test_garbage(self, garbage: bytes) -> None:
        """Whatever bytes come, the stream goes on or ends with an error of the RFC."""
        stream = Playbook()
        stream.open()
        sent = stream.exchange(garbage)
        if stream.stream.is_closing and stream.stream.close_condition:
            assert sent.startswith(error(stream.stream.close_condition))
            assert sent.endswith(END)

    def test_oversized_stanza(self) -> None:
        """A stanza beyond the bound is policy-violation (4.9.3.14)."""
        stream = Playbook(stanza_bytes_max=1000).log_in()
        assert stream.exchange(b"<message><body>" + b"x" * 1000).startswith(error("policy-violation"))

    def test_first_error_wins(self, bound: Playbook) -> None:
        """A stream ends once."""
        bound.stream.close("conflict")
        bound.stream.close("reset")
        bound.stream.receive_event(SessionEnded(NodeId(1), SessionId(7), "reset"))
        assert bound.take().startswith(error("conflict"))
        assert bound.take() == b""

    @pytest.mark.parametrize("reason", ["conflict", "not-authorized", "reset"])
    def test_session_ended(self, bound: Playbook, reason: str) -> None:
        """The system's end of a session is the stream's, with the same reason."""
        bound.stream.receive_event(SessionEnded(NodeId(1), SessionId(7), reason))
        assert bound.take() == error(reason) + b"</stream:error>" + END

    def test_handlers_may_close(self) -> None:
        """Close ends the stream, and its handler is done."""
        stream = Playbook()
        stream.open()
        assert stream.exchange(b"<iq type='get' id='1'><a xmlns='urn:x'/></iq>").startswith(error("not-authorized"))
        assert not any(isinstance(effect, Close) for effect in stream.run())


class TestSection5Tls:
    """Section 5: STARTTLS."""

    STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    FAILURE = b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"

    def test_proceed_then_a_new_stream(self) -> None:
        """<proceed/> is there before the handshake; afterwards the stream begins anew, with PLAIN, without STARTTLS."""
        stream = Playbook()
        stream.open()
        stream.feed(self.STARTTLS)
        stream.expect(StartTls)
        assert stream.take() == b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
        stream.stream.resume({})
        features = stream.open()
        assert b"<starttls" not in features
        assert b"<mechanism>PLAIN</mechanism>" in features
        assert stream.stream.state is StreamState.SECURE

    @pytest.mark.parametrize("extra", [b"<presence/>", HEADER, b"<", auth("PLAIN", b"\0a\0b")])
    def test_nothing_is_taken_over(self, extra: bytes) -> None:
        """Bytes behind starttls, sent in the clear, end the stream before anything is protected."""
        stream = Playbook()
        stream.open()
        assert stream.exchange(self.STARTTLS + extra).startswith(error("policy-violation"))

    def test_whitespace_is_nothing(self) -> None:
        """A line feed behind the request is whitespace between stanzas."""
        stream = Playbook()
        stream.open()
        stream.feed(self.STARTTLS + b"\n")
        stream.expect(StartTls)

    @pytest.mark.parametrize("settings", [{"has_tls": False}, {"is_secure": True}])
    def test_not_offered(self, settings: dict[str, Any]) -> None:
        """Where it is not offered it fails and the stream ends (5.4.2.2), or is no element of the state."""
        stream = Playbook(**settings)
        stream.open()
        sent = stream.exchange(self.STARTTLS)
        assert (
            sent == self.FAILURE + END if "has_tls" in settings else sent.startswith(error("unsupported-stanza-type"))
        )

    def test_required(self) -> None:
        """Without allow_plaintext nothing else is offered before, and nothing else is done (5.3.1)."""
        stream = Playbook(allow_plaintext=False)
        features = stream.open()
        assert features.endswith(
            b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
            b"</stream:features>"
        )
        assert b"<encryption-required/>" in stream.exchange(auth("SCRAM-SHA-256", b"n,,n=alice,r=abc"))


class TestSection6Sasl:
    """Section 6: authentication. The exchanges themselves are in test_rfc5802."""

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
    def test_success(self, mechanism: str) -> None:
        """The stream is fresh after success (6.4.6)."""
        stream = Playbook()
        stream.open()
        assert stream.authenticate(mechanism).startswith(b"<success")
        assert stream.stream.state is StreamState.AUTHENTICATED
        assert stream.exchange(BODY).startswith(b"<?xml")  # no stanza before the new header

    def test_three_failures(self) -> None:
        """Each failure can be followed by another attempt, the third by none (6.4.5)."""
        stream = Playbook()
        stream.open()
        for _ in range(2):
            assert b"<not-authorized/>" in stream.authenticate(password="wrong")
        sent = stream.authenticate(password="wrong")
        assert sent.startswith(b"<failure")
        assert error("policy-violation") in sent
        assert stream.stream.is_ended

    def test_success_after_failures(self) -> None:
        """Two failures are forgiven."""
        stream = Playbook()
        stream.open()
        stream.authenticate(password="wrong")
        stream.authenticate(password="wrong")
        assert stream.authenticate().startswith(b"<success")

    @pytest.mark.parametrize(
        ("data", "condition"),
        [
            (auth("DIGEST-MD5", b"x"), b"invalid-mechanism"),
            (b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>eA==</auth>", b"invalid-mechanism"),
            (b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>*</auth>", b"incorrect-encoding"),
            (auth("SCRAM-SHA-1", b"nonsense"), b"malformed-request"),
            (b"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>eA==</response>", b"malformed-request"),
            (b"<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", b"aborted"),
        ],
    )
    def test_conditions(self, data: bytes, condition: bytes) -> None:
        """Section 6.5, condition by condition."""
        stream = Playbook()
        stream.open()
        expected = b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><" + condition + b"/></failure>"
        assert stream.exchange(data) == expected
        assert not stream.stream.is_closing

    def test_no_initial_response(self) -> None:
        """A client may wait for an empty challenge (6.4.2)."""
        stream = Playbook()
        stream.open()
        assert stream.exchange(auth("SCRAM-SHA-256", b"")) == b"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
        first = response(b"n,,n=alice,r=abc")
        assert b"<challenge" in stream.exchange(first, credential_rules(CREDENTIALS))

    def test_equals_sign_is_an_empty_response(self) -> None:
        """`=` is a response of no bytes, which SCRAM finds malformed (6.4.2)."""
        stream = Playbook()
        stream.open()
        data = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>=</auth>"
        assert b"<malformed-request/>" in stream.exchange(data)

    def test_no_quorum(self) -> None:
        """When the servers cannot agree it is a passing failure (6.5.11)."""
        stream = Playbook()
        stream.open()
        stream.feed(auth("SCRAM-SHA-256", b"n,,n=alice,r=abc"))
        stream.effect()
        stream.stream.throw(Unavailable("no quorum"))
        assert b"<temporary-auth-failure/>" in stream.take()

    @pytest.mark.parametrize("stanza", [BODY, b"<presence/>", b"<iq type='set' id='1'><a xmlns='urn:x'/></iq>"])
    def test_stanzas_before_authentication(self, stanza: bytes) -> None:
        """A stanza before its time ends the stream with not-authorized (4.9.3.12)."""
        stream = Playbook()
        stream.open()
        assert stream.exchange(stanza).startswith(error("not-authorized"))


class TestSection7Bind:
    """Section 7: resource binding."""

    @pytest.fixture
    def authenticated(self) -> Playbook:
        stream = Playbook()
        stream.open()
        stream.authenticate()
        stream.open()
        return stream

    def test_wanted_resource(self, authenticated: Playbook) -> None:
        """The client gets the resource it asks for, prepared (7.7)."""
        authenticated.feed(bind_request("my phone"))
        effect = authenticated.answer(OpenSession, Bound(SessionId(7), 1))
        assert (effect.localpart, effect.resource) == ("alice", "my phone")
        assert b"<jid>alice@localhost/my phone</jid>" in authenticated.take()
        assert authenticated.stream.session_id == 7

    def test_made_resource(self, authenticated: Playbook) -> None:
        """Without a wish it gets one that nobody else has (7.6)."""
        request = b"<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
        authenticated.feed(request)
        assert authenticated.answer(OpenSession, Bound(SessionId(7), 1)).resource
        assert b"type='result' id='1'" in authenticated.take()

    def test_bad_resource(self, authenticated: Playbook) -> None:
        """What cannot be a resource is bad-request, and another may be tried (7.7.2.1)."""
        assert b"<bad-request" in authenticated.exchange(bind_request("&#x200b;" * 1000))
        assert b"<jid>" in authenticated.bind()

    @pytest.mark.parametrize(
        ("fault", "condition"),
        [(Refused("resource-constraint", "wait"), b"resource-constraint"), (Unavailable("x"), b"resource-constraint")],
    )
    def test_refused(self, authenticated: Playbook, fault: Exception, condition: bytes) -> None:
        """The system's refusal is the client's, and it may try again (7.6.2.1)."""
        authenticated.feed(bind_request("home"))
        authenticated.effect()
        authenticated.stream.throw(fault)
        assert b"<error type='wait'><" + condition in authenticated.take()
        assert b"<jid>" in authenticated.bind()

    def test_unknown_outcome(self, authenticated: Playbook) -> None:
        """Whether it is bound nobody knows, so the stream ends rather than to claim it is not."""
        authenticated.feed(bind_request("home"))
        authenticated.effect()
        authenticated.stream.throw(OutcomeUnknown("x"))
        assert authenticated.take().startswith(error("resource-constraint"))

    def test_stanza_before_bind(self, authenticated: Playbook) -> None:
        """Nothing goes before the bind."""
        assert authenticated.exchange(BODY).startswith(error("not-authorized"))

    def test_events_wait_for_the_result(self, authenticated: Playbook) -> None:
        """What arrives before the client knows that it is bound follows the result."""
        authenticated.feed(bind_request("home"))
        authenticated.expect(OpenSession)
        authenticated.stream.receive_event(message_arrived(65536))
        authenticated.stream.receive_stanza(b"<presence/>")
        assert authenticated.take() == b""
        authenticated.stream.resume(Bound(SessionId(7), 1))
        sent = authenticated.take()
        assert sent.index(b"</iq>") < sent.index(b"<message") < sent.index(b"<presence/>")

    def test_session_of_rfc_3921(self, bound: Playbook) -> None:
        """Clients that still establish a session get a result."""
        sent = bound.exchange(b"<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
        assert sent == b"<iq to='alice@localhost/home' type='result' id='s'/>"
