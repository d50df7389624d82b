"""Administration of businesses, composed: with the real clock, and requests to receivers of callbacks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

import httpx2

from raftline.base.errors import Refused
from raftline.web.admin import Admin
from raftline.web.businesses.desk import Desk

CHALLENGE_TIMEOUT_S: Final = 10.0
CHALLENGE_BYTES: Final = 16


def make_desk(admin: Admin, wall_ms: Callable[[], int]) -> Desk:
    """Join the administration of businesses with a node's interface."""
    return Desk(admin, wall_ms, challenge)


async def challenge(url: str, verify_token: str) -> None:
    """
    Ask a receiver whether it expects us, as the Cloud API does: it must answer 200 and what it was sent.

    Raises:
        Refused: It does not, or cannot be reached.
    """
    sent = os.urandom(CHALLENGE_BYTES).hex()
    query = urlencode({"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": sent})
    address = f"{url}{'&' if '?' in url else '?'}{query}"
    try:
        async with (
            httpx2.AsyncClient(timeout=CHALLENGE_TIMEOUT_S, trust_env=False) as client,
            client.stream("GET", address) as reply,
        ):
            body = bytearray()
            async for chunk in reply.aiter_raw():
                body += chunk
                if len(body) > len(sent):
                    break
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        text = f"The receiver of the callback cannot be reached: {type(error).__name__} {error}."
        raise Refused("not-acceptable", "modify", text) from error
    if reply.status_code != 200 or bytes(body) != sent.encode():
        text = (
            f"The receiver of the callback does not expect us: it answered {reply.status_code} and not the challenge."
        )
        raise Refused("not-acceptable", "modify", text)
