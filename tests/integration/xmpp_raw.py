"""
A thin XMPP client on a bare socket, for tests that need to see and to write every byte.

It writes XML by hand and counts stanzas itself, so a test can say exactly which of them an `<a h/>` covers (XEP-0198
section 4), send what no library would, and put a server under load at little cost of its own.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from scramp import ScramClient

from bench.generator.scram import KeyCache, ScramExchange

NS_CLIENT = "jabber:client"
NS_STREAM = "http://etherx.jabber.org/streams"
NS_STREAM_ERROR = "urn:ietf:params:xml:ns:xmpp-streams"
NS_STANZA_ERROR = "urn:ietf:params:xml:ns:xmpp-stanzas"
NS_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
NS_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind"
NS_SM = "urn:xmpp:sm:3"
NS_MAM = "urn:xmpp:mam:2"
NS_RSM = "http://jabber.org/protocol/rsm"
NS_FORWARD = "urn:xmpp:forward:0"
NS_SID = "urn:xmpp:sid:0"
NS_REGISTER = "jabber:iq:register"
STANZA_TAGS = frozenset(f"{{{NS_CLIENT}}}{name}" for name in ("message", "presence", "iq"))
ANSWER_TIMEOUT_S = 20.0
READ_SIZE = 65536


class StreamEndedError(Exception):
    """The stream or its socket is closed; the text holds the stream error's condition, if there was one."""


class RawClient:
    """
    One stream.

    Attributes:
        sent_count: Stanzas sent since `<enable/>`; what `acked_count` is compared with.
        acked_count: The newest `h` of the server.
        stanzas: Received stanzas that no waiter took, oldest first.
        own_address: Address to connect from; empty leaves it to the system.
        language: Of the stream; empty to say nothing of it.
    """

    def __init__(self, domain: str = "localhost") -> None:
        self.domain = domain
        self.own_address = ""
        self.language = "en"
        self.jid = ""
        self.features = ET.Element("none")
        self.sent_count = 0
        self.acked_count = 0
        self.received_count = 0
        self.stanzas: list[ET.Element] = []
        self.stream_error: str | None = None
        self.end_reason = ""
        self.has_stream_closed = False
        self.on_ack: Callable[[int], None] = lambda _: None
        self.on_stanza: Callable[[ET.Element], None] = lambda _: None
        self._is_counting = False
        self._changed = asyncio.Event()
        self._is_over = False
        self._pump: asyncio.Task[None] | None = None
        self._next_id = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- the stream

    async def connect(self, port: int) -> None:
        """Open the socket and the stream, and read the first features."""
        await self.connect_socket(port)
        await self.open_stream()

    async def connect_socket(self, port: int) -> None:
        """Open the socket alone; what is written then is up to the test."""
        own = (self.own_address, 0) if self.own_address else None
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, local_addr=own)
        self._start_parser()

    async def open_stream(self) -> None:
        """Open a stream, or open it anew after TLS or authentication, and read its features."""
        self._start_parser()
        language = f" xml:lang='{self.language}'" if self.language else ""
        self.write(
            f"<?xml version='1.0'?><stream:stream to='{self.domain}' version='1.0'{language} "
            f"xmlns='{NS_CLIENT}' xmlns:stream='{NS_STREAM}'>"
        )
        self.features = await self.read_element()

    def _start_parser(self) -> None:
        self._parser = ET.XMLPullParser(("start", "end"))
        self._depth = 0

    async def start_tls(self, ca_file: Path) -> None:
        """Upgrade by STARTTLS (RFC 6120 section 5); the certificate must be good for the domain."""
        self.write(f"<starttls xmlns='{NS_TLS}'/>")
        proceed = await self.read_element()
        assert proceed.tag == f"{{{NS_TLS}}}proceed", proceed.tag
        context = ssl.create_default_context(cafile=str(ca_file))
        await self._writer.start_tls(context, server_hostname=self.domain)
        await self.open_stream()

    async def register(self, username: str, password: str) -> ET.Element:
        """Ask for an account before authentication (XEP-0077 section 3.1); returns the answer."""
        self.write(
            f"<iq type='set' id='reg'><query xmlns='{NS_REGISTER}'><username>{escape(username)}</username>"
            f"<password>{escape(password)}</password></query></iq>"
        )
        return await self.read_element()

    async def authenticate(self, username: str, password: str, mechanism: str = "SCRAM-SHA-256") -> None:
        """Log in by SCRAM (RFC 5802, RFC 7677) and open the stream anew."""
        scram = ScramClient([mechanism], username, password)
        first = base64.b64encode(scram.get_client_first().encode()).decode()
        self.write(f"<auth xmlns='{NS_SASL}' mechanism='{mechanism}'>{first}</auth>")
        challenge = await self._read_sasl("challenge")
        scram.set_server_first(challenge)
        final = base64.b64encode(scram.get_client_final().encode()).decode()
        self.write(f"<response xmlns='{NS_SASL}'>{final}</response>")
        scram.set_server_final(await self._read_sasl("success"))
        await self.open_stream()

    async def authenticate_again(self, username: str, password: str, keys: KeyCache) -> None:
        """
        Log in as a device does that keeps what it derived from the password (RFC 5802 section 3).

        A process that is hundreds of devices would measure itself otherwise: each derivation takes milliseconds.
        """
        scram = ScramExchange("SCRAM-SHA-256", username, password, keys)
        first = base64.b64encode(scram.first()).decode()
        self.write(f"<auth xmlns='{NS_SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")
        final = base64.b64encode(scram.final((await self._read_sasl("challenge")).encode())).decode()
        self.write(f"<response xmlns='{NS_SASL}'>{final}</response>")
        scram.verify((await self._read_sasl("success")).encode())
        await self.open_stream()

    async def bind(self, resource: str = "") -> None:
        """Bind a resource (RFC 6120 section 7)."""
        asked = f"<resource>{escape(resource)}</resource>" if resource else ""
        self.write(f"<iq type='set' id='bind'><bind xmlns='{NS_BIND}'>{asked}</bind></iq>")
        answer = await self.read_element()
        assert answer.get("type") == "result", ET.tostring(answer)
        self.jid = answer.findtext(f"{{{NS_BIND}}}bind/{{{NS_BIND}}}jid") or ""

    async def enable(self) -> None:
        """Switch stream management on (XEP-0198 section 3)."""
        self.write(f"<enable xmlns='{NS_SM}'/>")
        self._is_counting = True
        answer = await self.read_element()
        assert answer.tag == f"{{{NS_SM}}}enabled", ET.tostring(answer)

    async def log_in(self, port: int, username: str, password: str, *, resource: str = "") -> None:
        """Connect in plain text, authenticate, bind, enable stream management; then read in the background."""
        await self.connect(port)
        await self.authenticate(username, password)
        await self.bind(resource)
        await self.enable()
        self.start_pump()

    def start_pump(self) -> None:
        """Read in the background: answer `<r/>`, note `<a/>`, keep stanzas."""
        self._pump = asyncio.get_running_loop().create_task(self._run_pump())

    def stop_reading(self) -> None:
        """Leave in the socket whatever comes from now on."""
        assert self._pump is not None
        self._pump.cancel()
        transport = self._writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()

    async def close(self) -> None:
        """Close the socket without a word."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        if hasattr(self, "_writer"):
            self._writer.transport.abort()
            with contextlib.suppress(OSError):  # the other end may be gone already
                await self._writer.wait_closed()

    # -- writing

    def write(self, text: str) -> None:
        """Write XML as it is. What cannot be written is noticed by the reader."""
        self._writer.write(text.encode())

    def send(self, stanza: str) -> int:
        """Write one stanza and count it; returns the count that covers it."""
        self.write(stanza)
        if self._is_counting:
            self.sent_count += 1
        return self.sent_count

    def send_chat(self, to: str, body: str, origin_id: str) -> int:
        """Send a chat message and ask for an acknowledgement; returns the count that covers it."""
        count = self.send(
            f"<message to={quoteattr(to)} type='chat' id={quoteattr(origin_id)}><body>{escape(body)}</body>"
            f"<origin-id xmlns='{NS_SID}' id={quoteattr(origin_id)}/></message>"
        )
        self.write(f"<r xmlns='{NS_SM}'/>")
        return count

    async def ask(self, kind: str, payload: str, to: str = "") -> ET.Element:
        """Send an IQ and wait for its answer (background reading must run)."""
        self._next_id += 1
        stanza_id = f"raw-{self._next_id}"
        target = f" to={quoteattr(to)}" if to else ""
        self.send(f"<iq type='{kind}' id='{stanza_id}'{target}>{payload}</iq>")
        return await self.wait_stanza(lambda stanza: stanza.get("id") == stanza_id)

    # -- reading

    async def read_element(self, timeout_s: float | None = ANSWER_TIMEOUT_S) -> ET.Element:
        """Read the next child of the stream (only while nothing reads in the background)."""
        while True:
            for event, element in self._parser.read_events():
                if event == "start":
                    self._depth += 1
                    if self._depth == 1:
                        self._root = element
                    continue
                self._depth -= 1
                if self._depth == 0:
                    self.has_stream_closed = True
                    raise StreamEndedError(self.stream_error or "closed")
                if self._depth == 1:
                    self._root.clear()
                    return element
            self._parser.feed(await self._read_socket(timeout_s))

    async def _read_socket(self, timeout_s: float | None) -> bytes:
        try:
            data = await asyncio.wait_for(self._reader.read(READ_SIZE), timeout_s)
        except TimeoutError:  # an OSError too
            raise
        except OSError as error:
            raise StreamEndedError(self.stream_error or str(error)) from error
        if not data:
            raise StreamEndedError(self.stream_error or "end of data")
        return data

    async def wait_stanza(
        self, accept: Callable[[ET.Element], bool], timeout_s: float = ANSWER_TIMEOUT_S
    ) -> ET.Element:
        """Wait for a stanza and take it out of `stanzas`."""

        def find() -> ET.Element | None:
            return next((stanza for stanza in self.stanzas if accept(stanza)), None)

        await self._wait(lambda: find() is not None, timeout_s)
        found = find()
        if found is None:
            raise StreamEndedError(self.stream_error or "ended while waiting for a stanza")
        self.stanzas.remove(found)
        return found

    async def wait_acked(self, count: int, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Wait until the server has acknowledged `count` stanzas."""
        await self._wait(lambda: self.acked_count >= count, timeout_s)
        if self.acked_count < count:
            raise StreamEndedError(self.stream_error or "ended while waiting for an acknowledgement")

    async def wait_end(self, timeout_s: float | None) -> str:
        """Wait until the server ends the stream; returns the condition of its error, or an empty string."""
        await self._wait(lambda: False, timeout_s)
        return self.stream_error or ""

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended (while reading in the background)."""
        return self._is_over

    async def _wait(self, predicate: Callable[[], bool], timeout_s: float | None) -> None:
        """Wait until the predicate holds or the stream has ended."""
        async with asyncio.timeout(timeout_s):
            while not predicate() and not self._is_over:
                self._changed.clear()
                await self._changed.wait()

    async def _run_pump(self) -> None:
        try:
            while True:
                self._take(await self.read_element(timeout_s=None))
                self._changed.set()
        except StreamEndedError as error:
            self.end_reason = str(error)
        finally:
            self._is_over = True
            self._changed.set()

    def _take(self, element: ET.Element) -> None:
        if element.tag in STANZA_TAGS:
            self.received_count += 1
            self.stanzas.append(element)
            self.on_stanza(element)
        elif element.tag == f"{{{NS_SM}}}r":
            self.write(f"<a xmlns='{NS_SM}' h='{self.received_count}'/>")
        elif element.tag == f"{{{NS_SM}}}a":
            self.acked_count = int(element.get("h", "0"))
            self.on_ack(self.acked_count)
        elif element.tag == f"{{{NS_STREAM}}}error":
            self.stream_error = condition_of(element, NS_STREAM_ERROR)

    async def _read_sasl(self, expected: str) -> str:
        element = await self.read_element()
        if element.tag != f"{{{NS_SASL}}}{expected}":
            raise StreamEndedError(condition_of(element, NS_SASL))
        return base64.b64decode(element.text or "").decode()


def condition_of(error: ET.Element, namespace: str) -> str:
    """The local name of an error's condition."""
    prefix = f"{{{namespace}}}"
    names = [child.tag.removeprefix(prefix) for child in error if child.tag.startswith(prefix)]
    return next((name for name in names if name != "text"), "")


async def register(port: int, username: str, password: str) -> None:
    """Create an account in band through the node at `port`."""
    async with RawClient() as client:
        await client.connect(port)
        answer = await client.register(username, password)
        assert answer.get("type") == "result", f"registration of {username} refused: {ET.tostring(answer)!r}"
