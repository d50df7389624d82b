"""
A raw client whose session outlives its connections (XEP-0198 section 5).

It keeps what it sent until that is acknowledged, and sends again after a resumption what the server had not counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from bench.generator.scram import KeyCache
from integration.xmpp_raw import NS_CLIENT, NS_SID, NS_SM, RawClient, StreamEndedError, condition_of

NS_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
ATTEMPT_TIMEOUT_S = 3.0
RESUME_TIMEOUT_S = 30.0
RETRY_PAUSE_S = 0.02


class ResumptionFailedError(Exception):
    """The server answered `<failed/>`; the text is its condition."""


class Resumer:
    """
    One session.

    Attributes:
        stream: The connection it lives on now.
        unacknowledged: Stanzas sent that no `h` covers, with their numbers.
        own_address: Address to connect from, at the next resumption; empty leaves it to the system.
        resend_count: Stanzas that were sent again after resumptions.
    """

    def __init__(self, username: str, password: str, resource: str = "raw") -> None:
        self.username = username
        self.password = password
        self.resource = resource
        self.stream = RawClient()
        self._keys = KeyCache()
        self.own_address = ""
        self.jid = ""
        self.resumption_id = ""
        self.enabled = ET.Element("none")
        self.unacknowledged: deque[tuple[int, str]] = deque()
        self.sent_count = 0
        self.resend_count = 0
        self.on_stanza: Callable[[ET.Element], None] = lambda _: None
        self.former: list[RawClient] = []

    async def log_in(self, port: int) -> None:
        """Bind, and turn stream management on with resumption."""
        stream = self.stream
        await stream.connect(port)
        await stream.authenticate_again(self.username, self.password, self._keys)
        await stream.bind(self.resource)
        stream.write(f"<enable xmlns='{NS_SM}' resume='true'/>")
        self.enabled = await stream.read_element()
        assert self.enabled.tag == f"{{{NS_SM}}}enabled", ET.tostring(self.enabled)
        self.resumption_id = self.enabled.get("id", "")
        self._start(stream)
        self.jid = stream.jid

    def _start(self, stream: RawClient) -> None:
        stream.on_stanza = self.on_stanza
        stream.on_ack = self._acknowledged
        stream.start_pump()

    def _acknowledged(self, count: int) -> None:
        while self.unacknowledged and self.unacknowledged[0][0] <= count:
            self.unacknowledged.popleft()

    def send(self, stanza: str, *, asks: bool = True) -> None:
        """Send a stanza, and again after a resumption unless it was counted."""
        self.sent_count += 1
        self.unacknowledged.append((self.sent_count, stanza))
        self.stream.write(stanza + (f"<r xmlns='{NS_SM}'/>" if asks else ""))

    async def is_acknowledged(self) -> bool:
        """Probe: everything sent is covered by the server's count."""
        return not self.unacknowledged

    def abandon(self) -> RawClient:
        """Take no notice any more of what comes on the present connection, and return it."""
        former = self.stream
        former.on_stanza = lambda _: None
        former.on_ack = lambda _: None
        self.former.append(former)
        return former

    async def resume(self, ports: list[int]) -> None:
        """
        Continue on whichever of the ports takes the session first.

        Raises:
            ResumptionFailedError: A server says that it cannot be.
        """
        former = self.abandon()
        async with asyncio.timeout(RESUME_TIMEOUT_S):
            attempt = 0
            while not await self._try_to_resume(former.received_count, ports[attempt % len(ports)]):
                attempt += 1
                await asyncio.sleep(RETRY_PAUSE_S)

    async def _try_to_resume(self, received_count: int, port: int) -> bool:
        stream = RawClient()
        stream.own_address = self.own_address
        stream.received_count = received_count
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                await stream.connect(port)
                await stream.authenticate_again(self.username, self.password, self._keys)
                stream.write(f"<resume xmlns='{NS_SM}' h='{received_count}' previd={quoteattr(self.resumption_id)}/>")
                answer = await stream.read_element()
        except (OSError, StreamEndedError, TimeoutError):
            await stream.close()
            return False
        if answer.tag == f"{{{NS_SM}}}failed":
            await stream.close()
            raise ResumptionFailedError(condition_of(answer, NS_STANZAS))
        if answer.tag != f"{{{NS_SM}}}resumed":  # the stream error of a node that cannot serve now
            await stream.close()
            return False
        assert answer.get("previd") == self.resumption_id
        self._acknowledged(int(answer.get("h", "")))
        self.stream = stream
        self._start(stream)
        for _, stanza in self.unacknowledged:
            stream.write(stanza)
        stream.write(f"<r xmlns='{NS_SM}'/>")
        self.resend_count += len(self.unacknowledged)
        return True

    async def close(self) -> None:
        """Close all its connections without a word."""
        for stream in (*self.former, self.stream):
            await stream.close()


class ResumingChatter(Resumer):
    """
    A user who writes numbered messages to one partner, and whose one session outlives every node; as `Chatter`.

    Args:
        ports: Of all nodes, as they are now; the first one is where it logs in.
    """

    def __init__(self, username: str, password: str, partner: str, ports: Callable[[], list[int]]) -> None:
        super().__init__(username, password)
        self.partner = partner
        self.numbers: dict[str, int] = {}
        self.shown: dict[str, str] = {}
        self.repeat_count = 0
        self.move_count = 0
        self.on_stanza = self._take
        self._ports = ports
        self._is_closing = False

    @property
    def acknowledged(self) -> set[str]:
        """Origin-ids of messages that the servers acknowledged."""
        waiting = {stanza for _, stanza in self.unacknowledged}
        return {origin_id for origin_id in self.numbers if self._message(origin_id) not in waiting}

    @property
    def unacknowledged_count(self) -> int:
        """Stanzas sent and not acknowledged yet."""
        return len(self.unacknowledged)

    async def run(self) -> None:
        """Stay connected until `close`: on the end of a stream resume on whichever node takes the session."""
        await self.log_in(self._ports()[0])
        self.send("<presence/>")
        for origin_id in self.numbers:
            self.send(self._message(origin_id))
        while True:
            await self.stream.wait_end(None)
            if self._is_closing:
                return
            self.move_count += 1
            ports = self._ports()
            turn = self.move_count % len(ports)
            await self.resume(ports[turn:] + ports[:turn])

    async def close(self) -> None:
        """Log out for good."""
        self._is_closing = True
        self.stream.write("</stream:stream>")
        await self.stream.wait_end(RESUME_TIMEOUT_S)
        await super().close()

    def write(self) -> None:
        """Write the next message; without a connection it waits for one."""
        number = len(self.numbers)
        origin_id = f"{self.username}-{number}"
        self.numbers[origin_id] = number
        if self.jid:
            self.send(self._message(origin_id))

    def _message(self, origin_id: str) -> str:
        body = origin_id.replace("-", " says ")
        return (
            f"<message to='{self.partner}' type='chat' id='{origin_id}'><body>{body}</body>"
            f"<origin-id xmlns='{NS_SID}' id='{origin_id}'/></message>"
        )

    def _take(self, stanza: ET.Element) -> None:
        body, stanza_id = stanza.findtext(f"{{{NS_CLIENT}}}body"), stanza.find(f"{{{NS_SID}}}stanza-id")
        if body is None or stanza_id is None:
            return
        known = self.shown.get(stanza_id.get("id", ""))
        if known is not None:
            assert known == body, "one stanza id, two bodies"
            self.repeat_count += 1
        self.shown[stanza_id.get("id", "")] = body
