"""Clients over WebSocket, through a real HTTP server (RFC 7395)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from types import MappingProxyType
from typing import Any

import pytest
import pytest_asyncio
import scramp
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from gateway.conftest import Service, Start
from gateway.raw_client import DEADLINE_S, until
from xmpp_core.playbook import OPEN, PASSWORD, auth, bind_request, payload, response
from xmpp_core.sasl2 import NS_BIND2, NS_FAST, authenticate, mechanisms

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"


class WebClient:
    """One WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def exchange(self, data: bytes, count: int = 1) -> list[str]:
        await self.connection.send(data.decode())
        return [await self.receive() for _ in range(count)]

    async def receive(self) -> str:
        async with asyncio.timeout(DEADLINE_S):
            text = await self.connection.recv()
        assert isinstance(text, str)
        return text

    async def log_in(self, name: str = "alice") -> WebClient:
        await self.exchange(OPEN, 2)
        client = scramp.ScramClient(["SCRAM-SHA-256"], name, PASSWORD)
        (challenge,) = await self.exchange(auth("SCRAM-SHA-256", client.get_client_first().encode()))
        client.set_server_first(payload(challenge.encode()).decode())
        (success,) = await self.exchange(response(client.get_client_final().encode()))
        assert success.startswith("<success")
        await self.exchange(OPEN, 2)
        (bound,) = await self.exchange(bind_request("web"))
        assert "<jid>" in bound
        return self


Dial = Callable[..., Awaitable[WebClient]]


@pytest_asyncio.fixture
async def dial(service: Service) -> AsyncIterator[Dial]:
    """Serve the endpoint and connect to it."""
    async for dialer in serve(service):
        yield dialer


async def serve(service: Service) -> AsyncIterator[Dial]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        service.gateway.websocket_endpoint,
        ws="websockets-sansio",
        ws_max_size=1_000_000,
        lifespan="off",
        log_config=None,
        interface="asgi3",
    )
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve([listener]))
    await until(lambda: server.started)
    connections: list[ClientConnection] = []

    async def dialer(**options: Any) -> WebClient:
        options.setdefault("subprotocols", ["xmpp"])
        connection = await connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/", **options)
        connections.append(connection)
        return WebClient(connection)

    yield dialer
    for connection in connections:
        await connection.close()
    server.should_exit = True
    await task


class TestConnection:
    """RFC 7395 section 3.1."""

    async def test_subprotocol_is_agreed(self, dial: Dial) -> None:
        """The server selects the subprotocol xmpp."""
        client = await dial()
        assert client.connection.subprotocol == "xmpp"

    async def test_other_subprotocols_are_refused(self, dial: Dial) -> None:
        """Without the subprotocol there is no connection."""
        with pytest.raises(InvalidStatus) as refused:
            await dial(subprotocols=["mqtt"])
        assert refused.value.response.status_code == 403


class TestStream:
    """RFC 7395 sections 3.3 to 3.6."""

    async def test_session(self, dial: Dial, service: Service) -> None:
        """Log in, send, receive: one element a message, each with its namespace."""
        alice = await (await dial()).log_in()
        bob = await service.log_in("bob", "phone")
        await alice.connection.send(
            "<message xmlns='jabber:client' to='bob@localhost' type='chat'><body>hello</body></message>"
        )
        assert b"from='alice@localhost/web'" in await bob.read_until(b"</message>")
        bob.send(b"<message to='alice@localhost' type='chat'><body>hi</body></message>")
        received = await alice.receive()
        assert received.startswith("<message xmlns='jabber:client' from='bob@localhost/phone'")

    async def test_close_is_answered(self, dial: Dial, service: Service) -> None:
        """<close/> gets <close/>, then WebSocket closes, and the session ends (section 3.6)."""
        alice = await (await dial()).log_in()
        (answer,) = await alice.exchange(f"<close xmlns='{FRAMING}'/>".encode())
        assert answer == f"<close xmlns='{FRAMING}'/>"
        await asyncio.wait_for(alice.connection.wait_closed(), DEADLINE_S)
        assert alice.connection.close_code == 1000
        await until(lambda: not service.node.sessions and service.gateway.connection_count == 0)

    async def test_lost_connection_ends_the_session(self, dial: Dial, service: Service) -> None:
        """A page that is closed leaves no session."""
        alice = await (await dial()).log_in()
        await alice.connection.close()
        await until(lambda: not service.node.sessions and service.gateway.connection_count == 0)

    async def test_binary_messages_are_refused(self, dial: Dial) -> None:
        """XMPP over WebSocket is text (section 3.2)."""
        client = await dial()
        await client.exchange(OPEN, 2)
        await client.connection.send(b"<presence xmlns='jabber:client'/>")
        assert "<bad-format" in await client.receive()
        assert await client.receive() == f"<close xmlns='{FRAMING}'/>"

    async def test_oversized_stanza(self, dial: Dial) -> None:
        """A stanza beyond the bound gets policy-violation, not a broken WebSocket."""
        alice = await (await dial()).log_in()
        body = b"<message xmlns='jabber:client' to='bob@localhost'><body>" + b"x" * 300_000 + b"</body></message>"
        (error,) = await alice.exchange(body)
        assert "<policy-violation" in error
        assert await alice.receive() == f"<close xmlns='{FRAMING}'/>"

    async def test_backlog_is_drained(self, dial: Dial, service: Service) -> None:
        """More stanzas than may be under way wait and are all handled, in order."""
        alice = await (await dial()).log_in()
        (session,) = service.node.sessions.values()
        service.node.hold_outcomes = True
        text = "<message xmlns='jabber:client' to='bob@localhost' type='chat' id='{}'><body>x</body></message>"
        for number in range(300):
            await alice.connection.send(text.format(number))
        await until(lambda: len(session.submitted) == 128)
        service.node.hold_outcomes = False
        service.node.release()
        await until(lambda: len(session.submitted) == 300)
        assert [number for number, _ in session.submitted] == list(range(1, 301))


class TestSecurity:
    """RFC 7395 section 3.9."""

    async def test_plaintext_is_for_development(self, start: Start) -> None:
        """A service that wants TLS ends a stream over plain ws with the reason."""
        service = await start(allow_plaintext=False)
        async for dial in serve(service):
            client = await dial()
            messages = [await client.receive() for _ in range(3)]
            assert messages[0].startswith("<open ")
            assert "<policy-violation" in messages[1]
            assert messages[2] == f"<close xmlns='{FRAMING}'/>"

    async def test_slow_page_is_let_go(self, start: Start) -> None:
        """A page that takes nothing is cut off, so that what waits for it stays bounded; its session ends."""
        service = await start(write_buffer_bytes_max=500_000, close_timeout_ms=200)
        page = StalledPage()
        serving = asyncio.ensure_future(service.gateway.websocket_endpoint(page.scope, page.receive, page.send))
        await page.log_in()
        alice = await service.log_in()
        page.takes.clear()
        for number in range(5):
            body = b"<body>" + b"x" * 200_000 + b"</body></message>"
            alice.send(f"<message to='bob@localhost' id='{number}' type='chat'>".encode() + body)
        await asyncio.wait_for(serving, DEADLINE_S)
        await until(lambda: service.gateway.connection_count == 1)
        assert [session.localpart for session in service.node.sessions.values()] == ["alice"]

    async def test_secure(self, service: Service) -> None:
        """Over wss SASL2 and tokens are offered, but nothing binds to TLS, which may end in front of the server."""
        page = StalledPage(scheme="wss")
        serving = asyncio.ensure_future(service.gateway.websocket_endpoint(page.scope, page.receive, page.send))
        features = await page.exchange(OPEN, 2)
        assert mechanisms(features, "urn:xmpp:sasl:2")[:3] == ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
        assert mechanisms(features, NS_FAST) == ["HT-SHA-256-NONE"]
        assert b"sasl-cb" not in features
        sent = await page.exchange(
            authenticate("PLAIN", b"\0alice\0" + PASSWORD.encode(), f"<bind xmlns='{NS_BIND2}'/>"), 2
        )
        assert sent.startswith(b"<stream:features")
        assert [session.localpart for session in service.node.sessions.values()] == ["alice"]
        page.incoming.put_nowait({"type": "websocket.disconnect"})
        await asyncio.wait_for(serving, DEADLINE_S)


class StalledPage:
    """The HTTP server's side of a WebSocket whose client stops to take what it is sent, once `takes` is cleared."""

    def __init__(self, scheme: str = "ws") -> None:
        self.scope = MappingProxyType({"type": "websocket", "subprotocols": ["xmpp"], "scheme": scheme})
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self.takes = asyncio.Event()
        self.takes.set()
        self.incoming.put_nowait({"type": "websocket.connect"})

    async def receive(self) -> dict[str, Any]:
        return await self.incoming.get()

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        if message["type"] == "websocket.send":
            self.outgoing.put_nowait(message["text"].encode())

    async def exchange(self, data: bytes, count: int = 1) -> bytes:
        self.incoming.put_nowait({"type": "websocket.receive", "text": data.decode()})
        async with asyncio.timeout(DEADLINE_S):
            return [await self.outgoing.get() for _ in range(count)][-1]

    async def log_in(self) -> None:
        await self.exchange(OPEN, 2)
        client = scramp.ScramClient(["SCRAM-SHA-256"], "bob", PASSWORD)
        client.set_server_first(
            payload(await self.exchange(auth("SCRAM-SHA-256", client.get_client_first().encode()))).decode()
        )
        await self.exchange(response(client.get_client_final().encode()))
        await self.exchange(OPEN, 2)
        assert b"<jid>" in await self.exchange(bind_request("web"))
