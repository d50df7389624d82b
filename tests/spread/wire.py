"""Clients on sockets that keep what they are sent as it was written, and the witnesses of nodes."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from xml.etree import ElementTree as ET
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from integration.xmpp_raw import NS_SM, STANZA_TAGS, RawClient, StreamEndedError

OWN_ID = "spread-"
"""Begins the ids of what this harness asks; no test sees the answers."""
QUESTION = "<iq type='get' id='{}'><query xmlns='jabber:iq:private'><nothing xmlns='urn:raftline:spread'/></query></iq>"
"""Has no effect, and is answered from the node's replica once all that the stream has sent has its outcome."""
PING = "<iq type='get' id='{}' to={}><ping xmlns='urn:xmpp:ping'/></iq>"
SETTLE_TIMEOUT_S = 30.0


class Slicer:
    """Cuts a stream's bytes into its children."""

    def __init__(self) -> None:
        self.children: deque[bytes] = deque()
        self._data = b""
        self._offset = 0
        self._depth = 0
        self._begin = 0
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._cuts: list[tuple[int, int]] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data
        self._parser.Parse(data, False)
        for begin, end in self._cuts:
            self.children.append(self._data[begin - self._offset : end - self._offset])
        if self._cuts:
            used = self._cuts[-1][1] - self._offset
            self._data, self._offset = self._data[used:], self._offset + used
            self._cuts.clear()

    def _start(self, _name: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2:
            self._begin = self._parser.CurrentByteIndex

    def _end(self, name: str) -> None:
        if self._depth == 2:
            # Before the end tag, if there is one, else behind the whole element.
            end = self._parser.CurrentByteIndex
            tag = f"</{name}".encode()
            if self._data.startswith(tag, end - self._offset):
                end = self._data.index(b">", end - self._offset) + 1 + self._offset
            self._cuts.append((self._begin, end))
        self._depth -= 1


class WireClient(RawClient):
    """
    A client whose stanzas are kept as bytes.

    Attributes:
        node_id: Where it is connected.
        arrived: Stanzas since they were last taken, but for answers to this harness.
        answers: To this harness, by id.
    """

    _ids = itertools.count(1)

    def __init__(self, node_id: int, domain: str) -> None:
        self._slicer = Slicer()
        super().__init__(domain)
        self.language = ""
        self.node_id = node_id
        self.arrived: list[bytes] = []
        self.answers: dict[str, ET.Element] = {}

    async def log_in_plainly(
        self, port: int, username: str, password: str, resource: str, *, is_managed: bool = False
    ) -> None:
        """Connect, authenticate and bind, with stream management if asked to; then read in the background."""
        try:
            await self.connect(port)
            await self.authenticate(username, password)
            await self.bind(resource)
            if is_managed:
                await self.enable()
        except BaseException:
            await self.close()
            raise
        self.start_pump()

    async def request(self, stanza: str, stanza_id: str) -> ET.Element | None:
        """Send a request of this harness, and return the answer; None if the stream ends first."""
        self.write(stanza)
        await self._wait(lambda: stanza_id in self.answers, SETTLE_TIMEOUT_S)
        return self.answers.pop(stanza_id, None)

    def own_id(self) -> str:
        """Return an id for a request of this harness."""
        return f"{OWN_ID}{next(self._ids)}"

    async def settle(self) -> bool:
        """
        Wait until all that was sent has its outcome, and what is on its way to the client arrived.

        Returns: False if the stream ended instead.
        """
        own_id = self.own_id()
        answer = await self.request(QUESTION.format(own_id), own_id)
        if answer is not None and self._is_counting:
            self.write(f"<a xmlns='{NS_SM}' h='{self.received_count}'/>")
        return answer is not None

    def _start_parser(self) -> None:
        super()._start_parser()
        self._slicer = Slicer()

    async def _read_socket(self, timeout_s: float | None) -> bytes:
        data = await super()._read_socket(timeout_s)
        self._slicer.feed(data)
        return data

    async def read_element(self, timeout_s: float | None = SETTLE_TIMEOUT_S) -> ET.Element:
        element = await super().read_element(timeout_s)
        self._last = self._slicer.children.popleft()
        return element

    def _take(self, element: ET.Element) -> None:
        if element.tag not in STANZA_TAGS:
            super()._take(element)
            return
        self.received_count += 1
        stanza_id = element.get("id", "")
        if stanza_id.startswith(OWN_ID) and element.get("type") in {"result", "error"}:
            self.answers[stanza_id] = element
        else:
            self.arrived.append(self._last)


class Witness(WireClient):
    """
    A client of one node that exchanges requests with those of the others.

    They travel as off-log stanzas do: behind those that left before, and no further than the receiving node once it
    has applied what the sending one had. So an answer says that both is so.
    """

    def _take(self, element: ET.Element) -> None:
        if element.get("type") == "get":
            self.write(
                f"<iq type='result' id={quoteattr(element.get('id', ''))} to={quoteattr(element.get('from', ''))}/>"
            )
        else:
            super()._take(element)

    async def visit(self, others: list[Witness]) -> None:
        """Exchange a request with each of the others."""

        async def ping(other: Witness) -> None:
            own_id = self.own_id()
            answer = await self.request(PING.format(own_id, quoteattr(other.jid)), own_id)
            if answer is None:
                raise StreamEndedError(f"the witness of node {self.node_id} is gone: {self.stream_error}")
            assert answer.get("type") == "result", ET.tostring(answer)

        await asyncio.gather(*(ping(other) for other in others if other is not self))
