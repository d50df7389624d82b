"""A Cloud API around a fake door, and a client that speaks to it without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
import pytest_asyncio

from web.cloud.door import CloudDoor
from web.cloud.machine_door import ANN, CloudService
from web.cloud.serving import client_of


@pytest.fixture
def door() -> CloudDoor:
    """Two businesses, and two people."""
    return CloudDoor()


@pytest_asyncio.fixture
async def cloud(door: CloudDoor) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with a token of the first business, under `/v26.0`."""
    async with client_of(door) as client:
        yield client


@pytest.fixture
def service() -> Iterator[CloudService]:
    """A service over the real machine, with the people Ann, who has a number, and Ben, who has a name."""
    made = CloudService(ANN, "ben")
    yield made
    made.door.machine.close()


@pytest_asyncio.fixture
async def shop(service: CloudService) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with a token of Shop, under `/v26.0`."""
    async with service.client() as client:
        yield client
