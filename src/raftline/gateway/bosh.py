"""
Connections over HTTP requests (XEP-0124), as an ASGI application: `POST` of one `<body/>` each, answered by one.

    HTTP request ── BoshEndpoint (finds or makes the session) ── BoshConnection ── ClientSession
                                                                     │
                                                            BoshSession: order, holding, repeats (no I/O)

TLS is a matter of the HTTP server in front, as for WebSocket. A session belongs to this node and dies with it; what a
client wants to keep beyond that it keeps by stream management, which works inside as over any other transport.

Any web page may speak to this address (CORS `*`): no cookie nor address gives rights here, only the session id, which
nobody guesses. Responses are data whatever content type a client asked for, so browsers are told to run nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from raftline.gateway.session import ClientSession
from raftline.gateway.websocket import Receive, Scope, Send
from raftline.xmpp.bosh_body import BindingFailed, Body, parse_body
from raftline.xmpp.bosh_terms import Reply, agree, failure
from raftline.xmpp.jid import prepare_domain
from raftline.xmpp.xeps.xep_0124_bosh import BoshSession
from raftline.xmpp.xeps.xep_0206_xmpp_over_bosh import STREAM_ERROR, BoshFraming, greeting

if TYPE_CHECKING:
    from raftline.gateway.server import Gateway

SID_BYTES: Final = 16
"""Chance in a session id: nobody guesses it (XEP-0124 section 19.3)."""

BODY_BYTES_MAX: Final = 1_048_576
"""Greatest HTTP request: a client sends all it has at once, and waits with the rest while requests are held."""

BODY_MARGIN_BYTES: Final = 4_096
"""Of the wrapper, where stanzas may be larger than that."""

ENDED_SESSION_COUNT_MAX: Final = 1_024
"""Sessions that ended and still wait for a request to say so; beyond it the oldest is forgotten."""

_CORS: Final = [(b"access-control-allow-origin", b"*")]
_PREFLIGHT: Final = [
    *_CORS,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"content-type"),
    (b"access-control-max-age", b"86400"),
]
_INERT: Final = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
]

Answer = asyncio.Future[Reply]


class BoshEndpoint:
    """An ASGI application for scopes of type `http`; all BOSH sessions of a node."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._connections: dict[str, BoshConnection] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    @property
    def session_count(self) -> int:
        """Sessions whose next request will find something."""
        return len(self._connections)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        assert scope["type"] == "http", "the router sends nothing else"
        match scope["method"]:
            case "POST":
                await self._serve(scope, receive, send)
            case "OPTIONS":
                await respond(send, 204, _PREFLIGHT)
            case _:
                await respond(send, 405, [(b"allow", b"POST, OPTIONS"), *_CORS])

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway = self._gateway
        size_max = max(BODY_BYTES_MAX, gateway.settings.stanza_bytes_max + BODY_MARGIN_BYTES)
        data = await read_request(receive, size_max)
        if data is None:
            await send_reply(send, failure("policy-violation"))
            return
        gateway.received_bytes_total += len(data)
        answer: Answer = gateway.loop.create_future()
        try:
            body = parse_body(data, stanza_bytes_max=gateway.settings.stanza_bytes_max)
            connection = self._find(body, is_secure=scope.get("scheme") == "https")
        except BindingFailed as failed:
            answer.set_result(failure(failed.condition))
        else:
            connection.receive(body, answer)
            await self._wait(connection, answer, receive)
        if answer.done():
            reply = answer.result()
            gateway.sent_bytes_total += len(reply.body)
            await send_reply(send, reply)

    async def _wait(self, connection: BoshConnection, answer: Answer, receive: Receive) -> None:
        """Wait for the answer, or until nobody waits for it any more."""
        gone = self._gateway.loop.create_task(wait_for_disconnect(receive))
        either: set[asyncio.Future[Any]] = {answer, gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not answer.done():
                connection.leave(answer)

    def _find(self, body: Body, *, is_secure: bool) -> BoshConnection:
        """Return the session of a request, a new one for a request without an id."""
        sid = body.attributes.get("sid")
        if sid is None:
            return self._create(body, is_secure=is_secure)
        connection = self._connections.get(sid)
        if connection is None:
            raise BindingFailed("item-not-found")
        return connection

    def _create(self, body: Body, *, is_secure: bool) -> BoshConnection:
        gateway = self._gateway
        to = body.attributes.get("to")
        if not to:
            raise BindingFailed("improper-addressing")
        try:
            is_ours = prepare_domain(to) == gateway.settings.domain
        except ValueError:
            is_ours = False
        if not is_ours:
            raise BindingFailed("host-unknown")
        terms = agree(body)
        sid = gateway.entropy(SID_BYTES).hex()
        told = {"sid": sid, **greeting(gateway.settings.domain)}
        bosh: BoshSession[Answer] = BoshSession(terms, body.number("rid"), told, gateway.clock())
        connection = self._connections[sid] = BoshConnection(self, gateway, sid, bosh, is_secure=is_secure)
        return connection

    # For the connections.

    def ended(self, sid: str) -> None:
        """Take note that a session waits only for a request to be told of its end."""
        self._ended[sid] = None
        if len(self._ended) > ENDED_SESSION_COUNT_MAX:
            oldest, _ = self._ended.popitem(last=False)
            self._connections[oldest].abort()

    def forget(self, sid: str) -> None:
        """Take note that a session is over: its id means nothing any more."""
        self._connections.pop(sid, None)
        self._ended.pop(sid, None)


class BoshConnection:
    """One session over HTTP requests; implements session.Transport."""

    def __init__(
        self, endpoint: BoshEndpoint, gateway: Gateway, sid: str, bosh: BoshSession[Answer], *, is_secure: bool
    ) -> None:
        self._endpoint = endpoint
        self._gateway = gateway
        self._sid = sid
        self._bosh = bosh
        self._timer: asyncio.TimerHandle | None = None
        self._is_settling = False
        self._has_error = False
        self._framing = BoshFraming()
        self._session = ClientSession(gateway, self, self._framing, is_secure=is_secure)
        gateway.welcome(self._session)
        if not is_secure and not gateway.settings.allow_plaintext:
            self._session.close("policy-violation", "Connect by https.")

    # What the endpoint calls.

    def receive(self, body: Body, answer: Answer) -> None:
        """Take a request of this session."""
        self._bosh.receive(body, answer, self._gateway.clock())
        if self._bosh.is_over:
            self._settle()
        else:
            self._take()

    def leave(self, answer: Answer) -> None:
        """Take note that the client does not wait for this answer any more."""
        self._bosh.leave(answer, self._gateway.clock())
        self._settle()

    def _take(self) -> None:
        """Hand the stream what is its turn, and answer once it has had its say."""
        while (body := self._bosh.take()) is not None:
            self._framing.accept(body)
            self._session.data_received(body.raw)
        self._release_soon()

    def _release_soon(self) -> None:
        if not self._is_settling:
            self._is_settling = True
            self._gateway.loop.call_soon(self._release)  # after the turns of this turn of the loop

    def _release(self) -> None:
        self._is_settling = False
        has_waited = self._bosh.queued_bytes
        self._bosh.release(self._gateway.clock())
        self._settle()
        if self._bosh.queued_bytes < has_waited:
            self._session.writing_resumed()

    def _settle(self) -> None:
        """Send what is answered, and look after time."""
        for answer, reply in self._bosh.take_answers():
            if not answer.done():
                answer.set_result(reply)
        deadline_ns = self._bosh.deadline_ns
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._bosh.is_over:
            self._endpoint.forget(self._sid)
            self._session.connection_lost()
        elif deadline_ns is not None:
            delay_s = max(0, deadline_ns - self._gateway.clock()) / 1e9
            self._timer = self._gateway.loop.call_later(delay_s, self._check)

    def _check(self) -> None:
        self._bosh.check(self._gateway.clock())
        self._settle()

    # What the session calls (session.Transport).

    @property
    def buffered_bytes(self) -> int:
        """As session.Transport."""
        return self._bosh.queued_bytes

    def write(self, messages: list[bytes]) -> None:
        """As session.Transport."""
        payloads = [message for message in messages if message]  # a header is none here
        if payloads:
            self._has_error = payloads[-1].startswith(STREAM_ERROR)
            self._bosh.write(payloads)
            self._release_soon()

    def pause_reading(self) -> None:
        """
        As session.Transport, where the stream is behind with what it was sent.

        A client that is behind with reading is heard: it reads by its requests, and would wait for ever otherwise.
        """
        if self._session.stream.is_backlogged:
            self._bosh.is_reading = False
        else:
            self.resume_reading()

    def resume_reading(self) -> None:
        """As session.Transport."""
        if not self._bosh.is_reading:
            self._bosh.is_reading = True
            self._gateway.loop.call_soon(self._take)

    def start_tls(self) -> None:
        """As session.Transport; never called, since STARTTLS is not offered here."""
        raise AssertionError("TLS is a matter of HTTP")

    def close(self) -> None:
        """As session.Transport: the client is told by the oldest request it waits for, or by its next."""
        self._bosh.end("remote-stream-error" if self._has_error else "")
        if not self._bosh.is_over:
            self._endpoint.ended(self._sid)
        self._session.connection_lost()
        self._settle()

    def abort(self) -> None:
        """As session.Transport."""
        self._bosh.abort()
        self._settle()


async def read_request(receive: Receive, size_max: int) -> bytes | None:
    """Return the body of an HTTP request; None when it is larger, of which no more is read."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""  # nobody waits for what this would be answered
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > size_max:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client is gone; an HTTP server says nothing else once the request is read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a response of BOSH."""
    headers = [(b"content-type", reply.content_type.encode("ascii")), *_INERT, *_CORS]
    await respond(send, reply.status, headers, reply.body)


async def respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
    """Send an HTTP response, whole."""
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
