"""
The console of a node: the page at `/console`, what it listens to, and signing in. All it does goes through `/admin/v1`.

The page and its scripts come from this node alone. It may talk to the other nodes, whose addresses are in its policy,
since it goes on when this node dies; a node that joins later is in the policy of pages that are loaded later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from raftline.console.sign_in import SignIn
from raftline.console.stream import EventStream


def security_policy(http_urls: tuple[str, ...]) -> str:
    """Write the content security policy: nothing but this node's own files, and requests to the nodes."""
    return "; ".join(
        (
            "default-src 'self'",
            f"connect-src 'self' {' '.join(http_urls)}".strip(),
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


@dataclass(frozen=True, slots=True)
class Console:
    """
    All endpoints.

    Attributes:
        http_urls: Returns where the nodes' HTTP listeners are, this node's first.
        page_file: Answers with the page that `make setup` builds, to a request with these headers.
    """

    sign_in: SignIn
    stream: EventStream
    http_urls: Callable[[], tuple[str, ...]]
    page_file: Callable[[Mapping[str, str]], Response]

    def routes(self) -> list[BaseRoute]:
        """Return all routes."""
        return [
            Route("/console", self.page, methods=["GET"]),
            Route("/console/nodes.json", self.nodes, methods=["GET"]),
            *self.sign_in.routes(),
            *self.stream.routes(),
        ]

    async def page(self, request: Request) -> Response:
        """Serve the page."""
        reply = self.page_file(request.headers)
        reply.headers["Content-Security-Policy"] = security_policy(self.http_urls())
        return reply

    async def nodes(self, _request: Request) -> Response:
        """Tell where the nodes are, as host-meta does: the page may have to sign in at another one."""
        content = msgspec.json.encode({"nodes": self.http_urls()})
        return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")
