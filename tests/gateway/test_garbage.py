"""What ended connections leave behind: a node runs for months with a collector that hardly ever looks at all."""

from __future__ import annotations

import gc
from collections import Counter

from gateway.conftest import Service
from gateway.raw_client import RawClient, until
from raftline.gateway.session import ClientSession
from raftline.gateway.tcp import TCPConnection
from raftline.gateway.tls import TLSLayer
from raftline.xmpp.element import Element
from raftline.xmpp.stream import ClientStream
from raftline.xmpp.xmlstream import XMLStreamParser

KINDS = (ClientSession, ClientStream, TCPConnection, TLSLayer, XMLStreamParser, Element)


def alive() -> Counter[str]:
    """Count the objects of a connection that exist."""
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, KINDS))


async def visit(service: Service, *, direct_tls: bool, polite: bool) -> None:
    """Log in, say something, leave."""
    client: RawClient = await service.connect(direct_tls=direct_tls)
    await client.open()
    await client.log_in("alice", "home")
    client.send(b"<message to='bob@localhost' type='chat' id='m'><body>hello</body></message>")
    client.send(b"<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    await client.read_until(b"id='p'")
    if polite:
        client.send(b"</stream:stream>")
        await client.read_to_end()
    client.close()
    await until(lambda: service.gateway.connection_count == 0)


async def test_a_connection_that_ended_is_freed_without_the_collector(service: Service) -> None:
    """Neither parser, stream, session nor transport is held by a cycle of references once the client is gone."""
    kinds_of_leaving = [(False, True), (False, False), (True, True), (True, False)]
    for direct_tls, polite in kinds_of_leaving:  # what is made once is made
        await visit(service, direct_tls=direct_tls, polite=polite)
    service.node.sessions.clear()
    gc.collect()
    gc.disable()
    try:
        before = alive()
        for direct_tls, polite in kinds_of_leaving * 3:
            await visit(service, direct_tls=direct_tls, polite=polite)
        await until(lambda: not service.node.sessions)
        left = alive() - before
    finally:
        gc.enable()
    assert not left, left
