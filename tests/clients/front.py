"""
One address in front of all nodes, as a load balancer or the DNS gives them to clients in production.

Clients keep the one address they were told. A connection goes to the node whose turn it is, or to the next that
answers; what goes through is not looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self

from integration.cluster_process import Cluster

CHUNK_BYTES = 65_536
Acceptor = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


class Front:
    """
    Listens on ports of its own. Use as an asynchronous context manager.

    Args:
        cluster: What stands behind.
        first_node_id: Who gets the connections as long as it lives.
    """

    def __init__(self, cluster: Cluster, first_node_id: int) -> None:
        self._cluster = cluster
        ids = cluster.node_ids
        place = ids.index(first_node_id)
        self._order = ids[place:] + ids[:place]
        self._servers: dict[str, asyncio.Server] = {}
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for name in ("xmpp", "xmpps", "http"):
            self._servers[name] = await asyncio.start_server(self._acceptor(name), "127.0.0.1", 0)
        return self

    async def open_https(self, listener: socket.socket, certificate: Path, key: Path) -> None:
        """Take HTTPS on a socket too: TLS ends here, as at most proxies, and what is in it goes to the nodes' HTTP."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._servers["https"] = await asyncio.start_server(self._acceptor("http"), sock=listener, ssl=context)

    def _acceptor(self, name: str) -> Acceptor:
        """What takes the connections to one of the nodes' ports."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._carry(name, reader, writer))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        return accept

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def xmpp(self) -> int:
        """As device.Door."""
        return self._port("xmpp")

    @property
    def xmpps(self) -> int:
        """As device.Door."""
        return self._port("xmpps")

    @property
    def http(self) -> int:
        """As device.Door."""
        return self._port("http")

    def _port(self, name: str) -> int:
        port: int = self._servers[name].sockets[0].getsockname()[1]
        return port

    async def _carry(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for node_id in self._order:
            port: int = getattr(self._cluster.node(node_id), name)
            try:
                node_reader, node_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            await self._carry_both_ways((reader, node_writer), (node_reader, writer))
            return
        writer.close()

    async def _carry_both_ways(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for source, target in ways:
                    tasks.create_task(copy(source, target))
        finally:
            for _, target in ways:
                target.close()


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Carry bytes until one side ends; the end of either side is the end of both directions."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while chunk := await source.read(CHUNK_BYTES):
            target.write(chunk)
            await target.drain()
    target.close()
