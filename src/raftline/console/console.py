"""
The console of a node: the page at `/console`, what it listens to, and signing in. All it does goes through `/admin/v1`.

The page and its scripts come from this node alone. It may talk to the other nodes, whose addresses are in its policy,
since it goes on when this node dies; a node that joins later is in the policy of pages that are loaded later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from raftline.console.sign_in import SignIn
from raftline.console.stream import EventStream

STATIC_DIRECTORY: Final = Path(__file__).parent / "static"


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
        static_directory: What `make setup` builds from `frontend/console`.
    """

    sign_in: SignIn
    stream: EventStream
    http_urls: Callable[[], tuple[str, ...]]
    static_directory: Path = STATIC_DIRECTORY

    def routes(self) -> list[BaseRoute]:
        """Return all routes."""
        assets = self.static_directory / "assets"
        return [
            Route("/console", self.page, methods=["GET"]),
            Route("/console/nodes.json", self.nodes, methods=["GET"]),
            *self.sign_in.routes(),
            *self.stream.routes(),
            # Names there change with the content.
            Mount("/console/assets", StaticFiles(directory=assets, check_dir=False)),
        ]

    async def page(self, _request: Request) -> Response:
        """Serve the page; browsers ask each time whether it changed."""
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": security_policy(self.http_urls())}
        return FileResponse(self.static_directory / "index.html", headers=headers)

    async def nodes(self, _request: Request) -> Response:
        """Tell where the nodes are, as host-meta does: the page may have to sign in at another one."""
        content = msgspec.json.encode({"nodes": self.http_urls()})
        return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")
