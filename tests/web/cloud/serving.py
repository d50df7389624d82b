"""The Cloud API as an ASGI application that tests speak to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import httpx2

from raftline.node.door import Node
from raftline.web.cloud.call import Edge, Endpoint
from raftline.web.cloud.endpoints import ENDPOINTS
from raftline.web.cloud.routing import Cloud
from web.cloud.door import TOKEN, CloudDoor

WALL_MS = 1_700_000_000_000


class Chance:
    """Counts, so that what is drawn can be told."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, count: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(count)


def client_of(
    door: CloudDoor,
    token: str | None = TOKEN,
    *,
    endpoints: Iterable[Endpoint] = ENDPOINTS,
    version: str = "v26.0",
    **edge: Any,
) -> httpx2.AsyncClient:
    """Return a client; further arguments are fields of `Edge`."""
    cloud = Cloud(Edge(cast("Node", door), edge.pop("entropy", Chance()), lambda: WALL_MS, **edge), endpoints)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx2.ASGITransport(cloud, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=f"http://test/{version}", headers=headers)


def error_of(response: httpx2.Response, status: int) -> dict[str, Any]:
    """Return the error of an answer, after a look at its form and its HTTP status."""
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["message"].startswith(f"(#{error['code']})")
    assert error["type"] == "OAuthException"
    assert error["error_data"]["messaging_product"] == "whatsapp"
    assert error["error_data"]["details"]
    assert error["fbtrace_id"]
    return error
