"""
A client over WebSocket (RFC 7395) that writes messages, and notes when each was acknowledged (XEP-0198) or arrived.

It does what the measurement needs and no more: one resource, stream management without resumption, no roster.
"""

from __future__ import annotations

import ssl
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable
from typing import Final

import scramp  # type: ignore[import-untyped]
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from raftline.xmpp.element import Element, escape_attribute, escape_text
from raftline.xmpp.xmlstream import StreamFailed, parse_element

MECHANISM: Final = "SCRAM-SHA-256"
PATH: Final = "/xmpp-websocket"

_OPEN_TIMEOUT_S: Final = 10.0
_SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"
_BIND: Final = "urn:ietf:params:xml:ns:xmpp-bind"
_FRAMING: Final = "urn:ietf:params:xml:ns:xmpp-framing"
_SM: Final = "urn:xmpp:sm:3"
_STANZAS: Final = frozenset({"message", "presence", "iq"})


class ChatterError(Exception):
    """The server cannot be reached, ended the stream, or answered something that was not to be expected."""


class Chatter:
    """
    One client.

    Args:
        base_url: Of a node, such as https://one.example.org:5443.
        trust: For https.
        now_ns: Monotonic.

    Attributes:
        on_acknowledged: Told the id of each message that the servers took over, and when.
        on_arrived: Told the id of each message that arrived, and when.
        on_refused: Told the id of each message that came back as an error.
    """

    def __init__(self, base_url: str, trust: ssl.SSLContext | bool, *, now_ns: Callable[[], int]) -> None:
        self._url = "ws" + base_url.removeprefix("http") + PATH
        self._ssl = trust if self._url.startswith("wss:") else None
        self._now_ns = now_ns
        self._connection: ClientConnection | None = None
        self._sent: deque[str] = deque()
        self._acknowledged_count = self._received_count = 0
        self.on_acknowledged: Callable[[str, int], None] = lambda _id, _ns: None
        self.on_arrived: Callable[[str, int], None] = lambda _id, _ns: None
        self.on_refused: Callable[[str], None] = lambda _id: None

    async def log_in(self, address: str, password: str) -> None:
        """
        Connect, log in, bind a resource, turn stream management on and become available.

        Raises:
            ChatterError: It does not get that far.
        """
        name, _, domain = address.partition("@")
        try:
            self._connection = await connect(
                self._url, subprotocols=[Subprotocol("xmpp")], ssl=self._ssl, open_timeout=_OPEN_TIMEOUT_S, proxy=None
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise ChatterError(f"{self._url}: {error}") from error
        await self._open(domain)
        scram = scramp.ScramClient([MECHANISM], name, password)
        first = b64encode(scram.get_client_first().encode()).decode()
        await self._send(f"<auth xmlns='{_SASL}' mechanism='{MECHANISM}'>{first}</auth>")
        scram.set_server_first(b64decode((await self._expect("challenge")).text).decode())
        final = b64encode(scram.get_client_final().encode()).decode()
        await self._send(f"<response xmlns='{_SASL}'>{final}</response>")
        scram.set_server_final(b64decode((await self._expect("success")).text).decode())
        await self._open(domain)
        await self._send(f"<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='{_BIND}'/></iq>")
        bound = await self._expect("iq")
        if bound.get("type") != "result":
            raise ChatterError(f"no resource: {bound.serialize('')}")
        await self._send(f"<enable xmlns='{_SM}'/>")
        await self._expect("enabled")
        await self._stanza("<presence xmlns='jabber:client'/>", "")

    async def write(self, to: str, message_id: str, body: str) -> None:
        """
        Send a message and ask for its acknowledgement.

        Raises:
            ChatterError: The connection is lost.
        """
        head = f"<message xmlns='jabber:client' type='chat' to='{escape_attribute(to)}' id='{message_id}'>"
        await self._stanza(f"{head}<body>{escape_text(body)}</body></message>", message_id)
        await self._send(f"<r xmlns='{_SM}'/>")

    async def listen(self) -> None:
        """
        Take what comes, until cancelled.

        Raises:
            ChatterError: The stream ended.
        """
        while True:
            if self._take(await self._receive()):
                await self._send(f"<a xmlns='{_SM}' h='{self._received_count}'/>")

    async def close(self) -> None:
        """Log out; nothing is said if that does not work any more."""
        if self._connection is not None:
            try:
                await self._connection.send(f"<close xmlns='{_FRAMING}'/>")
            except ConnectionClosed:
                return  # there is nothing left to close
            await self._connection.close()

    def _take(self, element: Element) -> bool:
        """Take one element; say whether it asks for an acknowledgement."""
        now_ns = self._now_ns()
        if element.namespace == _SM:
            if element.name == "a":
                self._acknowledged(int(element.get("h") or 0), now_ns)
            return element.name == "r"
        if element.name not in _STANZAS:
            raise ChatterError(f"the server ended the stream: {element.serialize('')}")
        self._received_count += 1
        message_id = element.get("id") or ""
        if element.name == "message" and element.get("type") == "error":
            self.on_refused(message_id)
        elif element.name == "message":
            self.on_arrived(message_id, now_ns)
        return False

    def _acknowledged(self, count: int, now_ns: int) -> None:
        while self._acknowledged_count < count and self._sent:
            self._acknowledged_count += 1
            message_id = self._sent.popleft()
            if message_id:
                self.on_acknowledged(message_id, now_ns)

    async def _open(self, domain: str) -> None:
        await self._send(f"<open xmlns='{_FRAMING}' to='{escape_attribute(domain)}' version='1.0'/>")
        await self._expect("open")
        await self._expect("features")

    async def _stanza(self, text: str, message_id: str) -> None:
        self._sent.append(message_id)
        await self._send(text)

    async def _expect(self, name: str) -> Element:
        element = await self._receive()
        if element.name != name:
            raise ChatterError(f"{element.serialize('')} came for <{name}/>")
        return element

    async def _send(self, text: str) -> None:
        assert self._connection is not None, "not connected"
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise ChatterError(f"{self._url} is lost: {error}") from error

    async def _receive(self) -> Element:
        assert self._connection is not None, "not connected"
        try:
            frame = await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise ChatterError(f"{self._url} is lost: {error}") from error
        received = parse_element(frame)
        if isinstance(received, StreamFailed):
            raise ChatterError(f"{self._url} sent what is no XML: {received.condition}")
        return received.element
