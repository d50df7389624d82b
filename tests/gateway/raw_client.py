"""A client that writes XML by hand, over TCP, TLS or WebSocket."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import scramp

from xmpp_core.playbook import HEADER, PASSWORD, auth, bind_request, payload, response

DEADLINE_S = 10


class RawClient:
    """
    One TCP connection.

    Attributes:
        seen: Everything that came and was not read by `read_until`.
        features: What was offered when the stream was opened last.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.seen = b""
        self.features = b""

    @classmethod
    async def connect(cls, port: int, *, tls: ssl.SSLContext | None = None) -> RawClient:
        host = {"server_hostname": "localhost"} if tls else {}
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, **host))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_until(self, *needles: bytes) -> bytes:
        """Read until one of the texts has come; return everything up to its end."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                ends = [self.seen.index(needle) + len(needle) for needle in needles if needle in self.seen]
                if ends:
                    end = min(ends)
                    data, self.seen = self.seen[:end], self.seen[end:]
                    return data
                more = await self.reader.read(65_536)
                assert more, f"the connection ended before {needles}: {self.seen!r}"
                self.seen += more

    async def read_to_end(self) -> bytes:
        """Read until the server has ended the connection."""
        async with asyncio.timeout(DEADLINE_S):
            while more := await self.reader.read(65_536):
                self.seen += more
        data, self.seen = self.seen, b""
        return data

    async def exchange(self, data: bytes, *needles: bytes) -> bytes:
        self.send(data)
        return await self.read_until(*needles)

    async def open(self) -> bytes:
        self.features = await self.exchange(HEADER, b"</stream:features>")
        return self.features

    async def start_tls(self, context: ssl.SSLContext) -> None:
        await self.exchange(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b"<proceed", b">")
        await self.read_until(b"/>")
        async with asyncio.timeout(DEADLINE_S):
            await self.writer.start_tls(context, server_hostname="localhost")

    async def authenticate(self, name: str = "alice", password: str = PASSWORD) -> bytes:
        client = scramp.ScramClient(["SCRAM-SHA-256"], name, password)
        challenge = await self.exchange(
            auth("SCRAM-SHA-256", client.get_client_first().encode()), b"</challenge>", b"</failure>"
        )
        client.set_server_first(payload(challenge).decode())
        return await self.exchange(response(client.get_client_final().encode()), b"</success>", b"</failure>")

    async def log_in(self, name: str = "alice", resource: str = "home") -> RawClient:
        assert b"<success" in await self.authenticate(name)
        await self.open()
        assert b"<jid>" in await self.exchange(bind_request(resource), b"</iq>")
        return self

    async def enable_management(self) -> None:
        await self.exchange(b"<enable xmlns='urn:xmpp:sm:3'/>", b"<enabled xmlns='urn:xmpp:sm:3'/>")

    def close(self) -> None:
        self.writer.close()


async def until(condition: Any) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # conditions of all kinds, none with an event
            await asyncio.sleep(0.002)
