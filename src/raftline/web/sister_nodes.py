"""
Requests from pages that another node of this cluster served: the console goes on at another node when its own dies.

Pages of these origins, and of no others, may call what needs a bearer token, which browsers add to nothing by
themselves; cookies are not let through (CORS without credentials).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS: Final = ("/admin/v1/", "/console/session", "/console/stream")
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key",
    "Access-Control-Max-Age": "600",
}


class SisterNodes:
    """
    ASGI middleware: lets pages of the nodes read the replies of this one.

    Args:
        http_urls: Returns where the nodes' HTTP listeners are now.
    """

    def __init__(self, app: ASGIApp, http_urls: Callable[[], Collection[str]]) -> None:
        self._app = app
        self._http_urls = http_urls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or pass on what is none of these."""
        if scope["type"] != "http" or not scope["path"].startswith(PATHS):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if not origin or origin not in self._http_urls():
            await self._app(scope, receive, send)
            return
        allowed = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await Response(status_code=204, headers={**allowed, **_PREFLIGHT})(scope, receive, send)
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(allowed)
            await send(message)

        await self._app(scope, receive, send_allowed)
