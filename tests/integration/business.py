"""A business on a cluster, and an unmodified library for WhatsApp's API (pywa) that speaks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pywa
import pywa_async

from integration.cluster_process import Cluster

VERSION = "v26.0"


@dataclass(frozen=True)
class Business:
    """What `POST /admin/v1/businesses` tells."""

    app_id: str
    app_secret: str
    waba_id: str
    phone_number_id: str
    token: str
    jid: str


async def create_business(cluster: Cluster, name: str, number: str, **fields: Any) -> Business:
    """Create a business with a number."""
    headers = {"Authorization": f"Bearer {cluster.description()['admin_token']}"}
    async with httpx2.AsyncClient(base_url=http_url(cluster, 1), headers=headers) as client:
        response = await client.post("/admin/v1/businesses", json={"name": name, "number": number, **fields})
    assert response.status_code == 201, response.text
    said = response.json()
    return Business(**{name: said[name] for name in Business.__dataclass_fields__})


def http_url(cluster: Cluster, node_id: int) -> str:
    """Return where a node serves HTTP."""
    return f"http://127.0.0.1:{cluster.node(node_id).http}"


@contextmanager
def sync_client(cluster: Cluster, business: Business, node_id: int = 1) -> Iterator[pywa.WhatsApp]:
    """A client that blocks, for threads, with the one line that a program has to add."""
    client = pywa.WhatsApp(phone_id=business.phone_number_id, token=business.token, waba_id=business.waba_id)
    session = client.api._session
    session.base_url = f"{http_url(cluster, node_id)}/{VERSION}"
    with session:
        yield client


@asynccontextmanager
async def async_client(cluster: Cluster, business: Business, node_id: int = 1) -> AsyncIterator[pywa_async.WhatsApp]:
    """A client for the event loop, likewise."""
    client = pywa_async.WhatsApp(phone_id=business.phone_number_id, token=business.token, waba_id=business.waba_id)
    session = client.api._session
    session.base_url = f"{http_url(cluster, node_id)}/{VERSION}"
    async with session:
        yield client
