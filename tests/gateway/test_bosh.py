"""Clients over BOSH, through a real HTTP server (XEP-0124, XEP-0206)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from gateway.bosh_client import BOSH, DEADLINE_S, XBOSH, BoshClient, SessionEnded
from gateway.conftest import Service, Start
from gateway.raw_client import until
from raftline.gateway import bosh as gateway_bosh
from raftline.gateway.session import WRITE_BUFFER_BYTES_HIGH

MESSAGE = b"<message xmlns='jabber:client' to='bob@localhost' type='chat'><body>hello</body></message>"
STREAM = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"

Dial = Callable[[], BoshClient]


@pytest_asyncio.fixture
async def dial(service: Service) -> AsyncIterator[Dial]:
    """Serve the endpoint and make clients of it."""
    async with serve(service) as dialer:
        yield dialer


@asynccontextmanager
async def serve(service: Service) -> AsyncIterator[Dial]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        service.gateway.bosh_endpoint,
        http="h11",
        lifespan="off",
        log_config=None,
        interface="asgi3",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve([listener]))
    await until(lambda: server.started)
    clients: list[BoshClient] = []

    def dialer() -> BoshClient:
        clients.append(BoshClient(f"http://127.0.0.1:{listener.getsockname()[1]}/http-bind"))
        return clients[-1]

    try:
        yield dialer
    finally:
        for client in clients:
            await client.close()
        server.should_exit = True
        await task


class TestHTTP:
    """XEP-0124 section 5, and what browsers ask for."""

    async def test_responses(self, dial: Dial) -> None:
        """The content type of the XEP, readable by any page, run by none."""
        client = dial()
        answer = await client.post(client.body(to="localhost", ver="1.6"))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert int(answer.headers["content-length"]) == len(answer.content)

    async def test_preflight(self, dial: Dial) -> None:
        """A page of another site may send what it has to."""
        client = dial()
        answer = await client.http.request("OPTIONS", client.url)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "content-type"
        assert "access-control-allow-credentials" not in answer.headers

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
    async def test_other_methods(self, dial: Dial, method: str) -> None:
        """Everything is a POST."""
        client = dial()
        answer = await client.http.request(method, client.url)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")

    @pytest.mark.parametrize(
        ("data", "condition"),
        [
            (b"no XML", "bad-request"),
            (b"", "bad-request"),
            (f"<body xmlns='{BOSH}' rid='1' sid='unknown'/>".encode(), "item-not-found"),
            (f"<body xmlns='{BOSH}' rid='1'/>".encode(), "improper-addressing"),
            (f"<body xmlns='{BOSH}' rid='1' to=''/>".encode(), "improper-addressing"),
            (f"<body xmlns='{BOSH}' rid='1' to='elsewhere'/>".encode(), "host-unknown"),
            (f"<body xmlns='{BOSH}' rid='1' to='a@@b'/>".encode(), "host-unknown"),
            (f"<body xmlns='{BOSH}' to='localhost'/>".encode(), "bad-request"),
        ],
    )
    async def test_refusals(self, dial: Dial, service: Service, data: bytes, condition: str) -> None:
        """What is no request of a session is refused and leaves nothing behind."""
        root = await dial().post_xml(data)
        assert (root.get("type"), root.get("condition")) == ("terminate", condition)
        assert service.gateway.connection_count == service.gateway.bosh_endpoint.session_count == 0

    async def test_size(self, dial: Dial, service: Service) -> None:
        """A request may be as large as told, and not larger; no session ends by it."""
        client = dial()
        await client.open()
        data = client.body(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='NONE'/>")
        margin = gateway_bosh.BODY_BYTES_MAX - len(data)
        answer = await client.post(data.replace(b"<auth", b" " * (margin + 1) + b"<auth"))
        assert b"policy-violation" in answer.content
        assert service.gateway.connection_count == 1
        answer = await client.post(data.replace(b"<auth", b" " * margin + b"<auth"))
        assert b"<failure" in answer.content


class TestSession:
    """XEP-0206 sections 3 to 5."""

    async def test_creation(self, dial: Dial) -> None:
        """The first response says what the stream is and what it offers, without STARTTLS."""
        client = dial()
        features = await client.open(route="xmpp:elsewhere:9999", xml_lang="de", **{"from": "alice@localhost"})
        assert features.tag == f"{{{STREAM}}}features"
        assert features.find(f"{{{SASL}}}mechanisms") is not None
        assert "starttls" not in {child.tag.partition("}")[2] for child in features}
        greeting = client.greeting.attrib
        assert len(greeting["sid"]) == 2 * gateway_bosh.SID_BYTES
        assert greeting["from"] == "localhost"
        assert greeting[f"{{{XBOSH}}}version"] == "1.0"
        assert greeting[f"{{{XBOSH}}}restartlogic"] == "true"

    async def test_conversation(self, dial: Dial, service: Service) -> None:
        """Log in, send, receive, beside a client over TCP."""
        alice = await dial().log_in()
        bob = await service.log_in("bob", "phone")
        alice.send(MESSAGE)
        assert b"from='alice@localhost/web'" in await bob.read_until(b"</message>")
        bob.send(b"<message to='alice@localhost' type='chat'><body>hi</body></message>")
        received = await alice.receive()
        assert received.tag == "{jabber:client}message"
        assert received.get("from") == "bob@localhost/phone"

    async def test_stanzas_without_a_namespace(self, dial: Dial, service: Service) -> None:
        """Many clients leave it out (section 2)."""
        alice = await dial().log_in()
        bob = await service.log_in("bob", "phone")
        alice.send(MESSAGE.replace(b" xmlns='jabber:client'", b""))
        assert b"<body>hello</body>" in await bob.read_until(b"</message>")

    async def test_version(self, dial: Dial) -> None:
        """A client that asks for another version of XMPP than 1.0 is refused."""
        client = dial()
        with pytest.raises(SessionEnded, match="remote-stream-error"):
            await client.open(xmpp_version="0.9")
        (error,) = client.payloads
        assert error.tag == f"{{{STREAM}}}error"
        assert error[0].tag.endswith("}unsupported-version")

    async def test_wrong_password(self, dial: Dial) -> None:
        """A failure ends nothing: the client may try again."""
        client = dial()
        await client.open()
        client.send(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHdyb25n</auth>")
        assert (await client.receive()).tag == f"{{{SASL}}}failure"
        await client.authenticate()

    async def test_restart_ignores_payloads(self, dial: Dial, service: Service) -> None:
        """And needs no address (section 5)."""
        client = dial()
        await client.open()
        await client.authenticate()
        client.send(b"<iq xmlns='jabber:client' type='get' id='1'/>", xmpp_restart="1")
        with pytest.raises(SessionEnded, match="remote-stream-error"):  # it is open already
            await client.receive()
        assert client.payloads[-1][0].tag.endswith("}bad-format")
        await until(lambda: service.gateway.connection_count == 0)

    async def test_management(self, dial: Dial, service: Service) -> None:
        """Stream management works inside; a session that is lost waits to be resumed."""
        alice = await dial().log_in()
        alice.send(b"<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        enabled = await alice.receive()
        assert enabled.get("resume") == "true"
        alice.send(MESSAGE)
        alice.send(b"<r xmlns='urn:xmpp:sm:3'/>")
        assert (await alice.receive_until("}a")).get("h") in {"0", "1"}
        (session,) = service.node.sessions.values()
        for client in service.gateway.sessions():
            client.abort()
        await until(lambda: session.is_detached)


class TestEnds:
    """XEP-0124 sections 13 and 17, XEP-0206 section 6."""

    async def test_by_the_client(self, dial: Dial, service: Service) -> None:
        """Payloads are passed on, the end is acknowledged, and nothing is left."""
        alice = await dial().log_in()
        bob = await service.log_in("bob", "phone")
        alice.send(MESSAGE, type="terminate")
        with pytest.raises(SessionEnded, match=r"^$"):
            await alice.receive()
        assert b"<body>hello</body>" in await bob.read_until(b"</message>")
        await until(lambda: service.gateway.connection_count == 1)
        assert service.gateway.bosh_endpoint.session_count == 0
        assert [session.localpart for session in service.node.sessions.values()] == ["bob"]

    async def test_stream_error(self, dial: Dial, service: Service) -> None:
        """It stands behind what else there was to say, under a namespace that the body declares."""
        alice = await dial().log_in()
        alice.send()
        alice.send(b"<nonsense xmlns='urn:none'/>")
        with pytest.raises(SessionEnded, match="remote-stream-error"):
            await alice.receive()
        assert [payload.tag for payload in alice.payloads] == [f"{{{STREAM}}}error"]
        assert alice.payloads[0][0].tag.endswith("}unsupported-stanza-type")
        await until(lambda: not service.node.sessions)

    async def test_told_by_the_next_request(self, dial: Dial, service: Service) -> None:
        """A stream that ends while no request is held tells the next one; its session is over at once."""
        client = dial()
        await client.open()
        service.gateway.drain(is_drained=True)
        await until(lambda: service.gateway.connection_count == 0)
        with pytest.raises(SessionEnded, match="remote-stream-error"):
            await client.receive()
        assert client.payloads[-1][0].tag.endswith("}system-shutdown")
        assert service.gateway.bosh_endpoint.session_count == 0

    async def test_over_https(self, start: Start) -> None:
        """What HTTP protects is secure from the start: all mechanisms are offered."""
        service = await start(allow_plaintext=False)
        sent: list[Any] = []
        data = BoshClient("").body(to="localhost", ver="1.6")
        requests = [{"type": "http.request", "body": data}]

        async def receive() -> Any:
            if not requests:
                await asyncio.Event().wait()  # the client stays
            return requests.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        await service.gateway.bosh_endpoint({"type": "http", "method": "POST", "scheme": "https"}, receive, send)
        assert sent[0]["status"] == 200
        assert b"<mechanism>PLAIN</mechanism>" in sent[1]["body"]

    async def test_no_new_sessions(self, dial: Dial, service: Service) -> None:
        """A node that is drained says so."""
        service.gateway.drain(is_drained=True)
        client = dial()
        with pytest.raises(SessionEnded, match="remote-stream-error"):
            await client.open()
        assert client.payloads[-1][0].tag.endswith("}system-shutdown")

    async def test_held_requests_are_told(self, dial: Dial, service: Service) -> None:
        """A gateway that closes lets nobody wait."""
        client = await dial().log_in()
        client.send()
        await until(lambda: not client.payloads)
        waiting = asyncio.ensure_future(client.receive())
        await service.gateway.close()
        with pytest.raises(SessionEnded, match="remote-stream-error"):
            await waiting

    async def test_ended_sessions_are_bounded(
        self, dial: Dial, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those that ended and tell the next request are so many, no more."""
        monkeypatch.setattr(gateway_bosh, "ENDED_SESSION_COUNT_MAX", 2)
        clients = [dial() for _ in range(3)]
        for client in clients:
            await client.open()
        service.gateway.drain(is_drained=True)
        await until(lambda: service.gateway.connection_count == 0)
        assert service.gateway.bosh_endpoint.session_count == 2
        with pytest.raises(SessionEnded, match="item-not-found"):
            await clients[0].receive()

    async def test_silence(self, dial: Dial, service: Service) -> None:
        """A client that is gone loses its session, here after the second it asked for."""
        alice = await dial().log_in()
        alice.send(pause=1)
        await until(lambda: not service.node.sessions)
        with pytest.raises(SessionEnded, match="item-not-found"):
            await alice.receive()
        assert service.gateway.connection_count == service.gateway.bosh_endpoint.session_count == 0

    async def test_too_many_connections(self, start: Start) -> None:
        """One limit for clients of all kinds."""
        service = await start(connection_count_max=1)
        async with serve(service) as dial:
            await dial().open()
            client = dial()
            with pytest.raises(SessionEnded, match="remote-stream-error"):
                await client.open()
            assert client.payloads[-1][0].tag.endswith("}resource-constraint")

    async def test_plaintext_is_for_development(self, start: Start) -> None:
        """A service that wants TLS says so."""
        service = await start(allow_plaintext=False)
        async with serve(service) as dial:
            client = dial()
            with pytest.raises(SessionEnded, match="remote-stream-error"):
                await client.open()
            assert client.payloads[-1][0].tag.endswith("}policy-violation")


class TestBrokenConnections:
    """XEP-0124 section 14.3, over real connections."""

    async def test_a_response_that_was_lost(self, dial: Dial, service: Service) -> None:
        """The client repeats the request and gets the same again; nothing happens twice."""
        alice = await dial().log_in()
        (session,) = service.node.sessions.values()
        data = alice.body(b"<iq xmlns='jabber:client' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>" + MESSAGE)
        answers = [(await alice.post(data)).content for _ in range(2)]
        assert answers[0] == answers[1]
        assert b"id='1'" in answers[0]
        assert len(session.submitted) == 1

    async def test_a_request_that_was_cut_off(self, dial: Dial, service: Service) -> None:
        """What comes meanwhile waits for the client to ask again."""
        alice = await dial().log_in()
        bob = await service.log_in("bob", "phone")
        data = alice.body()
        cut_off = asyncio.ensure_future(alice.post(data))
        (session,) = [client for client in service.gateway.sessions() if client.stream.jid.local == "alice"]
        active_ns = session.active_ns
        await until(lambda: session.active_ns > active_ns)
        cut_off.cancel()
        await asyncio.gather(cut_off, return_exceptions=True)
        bob.send(b"<message to='alice@localhost/web' type='chat' id='m'><body>hi</body></message>")
        async with asyncio.timeout(DEADLINE_S):
            assert b"<body>hi</body>" in (await alice.post(data)).content


class TestBackPressure:
    """Nothing grows without bound, as over other transports."""

    async def test_client_that_does_not_read(self, start: Start) -> None:
        """What waits for a request is bounded; beyond it the client is let go, with the reason."""
        service = await start(write_buffer_bytes_max=500_000)
        async with serve(service) as dial:
            alice = await dial().log_in()
            bob = await service.log_in("bob", "phone")
            text = b"<body>" + b"x" * 200_000 + b"</body>"
            for _ in range(4):
                bob.send(b"<message to='alice@localhost/web' type='chat'>" + text + b"</message>")
            await until(lambda: service.gateway.connection_count == 1)
            with pytest.raises(SessionEnded, match="remote-stream-error"):
                await alice.receive_until("}nothing")
            assert alice.payloads[-1][0].tag.endswith("}resource-constraint")

    async def test_a_client_that_is_behind(self, dial: Dial, service: Service) -> None:
        """It reads by its requests, so it is heard whatever waits for it."""
        alice = await dial().log_in()
        bob = await service.log_in("bob", "phone")
        half = b"<body>" + b"x" * (WRITE_BUFFER_BYTES_HIGH * 3 // 4) + b"</body>"
        for _ in range(2):
            bob.send(b"<message to='alice@localhost/web' type='chat'>" + half + b"</message>")
        (session,) = [client for client in service.gateway.sessions() if client.stream.jid.local == "alice"]
        await until(lambda: session.stream.delivery.is_congested)
        alice.send(MESSAGE)
        for _ in range(2):
            assert (await alice.receive()).tag == "{jabber:client}message"
        assert b"<body>hello</body>" in await bob.read_until(b"</message>")

    async def test_backlog(self, dial: Dial, service: Service) -> None:
        """More stanzas than may be under way wait and are all handled, in order."""
        alice = await dial().log_in()
        (session,) = service.node.sessions.values()
        service.node.hold_outcomes = True
        alice.send(MESSAGE * 200)
        alice.send(MESSAGE * 100)
        await until(lambda: len(session.submitted) == 128)
        service.node.hold_outcomes = False
        service.node.release()
        await until(lambda: len(session.submitted) == 300)
        assert [number for number, _ in session.submitted] == list(range(1, 301))


class TestFaults:
    """A fault of ours ends one stream, not the node."""

    async def test_crash(self, dial: Dial, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        """The client learns that it was the server."""
        alice = await dial().log_in()
        (session,) = service.gateway.sessions()

        def fail(*_: Any) -> None:
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(session.stream, "receive_data", fail)
        alice.send(MESSAGE)
        with pytest.raises(SessionEnded, match="remote-stream-error"):
            await alice.receive()
        assert alice.payloads[-1][0].tag.endswith("}internal-server-error")
