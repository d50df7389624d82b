"""
How an address shows that it wants to be told of events: it knows the verify token, and says a text of chance back.

    GET CALLBACK?hub.mode=subscribe&hub.verify_token=V&hub.challenge=C   →  200, and C as the whole body
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from raftline.base.errors import Refused
from raftline.base.webhook_limits import WEBHOOK_CHALLENGE_BYTES_MAX
from raftline.web.cloud.webhooks.client import NoAnswer, Unreachable, WebhookClient, check_url

CHALLENGE_DIGITS: Final = 10
"""Meta's is a number of nine or ten digits, and some receivers take it for one."""


class Challenge:
    """
    Asks addresses.

    Args:
        entropy: Draws so many bytes of chance.
    """

    def __init__(self, client: WebhookClient, entropy: Callable[[int], bytes]) -> None:
        self._client = client
        self._entropy = entropy

    async def verify(self, url: str, token: str) -> None:
        """
        Return once an address has shown that it wants to be told of events.

        Raises:
            Refused: `not-acceptable` when it does not, or is no address, saying why.
        """
        try:
            check_url(url)
        except ValueError as error:
            raise _refused(f"its address cannot be used, as {error}") from error
        challenge = str(10 ** (CHALLENGE_DIGITS - 1) + int.from_bytes(self._entropy(4)))
        query = urlencode({"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": challenge})
        try:
            joint = "&" if "?" in url else "?"
            answer = await self._client.get(f"{url}{joint}{query}", WEBHOOK_CHALLENGE_BYTES_MAX)
        except (Unreachable, NoAnswer) as error:
            raise _refused(f"it cannot be reached: {error}") from error
        if answer.status != 200:
            raise _refused(f"it answered with HTTP status {answer.status}, not 200")
        if answer.body != challenge.encode():
            raise _refused("it answered with another text than the challenge")


def _refused(why: str) -> Refused:
    return Refused("not-acceptable", "modify", f"The callback could not be verified: {why}.")
