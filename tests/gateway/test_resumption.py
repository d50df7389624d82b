"""Sessions that outlive their connection, and clients that read slowly, on real sockets."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from gateway.conftest import Service, Start
from gateway.raw_client import RawClient, until
from raftline.base.ids import SessionId

ENABLE = b"<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
REQUEST = b"<r xmlns='urn:xmpp:sm:3'/>"
HOME = SessionId(1)


def message(to: str, body: str) -> bytes:
    return f"<message to='{to}' type='chat' id='{body[:8]}'><body>{body}</body></message>".encode()


async def enable(client: RawClient) -> str:
    """Turn stream management on; return the id to resume by."""
    enabled = await client.exchange(ENABLE, b"/>")
    match = re.search(rb"<enabled .*id='([^']+)'", enabled)
    assert match is not None, enabled
    return match[1].decode()


async def resume(service: Service, resumption_id: str, h: int = 0, name: str = "alice") -> tuple[RawClient, bytes]:
    """Resume on a new connection; return what it is answered."""
    client = await service.connect()
    await client.open()
    assert b"<success" in await client.authenticate(name)
    await client.open()
    request = f"<resume xmlns='urn:xmpp:sm:3' h='{h}' previd='{resumption_id}'/>".encode()
    return client, await client.exchange(request, b"<resumed", b"</failed>")


class TestDetaching:
    """Which ends a session waits after."""

    async def test_a_lost_connection_detaches(self, service: Service) -> None:
        """The session is there for the next connection, which goes on counting."""
        alice = await service.log_in()
        resumption_id = await enable(alice)
        alice.send(message("bob@localhost", "one") + REQUEST)
        await alice.read_until(b"h='1'/>")
        alice.writer.transport.abort()
        session = service.node.sessions[HOME]
        await until(lambda: session.is_detached)
        again, answer = await resume(service, resumption_id)
        assert b"<resumed" in answer
        again.send(message("bob@localhost", "two") + REQUEST)
        await again.read_until(b"h='2'/>")
        assert [number for number, _ in service.node.sessions[HOME].submitted] == [2]
        assert service.gateway.resumed_total == 1

    async def test_a_farewell_ends(self, service: Service) -> None:
        """Who closes the stream does not come back."""
        alice = await service.log_in()
        await enable(alice)
        alice.send(b"</stream:stream>")
        await until(lambda: not service.node.sessions)

    async def test_shutdown_detaches(self, service: Service) -> None:
        """The end of the node is not the end of its sessions."""
        alice = await service.log_in()
        await enable(alice)
        session = service.node.sessions[HOME]
        closing = asyncio.ensure_future(service.gateway.close())
        assert b"<system-shutdown" in await alice.read_to_end()
        alice.close()
        await closing
        assert session.is_detached

    async def test_no_quorum_detaches(self, start: Start) -> None:
        """A stream that ends because the servers cannot agree can be resumed when they can (promise P6)."""
        service = await start(settle_timeout_ms=100)
        alice = await service.log_in()
        await enable(alice)
        session = service.node.sessions[HOME]
        service.node.hold_outcomes = True
        session.pending_since_ns = 0
        alice.send(message("bob@localhost", "one"))
        assert b"<resource-constraint" in await alice.read_to_end()
        alice.close()
        await until(lambda: session.is_detached)


class TestResuming:
    """<resume/> on another connection."""

    async def test_a_live_session_is_taken_over(self, service: Service) -> None:
        """The former stream ends with conflict, the session goes on with the new one."""
        alice = await service.log_in()
        resumption_id = await enable(alice)
        again, answer = await resume(service, resumption_id)
        assert b"<resumed" in answer
        assert b"<conflict" in await alice.read_to_end()
        alice.close()
        again.send(message("bob@localhost", "one") + REQUEST)
        await again.read_until(b"h='1'/>")

    @pytest.mark.parametrize("name", ["alice", "bob"])
    async def test_refused(self, service: Service, name: str) -> None:
        """A wrong token, and somebody else's session; binding goes on from there."""
        alice = await service.log_in()
        resumption_id = await enable(alice)
        wrong = resumption_id if name == "bob" else resumption_id[:-8] + "00000000"
        again, answer = await resume(service, wrong, name=name)
        assert b"<failed" in answer
        assert b"<item-not-found" in answer
        again.send(b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        await again.read_until(b"<jid>")

    async def test_over(self, service: Service) -> None:
        """How far a session had come that is over."""
        alice = await service.log_in()
        resumption_id = await enable(alice)
        alice.send(b"</stream:stream>")
        await until(lambda: not service.node.sessions)
        service.node.gone[HOME] = 12
        _, answer = await resume(service, resumption_id)
        assert b"<failed xmlns='urn:xmpp:sm:3' h='12'>" in answer

    async def test_without_quorum(self, service: Service) -> None:
        """The stream ends; the session is not called lost."""
        alice = await service.log_in()
        resumption_id = await enable(alice)
        alice.writer.transport.abort()
        await until(lambda: service.node.sessions[HOME].is_detached)
        client = await service.connect()
        await client.open()
        await client.authenticate()
        await client.open()
        service.node.is_available = False
        client.send(f"<resume xmlns='urn:xmpp:sm:3' h='0' previd='{resumption_id}'/>".encode())
        ended = await client.read_to_end()
        assert b"<resource-constraint" in ended
        assert b"<failed" not in ended


async def test_a_slow_reader_with_an_inbox_gets_everything(start: Start) -> None:
    """What a client does not read waits in the system: its stream stays, memory stays bounded, nothing is lost."""
    service = await start(write_buffer_bytes_max=2_500_000)
    alice, bob = await service.log_in(), await service.log_in("bob", "phone")
    await enable(bob)
    (session,) = (session for session in service.gateway.sessions() if session.stream.jid.local == "bob")
    bob.writer.transport.pause_reading()
    bob.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    count = 120
    for number in range(count):
        alice.send(message("bob@localhost", f"{number:03d}" + "x" * 100_000))
        await alice.writer.drain()
    await until(lambda: service.node.position >= count << 16)
    assert session.stream.delivery.is_behind
    assert not session.stream.is_closing
    bob.writer.transport.resume_reading()
    received: list[bytes] = []
    while len(received) < count:
        received += re.findall(rb"<body>(\d{3})", await bob.read_until(b"</body>"))
    assert received == [b"%03d" % number for number in range(count)]
    await until(lambda: not session.stream.delivery.is_behind)
