"""A program that is told of events by webhooks: an unmodified library (pywa) behind a web server of its own."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Self

import msgspec
import pywa_async
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send

from integration.business import Business
from integration.cluster_process import wait_until
from raftline.server.http_server import HttpServer

VERIFY_TOKEN = "it-is-us"


class Program:
    """
    Use as an asynchronous context manager; then `url` is the callback. `speak_for` says whose events it handles.

    Attributes:
        bodies: Of all POSTs, in the order they came.
        updates: What the library's handlers got.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.updates: list[Any] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._app: Starlette = Starlette()
        self._server = HttpServer(self, self._listener, tls_context=None, websocket_bytes_max=1)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    def speak_for(self, business: Business) -> None:
        """Handle events of a business from now on, as its own programs would: signed, for it alone."""
        self._app = Starlette()
        client = pywa_async.WhatsApp(
            phone_id=business.phone_number_id,
            token=business.token,
            waba_id=business.waba_id,
            app_secret=business.app_secret,
            verify_token=VERIFY_TOKEN,
            server=self._app,
        )
        for add in (
            client.on_message,
            client.on_message_status,
            client.on_callback_button,
            client.on_edited_message,
            client.on_deleted_message,
        ):
            add()(self._handle)

    def values(self) -> list[dict[str, Any]]:
        """Return what was told, each once, in the order it came first."""
        return [msgspec.json.decode(body)["entry"][0]["changes"][0]["value"] for body in dict.fromkeys(self.bodies)]

    async def wait_update(self, what: str, accept: Any) -> Any:
        """Wait for something that the library hands to a handler."""

        async def probe() -> Any:
            return next((update for update in self.updates if accept(update)), None)

        return await wait_until(f"the program hears of {what}", probe, 20.0, interval_s=0.01)

    async def _handle(self, _client: object, update: object) -> None:
        await asyncio.sleep(0)
        self.updates.append(update)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request, and note the body of a POST."""
        body = bytearray()

        async def noted() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            if scope["method"] == "POST" and body and not message.get("more_body", False):
                self.bodies.append(bytes(body))
                body.clear()
            return message

        await self._app(scope, noted, send)
