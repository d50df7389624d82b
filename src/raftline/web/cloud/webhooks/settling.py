"""
What receivers have taken, into the log: one command for all that was taken while the one before was under way.

A command whose outcome is not known is proposed again: it is idempotent. What is not settled in the end, as this node
dies, is delivered again by the next leader, with the same bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

from raftline.base.business_limits import SETTLED_EVENT_COUNT_MAX
from raftline.base.errors import OutcomeUnknown, Unavailable
from raftline.machine.business.commands import SettleEvents
from raftline.machine.outcomes import Rejected

if TYPE_CHECKING:
    from raftline.machine.business.commands import BusinessAction
    from raftline.machine.outcomes import Outcome
    from raftline.web.cloud.webhooks.lanes import Key

_LOG: Final = logging.getLogger(__name__)

GATHER_S: Final = 0.005
"""How long to wait for others before the first of a batch is settled."""

AGAIN_S: Final = 0.25
"""How long to wait before a command is proposed again."""


class Settler:
    """
    Settles until its task is cancelled. What it holds is bounded by the windows whose events these are.

    Args:
        execute: Proposes a command and waits for its outcome.
    """

    def __init__(self, execute: Callable[[BusinessAction], Awaitable[Outcome]]) -> None:
        self._execute = execute
        self._waiting: deque[tuple[Key, Callable[[], None]]] = deque()
        self._wake = asyncio.Event()

    def settle(self, key: Key, on_settled: Callable[[], None]) -> None:
        """Settle an event; `on_settled` is called once the log says so here."""
        self._waiting.append((key, on_settled))
        self._wake.set()

    async def run(self) -> None:
        """Settle batch by batch."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            await self._settle_some()
            if not self._waiting:
                self._wake.clear()

    async def _settle_some(self) -> None:
        batch = list(islice(self._waiting, SETTLED_EVENT_COUNT_MAX))
        try:
            outcome = await self._execute(SettleEvents(tuple(dict.fromkeys(key for key, _ in batch))))
        except (Unavailable, OutcomeUnknown) as error:
            _LOG.info("what receivers have taken is not settled yet: %s", error)
            await asyncio.sleep(AGAIN_S)
            return
        if isinstance(outcome, Rejected):
            _LOG.error("what receivers have taken was not settled: %s", outcome)
        for _ in batch:
            _, on_settled = self._waiting.popleft()
            on_settled()
