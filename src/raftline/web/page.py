"""
What a browser gets: the web client's files, its configuration, registration, the landing page of invitations.

The page is served under a content security policy that lets it load and run nothing from elsewhere; it may open
WebSockets to the nodes of this cluster, since it moves to another node when its own dies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from raftline.base.errors import RaftlineError, Refused
from raftline.machine.commands import CreateAccount
from raftline.node.door import Node
from raftline.web.accounts import Derive, command_key, derive, prepare_username
from raftline.web.host_meta import WEBSOCKET_PATH
from raftline.web.rate_limit import RateLimit
from raftline.web.replies import BadRequest, describe_error, json_reply, read_body, require_done
from raftline.web.static_files import PageFiles, built_page

STATIC_DIRECTORY: Final = Path(__file__).parent / "static"


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a registration."""

    username: str
    password: str


def security_policy(websockets: tuple[str, ...], files_url: str = "") -> str:
    """
    Write the content security policy of the page.

    Styles may stand in attributes (Converse.js sets sizes so), pictures may be data or blobs (avatars, previews of
    what is about to be sent), and WebAssembly may run (its curve25519). Files are uploaded to and shown from any node
    (XEP-0363), or `files_url` if there is one. Nothing else departs from "our own files".
    """
    origins = list(dict.fromkeys(url.removesuffix(WEBSOCKET_PATH) for url in websockets))
    nodes = " ".join(["http" + origin.removeprefix("ws") for origin in origins] + [files_url] * bool(files_url))
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            f"img-src 'self' data: blob: {nodes}".strip(),
            f"media-src 'self' data: blob: {nodes}".strip(),
            "font-src 'self' data:",
            f"connect-src 'self' {' '.join(origins)} {nodes}".strip(),
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class SecurityHeaders:
    """
    ASGI middleware: the headers of every HTTP reply that keep browsers from guessing or lending anything.

    A reply that says of itself what its content may do, such as an uploaded file, is left to say it alone.

    Args:
        policy: Returns the content security policy, which names the nodes there are now.
    """

    def __init__(self, app: ASGIApp, policy: Callable[[], str]) -> None:
        self._app = app
        self._policy = policy
        self._headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or pass a WebSocket through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                said = {name for name, _ in headers}
                own = [(b"content-security-policy", self._policy().encode()), *self._headers]
                message["headers"] = [*headers, *(header for header in own if header[0] not in said)]
            await send(message)

        await self._app(scope, receive, send_with_headers)


@dataclass(slots=True)
class Page:
    """
    The endpoints that the web client uses.

    Attributes:
        websockets: Returns those of all nodes, this one first.
        registrations: Limit per address; None when registration is closed. May be replaced while the node runs.
        clock: Monotonic nanoseconds.
    """

    node: Node
    websockets: Callable[[], tuple[str, ...]]
    registrations: RateLimit | None
    derive_credentials: Derive
    entropy: Callable[[int], bytes]
    clock: Callable[[], int]
    static_directory: Path = STATIC_DIRECTORY

    def routes(self) -> list[BaseRoute]:
        """Return all routes."""
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/invite/", self.invitation, methods=["GET"]),
            Route("/client-config.json", self.client_config, methods=["GET"]),
            Route("/client/register", self.register, methods=["POST"]),
            Mount("/static", PageFiles(directory=self.static_directory)),
        ]

    async def index(self, request: Request) -> Response:
        """Serve the messenger; browsers ask each time whether it changed. 503 from a source tree that was not built."""
        return built_page(self.static_directory, "messenger", request.headers)

    async def invitation(self, request: Request) -> Response:
        """Serve the landing page of invitations (XEP-0401 section 5.2); which one it shows no server is told."""
        return built_page(self.static_directory, "invitation", request.headers)

    async def client_config(self, _request: Request) -> Response:
        """Tell the page its domain and all nodes."""
        return json_reply(
            {
                "domain": self.node.domain,
                "websockets": self.websockets(),
                "open_registration": self.registrations is not None,
            }
        )

    async def register(self, request: Request) -> Response:
        """
        Create an account for whoever asks; only with open registration. 201 with `{"jid"}`.

        Errors are `{"condition", "text"}` here. The body must be declared as JSON, which another site's page cannot
        send without being asked first (CORS), so that no site fills this server through its visitors.
        """
        try:
            return await self._register(request)
        except (BadRequest, RaftlineError) as error:
            status, condition, text, headers = describe_error(error)
            return json_reply({"condition": condition, "text": text}, status, headers)

    async def _register(self, request: Request) -> Response:
        if self.registrations is None:
            raise Refused("not-allowed", "cancel", "Registration is closed here; ask an administrator for an account.")
        body = await read_body(request, Registration)
        localpart = prepare_username(body.username, self.node.domain)
        address = request.client.host if request.client is not None else ""
        wait_ns = self.registrations.wait_ns(address, self.clock())
        if wait_ns:
            raise BadRequest(
                429,
                "policy-violation",
                "Too many registrations from your address; try again in a while.",
                {"Retry-After": str(wait_ns // 1_000_000_000 + 1)},
            )
        credentials = await derive(body.password, self.derive_credentials)
        key = command_key(None, "register", self.entropy)
        require_done(await self.node.execute(CreateAccount(localpart, credentials), key=key))
        return json_reply({"jid": f"{localpart}@{self.node.domain}"}, 201)
