"""
One XMPP client connection, made to cost the generator little.

Until it is logged in, a stream is driven by `expect`: wait until what came in matches a pattern. After `take_traffic`,
each read goes to a callback as bytes that end with `>`, so no tag is ever cut; the rest waits for the next read. What
looks for tags by bytes is safe here, because the generator itself wrote every body that travels.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Callable
from typing import cast

from bench.generator.scram import KeyCache, ScramExchange
from bench.task import Endpoint, Mechanism

EXPECT_TIMEOUT_S = 30.0

_FEATURES = re.compile(rb"</stream:features>|<stream:features/>")
_PROCEED = re.compile(rb"<proceed[^>]*>")
_CHALLENGE = re.compile(rb"<challenge[^>]*>([^<]*)</challenge>")
_SUCCESS = re.compile(rb"<success[^>]*/>|<success[^>]*>([^<]*)</success>")
_BOUND = re.compile(rb"<jid[^>]*>([^<]+)</jid>.*?</iq>", re.DOTALL)
_REGISTERED = re.compile(rb"<iq[^>]*\btype=['\"](result|error)['\"][^>]*?(?:/>|>.*?</iq>)", re.DOTALL)
_PRESENCE = re.compile(rb"<presence[^>]*(?:/>|>.*?</presence>)", re.DOTALL)
_ENABLED = re.compile(rb"<enabled[^>]*/?>(?:</enabled>)?")
_REFUSED = re.compile(rb"<(?:stream:error|failure|failed)\b")


class StreamFailedError(Exception):
    """The server ended the stream, refused, or kept silent; the text holds what it said last."""


class NotOfferedError(Exception):
    """The server does not offer what the task asks for."""


class Stream(asyncio.Protocol):
    """
    A client's stream.

    Attributes:
        features: What the server offered last, as bytes.
        on_end: Called when the connection ends after `take_traffic`; ends before raise from `expect`.
    """

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._arrived: asyncio.Future[None] | None = None
        self._on_block: Callable[[bytes], None] | None = None
        self._is_closed = False
        self._last = b""
        self.features = b""
        self.on_end: Callable[[str], None] = lambda _: None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._buffer:
            data = self._buffer + data
        if self._on_block is None:
            self._buffer = data
            self._wake()
            return
        self._last = data
        cut = data.rfind(b">") + 1
        if cut == len(data):
            self._buffer = b""
            self._on_block(data)
        else:
            self._buffer = data[cut:]
            if cut:
                self._on_block(data[:cut])

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._is_closed = True
        self._wake()
        if self._on_block is not None:
            self.on_end(f"connection lost ({exc}), last received: {(self._last + self._buffer)[-300:]!r}")

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    # Talking

    def write(self, data: bytes) -> None:
        """Send bytes; once the connection is lost, which `expect` and `on_end` tell, they go nowhere."""
        assert self._transport is not None
        if not self._is_closed:
            self._transport.write(data)

    async def expect(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        """
        Wait for a pattern and consume all up to its end.

        Raises:
            StreamFailedError: The server refused, ended the stream, or kept silent for half a minute.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(EXPECT_TIMEOUT_S):
                while True:
                    match = pattern.search(self._buffer)
                    if match is not None:
                        self._buffer = self._buffer[match.end() :]
                        return match
                    if self._is_closed or _REFUSED.search(self._buffer):
                        raise StreamFailedError(f"wanted {pattern.pattern!r}, got {self._buffer[-400:]!r}")
                    self._arrived = loop.create_future()
                    await self._arrived
        except TimeoutError:
            raise StreamFailedError(f"no {pattern.pattern!r} in time, only {self._buffer[-400:]!r}") from None

    def take_traffic(self, on_block: Callable[[bytes], None]) -> None:
        """From now on hand all that comes in to a callback."""
        self._on_block = on_block
        if self._buffer:
            held, self._buffer = self._buffer, b""
            self.data_received(held)

    def close(self) -> None:
        """End stream and connection."""
        self._on_block = None
        if self._transport is not None and not self._is_closed:
            self._transport.write(b"</stream:stream>")
            self._transport.close()

    # Negotiation

    async def open(self) -> None:
        """Open the stream, or open it anew, and wait for its features."""
        self._buffer = b""
        self.write(
            f"<?xml version='1.0'?><stream:stream to='{self._domain}' version='1.0' xmlns='jabber:client'"
            f" xmlns:stream='http://etherx.jabber.org/streams'>".encode()
        )
        found = await self.expect(_FEATURES)
        self.features = found.string[: found.end()]

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Negotiate TLS (RFC 6120 section 5) and open the stream anew."""
        self.write(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await self.expect(_PROCEED)
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(self._transport, self, context, server_hostname=self._domain)
        await self.open()

    async def register(self, username: str, password: str) -> None:
        """
        Make the account (XEP-0077 section 3.1); one that exists is left as it is.

        Raises:
            StreamFailedError: The server refused.
        """
        self.write(
            f"<iq type='set' id='reg'><query xmlns='jabber:iq:register'><username>{username}</username>"
            f"<password>{password}</password></query></iq>".encode()
        )
        answer = await self.expect(_REGISTERED)
        if answer[1] == b"error" and b"<conflict" not in answer[0]:
            raise StreamFailedError(f"registration of {username} refused: {answer[0]!r}")

    async def authenticate(self, mechanism: Mechanism, username: str, password: str, cache: KeyCache) -> None:
        """
        Log in (RFC 6120 section 6) and open the stream anew.

        Raises:
            NotOfferedError: The server has no such mechanism.
            StreamFailedError: It refused.
        """
        if f">{mechanism}<".encode() not in self.features:
            raise NotOfferedError(mechanism)
        if mechanism == "PLAIN":
            self._send_auth(mechanism, f"\0{username}\0{password}".encode())
            await self.expect(_SUCCESS)
        else:
            exchange = ScramExchange(mechanism, username, password, cache)
            self._send_auth(mechanism, exchange.first())
            challenge = await self.expect(_CHALLENGE)
            answer = base64.b64encode(exchange.final(base64.b64decode(challenge[1])))
            self.write(b"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + answer + b"</response>")
            success = await self.expect(_SUCCESS)
            exchange.verify(base64.b64decode(success[1] or b""))
        await self.open()

    def _send_auth(self, mechanism: str, initial: bytes) -> None:
        encoded = base64.b64encode(initial).decode()
        self.write(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{encoded}</auth>".encode())

    async def bind(self, resource: str) -> str:
        """Bind a resource (RFC 6120 section 7); return the full JID."""
        self.write(
            f"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource>"
            f"</bind></iq>".encode()
        )
        return (await self.expect(_BOUND))[1].decode()

    async def become_available(self) -> None:
        """Broadcast presence and wait for the copy that the server sends back (RFC 6121 section 4.2.2)."""
        self.write(b"<presence/>")
        await self.expect(_PRESENCE)

    async def enable_management(self) -> None:
        """Turn stream management on (XEP-0198 section 3), without resumption."""
        self.write(b"<enable xmlns='urn:xmpp:sm:3'/>")
        await self.expect(_ENABLED)


def insecure_context() -> ssl.SSLContext:
    """Return a TLS context for servers on loopback with certificates of their own making: it trusts any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def connect(endpoint: Endpoint, domain: str, context: ssl.SSLContext | None) -> Stream:
    """Connect and open a stream, over TLS if a context is given."""
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(lambda: Stream(domain), endpoint.host, endpoint.port)
    await stream.open()
    if context is not None:
        await stream.start_tls(context)
    return stream
