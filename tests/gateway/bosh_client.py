"""A client over BOSH that writes XML by hand (XEP-0124, XEP-0206)."""

from __future__ import annotations

import asyncio
import random
from base64 import b64decode
from collections import deque
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

import httpx2
import scramp

from xmpp_core.playbook import PASSWORD, auth, bind_request, response

BOSH = "http://jabber.org/protocol/httpbind"
XBOSH = "urn:xmpp:xbosh"
DEADLINE_S = 20


class SessionEnded(Exception):
    """The server ended the session; the text is the condition, empty for none."""


class BoshClient:
    """
    One session.

    Attributes:
        greeting: The session creation response.
        payloads: What came and was not taken by `receive`, oldest first.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx2.AsyncClient(timeout=DEADLINE_S)
        self.sid = ""
        self.rid = random.randrange(1, 2**40)
        self.jid = ""
        self.greeting = ET.Element("none")
        self.payloads: deque[ET.Element] = deque()
        self._pending: deque[asyncio.Task[httpx2.Response]] = deque()

    def body(self, payloads: bytes = b"", **attributes: Any) -> bytes:
        """Write the next request."""
        self.rid += 1
        named: dict[str, Any] = {"rid": self.rid, **({"sid": self.sid} if self.sid else {}), **attributes}
        text = "".join(f" {name.replace('_', ':')}={quoteattr(str(value))}" for name, value in named.items())
        return f"<body xmlns='{BOSH}' xmlns:xmpp='{XBOSH}'{text}>".encode() + payloads + b"</body>"

    async def post(self, data: bytes) -> httpx2.Response:
        """Make one HTTP request."""
        return await self.http.post(self.url, content=data, headers={"Content-Type": "text/xml; charset=utf-8"})

    async def post_xml(self, data: bytes) -> ET.Element:
        """Make one HTTP request; return the body of the response."""
        return ET.fromstring((await self.post(data)).text)

    def send(self, payloads: bytes = b"", **attributes: Any) -> None:
        """Make a request of this session and go on; `receive` takes its answer."""
        task = asyncio.ensure_future(self.post(self.body(payloads, **attributes)))
        self._pending.append(task)

    async def receive(self) -> ET.Element:
        """
        Return the next payload, asking for one if nothing is under way.

        Raises:
            SessionEnded: By the server; payloads that came with it are in `payloads`.
        """
        while not self.payloads:
            if not self._pending:
                self.send()
            async with asyncio.timeout(DEADLINE_S):
                answer = await self._pending.popleft()
            self._take(answer)
        return self.payloads.popleft()

    def _take(self, answer: httpx2.Response) -> None:
        assert answer.status_code == 200, answer.text
        root = ET.fromstring(answer.text)
        self.payloads.extend(root)
        if root.get("type") == "terminate":
            raise SessionEnded(root.get("condition", ""))

    async def receive_until(self, tag: str) -> ET.Element:
        """Return the next payload whose tag ends so, and drop those before it."""
        while not (payload := await self.receive()).tag.endswith(tag):
            pass
        return payload

    async def open(self, **attributes: Any) -> ET.Element:
        """Create the session; return the features."""
        asked = {"to": "localhost", "wait": 15, "hold": 1, "ver": "1.6", "xmpp_version": "1.0"} | attributes
        self._take(answer := await self.post(self.body(**asked)))
        self.greeting = ET.fromstring(answer.text)
        self.sid = self.greeting.get("sid", "")
        return await self.receive()

    async def authenticate(self, name: str = "alice", password: str = PASSWORD) -> ET.Element:
        """Go through SCRAM, and begin the stream anew; return the features."""
        client = scramp.ScramClient(["SCRAM-SHA-256"], name, password)
        self.send(auth("SCRAM-SHA-256", client.get_client_first().encode()))
        client.set_server_first(b64decode((await self.receive_until("}challenge")).text or "").decode())
        self.send(response(client.get_client_final().encode()))
        success = await self.receive()
        assert success.tag.endswith("}success"), success.tag
        client.set_server_final(b64decode(success.text or "").decode())
        self.send(xmpp_restart="true", to="localhost")
        return await self.receive_until("}features")

    async def log_in(self, name: str = "alice", resource: str = "web", password: str = PASSWORD) -> BoshClient:
        """Do everything up to a bound resource."""
        await self.open()
        await self.authenticate(name, password)
        self.send(bind_request(resource))
        bound = await self.receive_until("}iq")
        self.jid = "".join(bound.itertext())
        assert self.jid.endswith(f"/{resource}")
        return self

    async def close(self) -> None:
        """Let go of everything, without a word."""
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
        await self.http.aclose()
