"""XMPP core, section by section (RFC 6120)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.errors import Busy, LocalProtocolError, OutcomeUnknown, Refused, Unavailable
from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.commands import SendMessage
from raftline.machine.outcomes import Bound, Done, MessageArrived, Rejected, Repeated, SessionEnded, Stale
from raftline.machine.queries import SessionAt, SessionRow
from raftline.xmpp.effects import Ask, Close, OpenSession, Route, StartTls, Submit
from raftline.xmpp.negotiation import StreamState
from raftline.xmpp.stream import PENDING_COUNT_MAX
from xmpp_core.playbook import CREDENTIALS, HEADER, Playbook, auth, bind_request, credential_rules, response

END = b"</stream:stream>"
BODY = b"<message to='bob@localhost' type='chat' id='m1'><body>hello</body></message>"
BOB_ROW = SessionRow(SessionId(9), NodeId(1), "phone", 0, None)


def error(condition: str) -> bytes:
    return f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>".encode()


def header(**changes: str) -> bytes:
    """Write a header with other attributes; an empty one is left out."""
    attributes = {
        "xmlns": "jabber:client",
        "xmlns:stream": "http://etherx.jabber.org/streams",
        "to": "localhost",
        "version": "1.0",
    } | changes
    written = "".join(f" {name}='{value}'" for name, value in attributes.items() if value)
    return f"<stream:stream{written}>".encode()


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
        rules: dict[type, Any] = {Ask: lambda _: [BOB_ROW], Route: lambda _: True}
        bound.exchange(b"<presence to='bob@localhost/phone'/>", rules)
        bound.stream.connection_lost()
        assert not bound.stream.is_ended
        farewell = [effect for effect in bound.run(rules) if isinstance(effect, Route)]
        assert b"type='unavailable'" in farewell[0].stanza
        assert bound.stream.is_ended

    @pytest.mark.parametrize("fault", [Unavailable("x"), OutcomeUnknown("x"), Refused("x", "y")])
    def test_farewells_that_fail(self, bound: Playbook, fault: Exception) -> None:
        """The end does not hang on a farewell."""
        bound.exchange(b"<presence to='bob@localhost/phone'/>", {Ask: lambda _: [BOB_ROW], Route: lambda _: True})
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
        stream.stream.resume()
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


class TestSection81Addresses:
    """8.1: attributes all stanzas have."""

    @pytest.mark.parametrize("sender", ["alice@localhost/home", "alice@localhost", "ALICE@localhost/home"])
    def test_own_from(self, bound: Playbook, sender: str) -> None:
        """Who names itself is let through, and always stamped with the full JID (8.1.2.1)."""
        bound.feed(f"<message from='{sender}' to='bob@localhost'><body>x</body></message>".encode())
        assert bound.answer(Submit).action.stanza.startswith(b"<message from='alice@localhost/home'")

    @pytest.mark.parametrize("kind", ["message", "presence", "iq"])
    def test_malformed_to(self, bound: Playbook, kind: str) -> None:
        """An address that is none is jid-malformed, from the server, and the stream goes on (8.3.3.8)."""
        sent = bound.exchange(f"<{kind} to='@' id='1'/>".encode())
        assert sent.startswith(f"<{kind} from='localhost' to='alice@localhost/home' type='error' id='1'>".encode())
        assert b"<error type='modify'><jid-malformed" in sent
        assert not bound.stream.is_closing

    def test_language_of_the_stream(self) -> None:
        """The header's language becomes that of stanzas without one (8.1.5)."""
        stream = Playbook()
        stream.exchange(header(**{"xml:lang": "de"}))
        stream.authenticate()
        stream.exchange(header(**{"xml:lang": "fr"}))
        stream.bind()
        stream.feed(BODY)
        assert b"xml:lang='fr'" in stream.answer(Submit).action.stanza


class TestSection82Iq:
    """8.2.3 and 10.3: where IQs go."""

    @pytest.mark.parametrize(
        "iq",
        [
            "<iq type='get'><a xmlns='urn:x'/></iq>",
            "<iq type='get' id='1'/>",
            "<iq type='get' id='1'><a xmlns='urn:x'/><b xmlns='urn:x'/></iq>",
            "<iq type='put' id='1'><a xmlns='urn:x'/></iq>",
            "<iq id='1'><a xmlns='urn:x'/></iq>",
        ],
    )
    def test_bad_requests(self, bound: Playbook, iq: str) -> None:
        """An id, get or set, exactly one payload; otherwise bad-request."""
        assert b"<error type='modify'><bad-request" in bound.exchange(iq.encode())

    @pytest.mark.parametrize("to", ["", "to='localhost'", "to='alice@localhost'", "to='bob@localhost'"])
    @pytest.mark.parametrize("kind", ["get", "set"])
    def test_unknown_payload(self, bound: Playbook, to: str, kind: str) -> None:
        """What nobody handles is service-unavailable (10.5.4)."""
        sent = bound.exchange(f"<iq {to} type='{kind}' id='1'><a xmlns='urn:x'/></iq>".encode())
        assert b"<error type='cancel'><service-unavailable" in sent

    @pytest.mark.parametrize(
        ("to", "condition"),
        [
            ("example.com", b"remote-server-not-found"),
            ("bob@example.com/x", b"remote-server-not-found"),
            ("localhost/x", b"service-unavailable"),
        ],
    )
    def test_elsewhere(self, bound: Playbook, to: str, condition: bytes) -> None:
        """Other domains cannot be reached, and the domain has no resources (10.4)."""
        sent = bound.exchange(f"<iq to='{to}' type='get' id='1'><a xmlns='urn:x'/></iq>".encode())
        assert b"<error type='cancel'><" + condition in sent

    def test_handled(self, bound: Playbook) -> None:
        """A handler's return is the result, from the address that was asked."""
        sent = bound.exchange(b"<iq to='localhost' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert sent == b"<iq from='localhost' to='alice@localhost/home' type='result' id='p'/>"

    @pytest.mark.parametrize("kind", ["get", "set", "result", "error"])
    def test_to_a_full_jid(self, bound: Playbook, kind: str) -> None:
        """IQs between clients go to the session, stamped, and are answered there (10.5.4, RFC 6121 8.5.3.1)."""
        bound.feed(f"<iq to='bob@localhost/phone' type='{kind}' id='1'><a xmlns='urn:x'/></iq>".encode())
        assert bound.answer(Ask, BOB_ROW).query == SessionAt("bob", "phone")
        route = bound.answer(Route, True)
        assert route.session_id == 9
        assert (
            route.stanza
            == (
                f"<iq from='alice@localhost/home' to='bob@localhost/phone' type='{kind}' id='1'><a xmlns='urn:x'/></iq>"
            ).encode()
        )
        assert bound.take() == b""

    @pytest.mark.parametrize("kind", ["get", "set", "result", "error"])
    @pytest.mark.parametrize("is_gone_late", [False, True])
    def test_to_nobody(self, bound: Playbook, kind: str, is_gone_late: bool) -> None:
        """A request to nobody is service-unavailable, an answer is dropped (RFC 6121 section 8.5.3.2.3)."""
        bound.feed(f"<iq to='bob@localhost/phone' type='{kind}' id='1'><a xmlns='urn:x'/></iq>".encode())
        bound.answer(Ask, BOB_ROW if is_gone_late else None)
        if is_gone_late:
            bound.answer(Route, False)
        sent = bound.take()
        assert (b"<service-unavailable" in sent) == (kind in {"get", "set"})
        assert sent.startswith(b"<iq from='bob@localhost/phone'") or not sent

    @pytest.mark.parametrize("to", ["", "to='localhost'", "to='alice@localhost'", "to='bob@example.com'"])
    @pytest.mark.parametrize("kind", ["result", "error"])
    def test_answers_to_the_server_are_swallowed(self, bound: Playbook, to: str, kind: str) -> None:
        """A client's answer to a roster push needs no answer."""
        assert bound.exchange(f"<iq {to} type='{kind}' id='1'/>".encode()) == b""


class TestSection83StanzaErrors:
    """8.3: stanza errors."""

    def test_rejected_command(self, bound: Playbook) -> None:
        """A rule that says no after the commit becomes the error of that stanza."""
        bound.feed(BODY)
        bound.answer(Submit)
        bound.stream.receive_outcome(1, Rejected("not-acceptable", "cancel", "No."))
        assert bound.take() == (
            b"<message from='bob@localhost' to='alice@localhost/home' type='error' id='m1'><error type='cancel'>"
            b"<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            b"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>No.</text></error></message>"
        )

    @pytest.mark.parametrize("outcome", [Done(), Repeated()])
    def test_success_says_nothing(self, bound: Playbook, outcome: Any) -> None:
        """A message that was taken, now or before, is not answered."""
        bound.feed(BODY)
        bound.answer(Submit)
        bound.stream.receive_outcome(1, outcome)
        assert bound.take() == b""

    def test_errors_are_not_answered(self, bound: Playbook) -> None:
        """An error is never answered by an error (8.3.1)."""
        bound.feed(BODY.replace(b"bob@localhost", b"bob@localhost/phone").replace(b"'chat'", b"'error'"))
        bound.answer(Submit)
        bound.stream.receive_outcome(1, Rejected("not-acceptable", "cancel"))
        assert bound.exchange(b"<message type='error' to='@'/><iq type='error' to='@' id='1'/>") == b""

    def test_busy(self, bound: Playbook) -> None:
        """What certainly entered no log is an error of type wait (promise P6)."""
        bound.feed(BODY)
        bound.expect(Submit)
        bound.stream.throw(Busy("full"))
        assert b"<error type='wait'><resource-constraint" in bound.take()
        assert bound.stream.handled_count == 1

    def test_stale_session(self, bound: Playbook) -> None:
        """A command of a session that is over ends the stream, and counts for nothing."""
        bound.feed(BODY)
        bound.answer(Submit)
        bound.stream.receive_outcome(1, Stale())
        assert bound.take().startswith(error("reset"))


class TestSection101Order:
    """10.1: stanzas are processed in order."""

    def test_messages_are_pipelined(self, bound: Playbook) -> None:
        """Messages do not wait for one another; numbers count stanzas."""
        bound.feed(BODY * 3)
        for number in (1, 2, 3):
            bound.expect(Submit)
            assert bound.stream.number == number
            bound.stream.resume()
        assert bound.stream.handled_count == 0
        bound.stream.receive_outcome(1, Done())
        assert bound.stream.handled_count == 1

    def test_what_waits_holds_up_what_follows(self, bound: Playbook) -> None:
        """An effect that waits for messages, and all stanzas behind it, come after them."""
        bound.feed(BODY + b"<iq to='bob@localhost/phone' type='get' id='1'><a xmlns='urn:x'/></iq>" + BODY)
        bound.answer(Submit)
        assert bound.effect() is None
        assert bound.stream.is_backlogged
        bound.stream.receive_outcome(1, Done())
        bound.answer(Ask, None)
        bound.answer(Submit)
        assert not bound.stream.is_backlogged

    def test_bound_of_what_is_under_way(self, bound: Playbook) -> None:
        """So many commands may be under way; the next stanza waits for an outcome."""
        bound.feed(BODY * (PENDING_COUNT_MAX + 1))
        assert len(bound.run()) == PENDING_COUNT_MAX
        bound.stream.receive_outcome(1, Done())
        assert len(bound.run()) == 1

    def test_bytes_are_taken_in_one_order(self, bound: Playbook) -> None:
        """Commands carry the messages in the order they were sent, whatever the chunks."""
        bodies = [f"<message to='bob@localhost'><body>{number}</body></message>".encode() for number in range(20)]
        data = b"".join(bodies)
        effects: list[Any] = []
        for start in range(0, len(data), 13):
            bound.feed(data[start : start + 13])
            effects += bound.run()
        actions = [effect.action for effect in effects]
        assert all(isinstance(action, SendMessage) for action in actions)
        texts = [action.stanza.partition(b"<body>")[2].partition(b"<")[0] for action in actions]
        assert texts == [b"%d" % number for number in range(20)]

    def test_one_command_a_stanza(self, bound: Playbook) -> None:
        """A handler that would cause two under one number is a fault of ours."""

        def twice(_context: Any, _stanza: Any) -> Any:
            action = SendMessage("bob", None, 1, 0, b"", "", b"")  # type: ignore[arg-type]
            yield Submit(action)
            yield Submit(action)

        modules = bound.stream.modules
        handler, modules.message_handler = modules.message_handler, twice
        try:
            bound.feed(BODY)
            bound.answer(Submit)
            with pytest.raises(LocalProtocolError):
                bound.effect()
        finally:
            modules.message_handler = handler

    def test_answer_to_a_dropped_effect(self, bound: Playbook) -> None:
        """An answer that comes after the stream gave up is nothing."""
        bound.feed(b"<iq to='bob@localhost/phone' type='get' id='1'><a xmlns='urn:x'/></iq>")
        bound.expect(Ask)
        bound.stream.close("reset")
        bound.take()
        bound.stream.resume(BOB_ROW)
        bound.stream.throw(Unavailable("x"))
        assert bound.effect() is None
        assert bound.take() == b""
