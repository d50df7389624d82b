"""The HTTP application around a fake door, with chance, time and a leader under the test's control."""

from __future__ import annotations

from pathlib import Path

import httpx2
from prometheus_client import CollectorRegistry, Gauge
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from raftline.base.errors import ConfigError
from raftline.machine.commands import Credential
from raftline.web.admin import Admin
from raftline.web.app import make_app
from raftline.web.businesses.desk import Desk
from raftline.web.cloud.errors import GraphError
from raftline.web.health import Health
from raftline.web.host_meta import HostMeta
from raftline.web.operations import Operations
from raftline.web.page import Page
from raftline.web.rate_limit import RateLimit
from raftline.xmpp.xeps.xep_0487_host_meta_2 import HostMeta2
from web.fake_door import FakeDoor

TOKEN = "a-token-for-tests"
PASS = "a-pass-of-the-console"
HTTP_URLS = ("http://127.0.0.1:15002", "http://127.0.0.1:15012")
WEBSOCKETS = ("ws://127.0.0.1:15002/xmpp-websocket", "ws://127.0.0.1:15012/xmpp-websocket")


async def derive(password: str) -> tuple[Credential, ...]:
    """Stand in for SCRAM: fast, and it refuses what the real one refuses."""
    if "\x00" in password:
        raise ValueError("a forbidden character")
    return (Credential("SCRAM-SHA-256", b"salt", 1, password.encode(), b""),)


class FakeBosh:
    """Stands where the gateway's endpoint is: an ASGI application that is no function, which routes would wrap."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await Response(b"<body/>", media_type="text/xml")(scope, receive, send)


class FakeUpload:
    """Stands where the gateway's files are: what it answers says of itself what it may do."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].encode()
        await Response(path, headers={"Content-Security-Policy": "sandbox"})(scope, receive, send)


class Application:
    """The application and the knobs a test turns."""

    def __init__(
        self,
        static_directory: Path,
        *,
        open_registration: bool = True,
        per_minute: int = 30,
        published: HostMeta2 | None = None,
        page_url: str = "https://one.example.org:5443",
    ) -> None:
        self.door = FakeDoor()
        self.now_ns = 0
        self.leader_known = True
        self.status: object = {"leader": 1}
        self.transfers: list[int | None] = []
        self.reload_error: ConfigError | None = None
        self.wall_ms = 1_700_000_000_000
        self.challenged: list[tuple[str, str]] = []
        self.challenge_error: GraphError | None = None
        self._drawn = 0
        registry = CollectorRegistry()
        Gauge("raftline_raft_term", "term", registry=registry).set(7)
        self.health = Health(self.door, lambda: self.leader_known, lambda: self.now_ns, started=True)
        admin = Admin(self.door, TOKEN, self._status, derive, self._draw, page_url, self._console_actor)
        self.app = make_app(
            page=Page(
                node=self.door,
                websockets=lambda: WEBSOCKETS,
                registrations=RateLimit(per_minute) if open_registration else None,
                derive_credentials=derive,
                entropy=self._draw,
                clock=lambda: self.now_ns,
                static_directory=static_directory,
            ),
            host_meta=HostMeta(lambda: HTTP_URLS, published),
            admin=admin,
            health=self.health,
            registry=registry,
            websocket=self._websocket,
            bosh=FakeBosh(),
            upload=FakeUpload(),
            businesses=Desk(admin, lambda: self.wall_ms, self._challenge),
            operations=Operations(
                lambda: frozenset({1, 2, 3}), self.transfers.append, self._reload, lambda: list(enumerate(HTTP_URLS, 1))
            ),
        )

    def client(self, token: str | None = TOKEN) -> httpx2.AsyncClient:
        """Return a client that speaks to the application without a socket."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx2.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers)

    async def _status(self) -> object:
        return self.status

    async def _challenge(self, url: str, verify_token: str) -> None:
        self.challenged.append((url, verify_token))
        if self.challenge_error is not None:
            raise self.challenge_error

    def _console_actor(self, shown: str) -> str:
        return "console anna" if shown == PASS else ""

    def _reload(self) -> list[str]:
        if self.reload_error is not None:
            raise self.reload_error
        return ["limits", "tls"]

    def _draw(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count)

    async def _websocket(self, scope: Scope, _receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await send({"type": "websocket.accept", "subprotocol": "xmpp"})
