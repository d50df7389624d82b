"""A receiver of webhooks that does nothing else, so that thousands of them cost little (see program.py as well)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Self

from aiohttp import web

VERIFY_TOKEN = "verify-me"


class WebhookReceiver:
    """
    Takes webhooks as a program does: checks who signed them, answers 200, and takes each body once.

    Use as an asynchronous context manager.

    Attributes:
        secret: Of the application, once it is known; what came before is not checked.
        bodies: What came, each body once, in the order of first occurrences.
        repeat_count: How often a body came again.
        refused: Answers so long 503, as a receiver does that is down.
    """

    def __init__(self) -> None:
        self.secret = ""
        self.bodies: dict[bytes, None] = {}
        self.repeat_count = 0
        self.refused = False
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/hook", self._verify)
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _verify(self, request: web.Request) -> web.Response:
        if request.query.get("hub.verify_token") != VERIFY_TOKEN:
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        if request.headers.get("X-Hub-Signature-256") != f"sha256={signature}":
            return web.Response(status=401)
        if self.refused:
            return web.Response(status=503)
        self.repeat_count += body in self.bodies
        self.bodies[body] = None
        return web.Response()

    def values(self, kind: str) -> list[dict[str, Any]]:
        """Return what came of `messages` or `statuses`, each with its `metadata` left out, in order."""
        found = []
        for body in self.bodies:
            (entry,) = json.loads(body)["entry"]
            (change,) = entry["changes"]
            found += change["value"].get(kind, [])
        return found
