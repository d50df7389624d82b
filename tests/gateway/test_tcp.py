"""Clients over TCP, in the clear and over TLS, on real sockets."""

from __future__ import annotations

import asyncio
import ssl
import time

import pytest

from gateway.conftest import Service, Start
from gateway.raw_client import RawClient, until
from raftline.base.errors import Busy
from raftline.base.ids import CURSOR_START
from raftline.machine.message_commands import SendMessage
from xmpp_core.playbook import HEADER, auth


def message(to: str, text: str, message_id: str = "m1") -> bytes:
    return f"<message to='{to}' type='chat' id='{message_id}'><body>{text}</body></message>".encode()


class TestPlain:
    """Streams without TLS."""

    async def test_message_reaches_the_other_client(self, service: Service) -> None:
        """What one client sends arrives at the other, from the sender's full JID."""
        alice, bob = await service.log_in("alice"), await service.log_in("bob", "phone")
        alice.send(message("bob@localhost", "hello"))
        received = await bob.read_until(b"</message>")
        assert b"from='alice@localhost/home'" in received
        assert b"<body>hello</body>" in received

    async def test_end_tag_is_answered_and_ends_the_session(self, service: Service) -> None:
        """</stream:stream> gets </stream:stream>, then the connection and the session end (RFC 6120 section 4.4)."""
        alice = await service.log_in()
        alice.send(message("bob@localhost", "last words") + b"</stream:stream>")
        assert (await alice.read_to_end()).endswith(b"</stream:stream>")
        await until(lambda: not service.node.sessions)
        alice.close()
        await until(lambda: service.gateway.connection_count == 0)
        assert service.gateway.figures().stream_end_total == {"none": 1}

    async def test_lost_connection_ends_the_session(self, service: Service) -> None:
        """A client that vanishes leaves no session; what it sent before is kept."""
        alice = await service.log_in()
        (session,) = service.node.sessions.values()
        alice.send(message("bob@localhost", "last words"))
        await alice.writer.drain()
        alice.close()
        await until(lambda: not service.node.sessions)
        assert [type(action) for _, action in session.submitted] == [SendMessage]
        assert service.gateway.figures().messages_total == 1

    async def test_conflict_ends_the_older_stream(self, service: Service) -> None:
        """Who binds the same resource again ends the first stream with conflict (RFC 6120 section 7.7.2.2)."""
        first = await service.log_in()
        await service.log_in()
        ended = await first.read_to_end()
        assert b"<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in ended
        assert ended.endswith(b"</stream:stream>")

    @pytest.mark.parametrize(
        ("data", "condition"),
        [
            (b"<message><body></message>", b"not-well-formed"),
            (b"<!-- x -->", b"restricted-xml"),
            (b"<message to='bob@localhost'><body>" + b"x" * 300_000, b"policy-violation"),
            (b"<unknown xmlns='urn:x'/>", b"unsupported-stanza-type"),
            (b"<message from='mallory@localhost'/>", b"invalid-from"),
        ],
    )
    async def test_bad_input_gets_its_stream_error(self, service: Service, data: bytes, condition: bytes) -> None:
        """Whatever is wrong, the client reads the reason and the end tag before the connection ends."""
        alice = await service.log_in()
        alice.send(data)
        ended = await alice.read_to_end()
        assert b"<stream:error><" + condition + b" xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in ended
        assert ended.endswith(b"</stream:error></stream:stream>")

    async def test_error_is_read_though_the_client_goes_on_sending(self, service: Service) -> None:
        """Bytes behind the fault do not make the kernel reset the connection before our last words arrive."""
        alice = await service.log_in()
        alice.send(b"<message><body></message>" + b"x" * 4_000_000)
        assert (await alice.read_to_end()).endswith(b"</stream:error></stream:stream>")

    async def test_registration_then_login(self, service: Service) -> None:
        """An account made in-band can be used at once (XEP-0077 section 3.1)."""
        client = await service.connect()
        await client.open()
        fields = b"<username>carol</username><password>pencil</password>"
        request = b"<iq type='set' id='r'><query xmlns='jabber:iq:register'>" + fields + b"</query></iq>"
        assert b"type='result'" in await client.exchange(request, b"/>")
        await client.log_in("carol")
        assert [session.localpart for session in service.node.sessions.values()] == ["carol"]


class TestTls:
    """TLS driven by memory BIOs."""

    async def test_starttls(self, service: Service) -> None:
        """After STARTTLS the stream is fresh, offers PLAIN, and works (RFC 6120 section 5.4)."""
        alice = await service.connect()
        assert b"<mechanism>PLAIN" not in await alice.open()
        await alice.start_tls(service.client_tls)
        features = await alice.open()
        assert b"<mechanism>PLAIN" in features
        assert b"<starttls" not in features
        await alice.log_in()
        assert len(service.node.sessions) == 1

    async def test_starttls_is_required_without_plaintext(self, start: Start) -> None:
        """A production service offers nothing but STARTTLS in the clear."""
        service = await start(allow_plaintext=False)
        alice = await service.connect()
        features = await alice.open()
        assert b"<required/></starttls>" in features
        assert b"<mechanism" not in features
        refused = await alice.exchange(auth("SCRAM-SHA-256", b"n,,n=alice,r=abc"), b"</failure>")
        assert b"encryption-required" in refused

    async def test_direct_tls(self, service: Service) -> None:
        """TLS from the first byte (XEP-0368), with PLAIN against the stored keys."""
        alice = await service.connect(direct_tls=True)
        await alice.open()
        assert b"<success" in await alice.exchange(auth("PLAIN", b"\0alice\0pencil"), b"/>")

    async def test_big_transfer_in_both_directions(self, service: Service) -> None:
        """More than a record, and more than a socket buffer, passes whole and in order."""
        alice = await service.connect(direct_tls=True)
        await alice.open()
        await alice.log_in()
        bob = await service.log_in("bob", "phone")
        texts = [f"{number} ".encode() + b"x" * 100_000 for number in range(20)]
        for text in texts:
            bob.send(b"<message to='alice@localhost' type='chat'><body>" + text + b"</body></message>")
        for text in texts:
            assert text in await alice.read_until(b"</message>")
        for text in texts:
            alice.send(b"<message to='bob@localhost' type='chat'><body>" + text + b"</body></message>")
        for text in texts:
            assert text in await bob.read_until(b"</message>")

    async def test_no_bytes_are_taken_over_into_tls(self, service: Service) -> None:
        """A stanza that follows starttls in the clear ends the stream; it is never taken for protected."""
        alice = await service.connect()
        await alice.open()
        alice.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + HEADER)
        assert b"<policy-violation" in await alice.read_to_end()

    async def test_garbage_for_a_handshake(self, service: Service) -> None:
        """What is no TLS ends the connection."""
        client = await RawClient.connect(service.tls_port)
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert b"<" not in await client.read_to_end()
        client.close()
        await until(lambda: service.gateway.connection_count == 0)

    async def test_close_notify(self, service: Service) -> None:
        """A stream over TLS ends with the alert that says so, so that truncation can be told apart."""
        alice = await service.connect(direct_tls=True)
        await alice.open()
        alice.send(b"</stream:stream>")
        assert (await alice.read_to_end()) == b"</stream:stream>"  # a missing close_notify raises SSLEOFError


class TestBounds:
    """Nothing grows without end, nothing waits without end (promise P6)."""

    async def test_reading_stops_while_too_much_is_under_way(self, service: Service) -> None:
        """Of 1,000 messages without outcome 128 are submitted; the rest follows as outcomes come."""
        alice = await service.log_in()
        (session,) = service.node.sessions.values()
        service.node.hold_outcomes = True
        for number in range(1_000):
            alice.send(message("bob@localhost", "x" * 1_000, str(number)))
        (connection,) = service.gateway.sessions()
        await until(lambda: connection.stream.is_backlogged and not connection.is_touched)
        assert len(session.submitted) == 128
        service.node.hold_outcomes = False
        service.node.release()
        await until(lambda: len(session.submitted) == 1_000)
        assert [number for number, _ in session.submitted] == list(range(1, 1_001))

    async def test_slow_reader_is_let_go(self, start: Start) -> None:
        """A client that does not read has its stream ended and its connection cut off; memory stays bounded."""
        service = await start(write_buffer_bytes_max=500_000, close_timeout_ms=200)
        alice = await service.log_in()
        bob = await service.log_in("bob", "phone")
        bob.writer.transport.pause_reading()
        for number in range(120):
            alice.send(message("bob@localhost", "x" * 200_000, str(number)))
            await alice.writer.drain()
            if len(service.node.sessions) == 1:
                break
        await until(lambda: len(service.node.sessions) == 1)
        await until(lambda: service.gateway.connection_count == 1)
        assert service.gateway.figures().stream_end_total == {"resource-constraint": 1}

    async def test_no_outcome_ends_the_stream(self, start: Start) -> None:
        """A command without outcome for too long ends the stream with resource-constraint."""
        service = await start(settle_timeout_ms=100)
        alice = await service.log_in()
        (session,) = service.node.sessions.values()
        service.node.hold_outcomes = True
        session.pending_since_ns = 0
        alice.send(message("bob@localhost", "hello"))
        assert b"<resource-constraint" in await alice.read_to_end()

    async def test_silence_before_authentication(self, start: Start) -> None:
        """Who does not authenticate in time is told so."""
        service = await start(authentication_timeout_ms=100)
        client = await service.connect()
        ended = await client.read_to_end()
        assert b"<stream:stream" in ended
        assert b"<connection-timeout" in ended

    async def test_too_many_connections(self, start: Start) -> None:
        """A connection too many is refused with a stream error; the others go on."""
        service = await start(connection_count_max=1)
        first = await service.connect()
        await first.open()
        second = await service.connect()
        assert b"<resource-constraint" in await second.read_to_end()
        await first.log_in()

    async def test_shutdown(self, service: Service) -> None:
        """The end of the node is told to every client, and their sessions end."""
        alice, waiting = await service.log_in(), await service.connect()
        closing = asyncio.ensure_future(service.gateway.close())
        for client in (alice, waiting):
            assert b"<system-shutdown" in await client.read_to_end()
            client.close()
        await closing
        assert not service.node.sessions
        assert service.gateway.connection_count == 0

    async def test_idle_stream_works_after_its_parser_was_freed(self, start: Start) -> None:
        """A stream that was idle gave memory back and goes on as if it had not."""
        service = await start(release_after_ms=0)
        alice, bob = await service.log_in(), await service.log_in("bob", "phone")
        for number in range(3):
            await until(lambda: all(session.stream.release() for session in service.gateway.sessions()))
            alice.send(message("bob@localhost", f"number {number}"))
            assert f"number {number}".encode() in await bob.read_until(b"</message>")


class TestStreamManagement:
    """Acknowledgements between a client and the system (promises P1, P6)."""

    async def test_acknowledgements_follow_outcomes_and_marks(self, service: Service) -> None:
        """A command counts with its outcome, another stanza with a mark; the client asks once and is told all."""
        alice = await service.log_in()
        await alice.enable_management()
        service.node.hold_outcomes = True
        ping = b"<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
        alice.send(message("bob@localhost", "one") + b"<r xmlns='urn:xmpp:sm:3'/>")
        await alice.read_until(b"<a xmlns='urn:xmpp:sm:3' h='0'/>")
        service.node.hold_outcomes = False
        service.node.release()
        await alice.read_until(b"<a xmlns='urn:xmpp:sm:3' h='1'/>")
        alice.send(ping + b"<r xmlns='urn:xmpp:sm:3'/>")
        await alice.read_until(b"<a xmlns='urn:xmpp:sm:3' h='2'/>")
        (session,) = service.node.sessions.values()
        assert session.is_managed
        assert session.progress_reports[-1] == (2, CURSOR_START)

    async def test_deliveries_are_acknowledged_by_position(self, service: Service) -> None:
        """The client's count reaches the system as the position of the delivery it covers."""
        alice, bob = await service.log_in(), await service.log_in("bob", "phone")
        await bob.enable_management()
        alice.send(message("bob@localhost", "one") + message("bob@localhost", "two"))
        await bob.read_until(b"<r xmlns='urn:xmpp:sm:3'/>")
        bob.send(b"<a xmlns='urn:xmpp:sm:3' h='2'/>")
        (session,) = (session for session in service.node.sessions.values() if session.localpart == "bob")
        reports, last = session.progress_reports, service.node.position
        await until(lambda: reports and reports[-1][1].position == last)

    async def test_without_quorum_nothing_is_answered_or_counted(self, start: Start) -> None:
        """Messages without outcome are neither refused nor acknowledged; the stream ends and says why."""
        service = await start(settle_timeout_ms=300)
        alice = await service.log_in()
        await alice.enable_management()
        (session,) = service.node.sessions.values()
        service.node.hold_outcomes = True
        session.pending_since_ns = time.monotonic_ns()
        alice.send(message("bob@localhost", "one") + b"<r xmlns='urn:xmpp:sm:3'/>")
        ended = await alice.read_to_end()
        assert ended.startswith(b"<a xmlns='urn:xmpp:sm:3' h='0'/><stream:error><resource-constraint")
        assert b"<message" not in ended


class TestFaults:
    """What the system below may do to a stream."""

    async def test_unknown_outcome_is_retried_under_its_key(self, service: Service) -> None:
        """A registration whose outcome is unknown is asked for again under the same key, and not reported as failed."""
        service.node.unknown_count = 2
        client = await service.connect()
        await client.open()
        fields = b"<username>carol</username><password>pencil</password>"
        request = b"<iq type='set' id='r'><query xmlns='jabber:iq:register'>" + fields + b"</query></iq>"
        assert b"type='result'" in await client.exchange(request, b"/>")
        assert len({key for _, key in service.node.executed}) == 1
        assert len(service.node.executed) == 3

    async def test_no_quorum_at_login(self, service: Service) -> None:
        """Without quorum authentication fails for now, and can be tried again on the same stream."""
        service.node.is_available = False
        client = await service.connect()
        await client.open()
        refused = await client.exchange(auth("SCRAM-SHA-256", b"n,,n=alice,r=abc"), b"</failure>")
        assert b"<temporary-auth-failure/>" in refused
        service.node.is_available = True
        await client.log_in()

    async def test_fault_of_ours_ends_one_stream_alone(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        """An exception in a handler ends its stream with internal-server-error; others do not notice."""
        alice, bob = await service.log_in(), await service.log_in("bob", "phone")
        monkeypatch.setattr(service.gateway.modules, "message_handler", lambda *_: 1 // 0)
        alice.send(message("bob@localhost", "hello"))
        assert b"<internal-server-error" in await alice.read_to_end()
        monkeypatch.undo()
        bob.send(message("bob@localhost", "note to self"))
        assert b"note to self" in await bob.read_until(b"</message>")

    async def test_refused_submissions(self, service: Service) -> None:
        """A full queue is an error of type wait, for messages and for what waits; the stream goes on."""
        alice = await service.log_in()
        service.node.submit_error = Busy("full")
        item = b"<item jid='bob@localhost'/>"
        roster_set = b"<iq type='set' id='r'><query xmlns='jabber:iq:roster'>" + item + b"</query></iq>"
        for stanza, end in ((message("bob@localhost", "one"), b"</message>"), (roster_set, b"</iq>")):
            assert b"<error type='wait'><resource-constraint" in await alice.exchange(stanza, end)
        (connection,) = service.gateway.sessions()
        assert connection.effect_since_ns is None
        service.node.submit_error = None
        assert b"type='result'" in await alice.exchange(roster_set, b"/>")

    async def test_certificate_is_verified(self, service: Service) -> None:
        """A client that does not trust the certificate gives up, and the server lives on."""
        with pytest.raises(ssl.SSLCertVerificationError):
            await RawClient.connect(service.tls_port, tls=ssl.create_default_context())
        await until(lambda: service.gateway.connection_count == 0)
        await service.log_in()
