"""XMPP core: what becomes of stanzas, section by section (RFC 6120 sections 8 and 10)."""

from __future__ import annotations

from typing import Any

import pytest

from raftline.base.errors import Busy, LocalProtocolError, Unavailable
from raftline.base.ids import NodeId, SessionId
from raftline.machine.message_commands import SendMessage
from raftline.machine.outcomes import Done, Rejected, Repeated, Stale
from raftline.machine.queries import Reachable, SessionRow
from raftline.xmpp.effects import Ask, Route, Submit
from raftline.xmpp.handler_runner import PENDING_COUNT_MAX
from xmpp_core.playbook import MODULES, Playbook, error, header

BODY = b"<message to='bob@localhost' type='chat' id='m1'><body>hello</body></message>"
BOB_ROW = SessionRow(SessionId(9), NodeId(1), "phone", 0, None)


@pytest.fixture
def bound() -> Playbook:
    return Playbook().log_in()


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
        assert bound.answer(Ask, [BOB_ROW]).query == Reachable("bob", "phone", "alice@localhost/home")
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
        bound.answer(Ask, [BOB_ROW] if is_gone_late else [])
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

        handler, MODULES.message_handler = MODULES.message_handler, twice
        try:
            bound.feed(BODY)
            bound.answer(Submit)
            with pytest.raises(LocalProtocolError):
                bound.effect()
        finally:
            MODULES.message_handler = handler

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
