"""
Where clients find this service: `/.well-known/host-meta` and `/.well-known/host-meta.json` (XEP-0156, XEP-0487).

Every node names all nodes, itself first, by the addresses they are reached at. Pages of other sites may read both
files (CORS); nothing else here is theirs to read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from raftline.web.replies import json_reply
from raftline.xmpp.xeps.xep_0156_alternative_connections import (
    BOSH_RELATION,
    WEBSOCKET_RELATION,
    Link,
    jrd_links,
    write_xrd,
)
from raftline.xmpp.xeps.xep_0487_host_meta_2 import HostMeta2, host_meta_2

WEBSOCKET_PATH: Final = "/xmpp-websocket"
BOSH_PATH: Final = "/http-bind"

_CORS: Final = {"Access-Control-Allow-Origin": "*"}


def websocket_url(http_url: str) -> str:
    """Return the address of a node's WebSocket: `https://one:5443` → `wss://one:5443/xmpp-websocket`."""
    return f"ws{http_url.removeprefix('http')}{WEBSOCKET_PATH}"


def bosh_url(http_url: str) -> str:
    """Return the address of a node's BOSH: `https://one:5443` → `https://one:5443/http-bind`."""
    return f"{http_url}{BOSH_PATH}"


@dataclass(frozen=True, slots=True)
class HostMeta:
    """
    The two files.

    Attributes:
        http_urls: Returns where the nodes' HTTP listeners are, this node's first.
        published: What the operator publishes beyond that; None for nothing.
    """

    http_urls: Callable[[], tuple[str, ...]]
    published: HostMeta2 | None = None

    def routes(self) -> list[BaseRoute]:
        """Return both routes."""
        return [
            Route("/.well-known/host-meta", self.xrd, methods=["GET"]),
            Route("/.well-known/host-meta.json", self.jrd, methods=["GET"]),
        ]

    def links(self) -> list[Link]:
        """Return what clients may connect to, WebSockets first."""
        http_urls = self.http_urls()
        return [
            *(Link(WEBSOCKET_RELATION, websocket_url(url)) for url in http_urls),
            *(Link(BOSH_RELATION, bosh_url(url)) for url in http_urls),
        ]

    async def xrd(self, _request: Request) -> Response:
        """Answer in XML, which clients of XEP-0156 must find."""
        return Response(write_xrd(self.links()), media_type="application/xrd+xml", headers=_CORS)

    async def jrd(self, _request: Request) -> Response:
        """Answer in JSON."""
        links = self.links()
        told = jrd_links(links)
        if self.published is None:
            return json_reply({"links": told}, headers=_CORS)
        names = (urlsplit(link.url).hostname or "" for link in links)
        return json_reply(host_meta_2(self.published, zip(names, told, strict=True)), headers=_CORS)
