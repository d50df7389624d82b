"""A gateway on loopback in front of a system in memory."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from fakes.fake_node import FakeNode
from gateway.certificates import make_contexts
from gateway.raw_client import RawClient
from gateway.upload_server import Server, serve
from raftline.gateway.server import Gateway, GatewaySettings
from xmpp_core.playbook import CREDENTIALS, MODULES

Start = Callable[..., Awaitable["Service"]]


class Service:
    """A gateway that listens, and its system."""

    def __init__(self, node: FakeNode, gateway: Gateway, port: int, tls_port: int, client_tls: ssl.SSLContext) -> None:
        self.node = node
        self.gateway = gateway
        self.port = port
        self.tls_port = tls_port
        self.client_tls = client_tls
        self.clients: list[RawClient] = []

    async def connect(self, *, direct_tls: bool = False) -> RawClient:
        port, tls = (self.tls_port, self.client_tls) if direct_tls else (self.port, None)
        client = await RawClient.connect(port, tls=tls)
        self.clients.append(client)
        return client

    async def log_in(self, name: str = "alice", resource: str = "home") -> RawClient:
        client = await self.connect()
        await client.open()
        return await client.log_in(name, resource)


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Any]:
    """Run on the loop that nodes run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def tls_contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    folder: Path = tmp_path_factory.mktemp("tls")
    return make_contexts(folder)


@pytest_asyncio.fixture
async def start(tls_contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[Start]:
    """Start gateways; end them, and their clients, after the test."""
    services: list[Service] = []

    async def start_service(
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] = tls_contexts,
        node: FakeNode | None = None,
        **settings: Any,
    ) -> Service:
        node = node or FakeNode()
        node.accounts = {"alice": CREDENTIALS, "bob": CREDENTIALS}
        chosen = {"allow_plaintext": True, "open_registration": True, "close_timeout_ms": 1_000} | settings
        gateway = Gateway(
            node,
            GatewaySettings("localhost", **chosen),
            MODULES,
            clock=clock,
            entropy=os.urandom,
            tls_context=tls[0],
        )
        port = await gateway.listen("127.0.0.1", 0, direct_tls=False)
        tls_port = await gateway.listen("127.0.0.1", 0, direct_tls=True)
        service = Service(node, gateway, port, tls_port, tls[1])
        services.append(service)
        return service

    yield start_service
    for service in services:
        for client in service.clients:
            client.close()
        service.node.release()
        await service.gateway.close()


@pytest_asyncio.fixture
async def service(start: Start) -> Service:
    return await start()


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A node with one account, and its endpoint for uploads on a port."""
    async with serve(tmp_path) as server:
        yield server
