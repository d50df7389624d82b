"""A Cloud API around a fake door, and a client that speaks to it without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from web.cloud.door import CloudDoor
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
