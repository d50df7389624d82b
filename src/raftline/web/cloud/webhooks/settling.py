"""
What receivers have taken, into the log: one command for all that was taken while the one before was under way.

Before an event is settled its receipt is sent, if one is due (receipts.py), so that a person is told in the end though
nodes die meanwhile. A command whose outcome is not known is proposed again: all are idempotent. What is not settled in
the end, as this node dies, is delivered again by the next leader, with the same bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.business_limits import SETTLED_EVENT_COUNT_MAX
from raftline.base.errors import OutcomeUnknown, Unavailable
from raftline.machine.business.commands import SettleEvents
from raftline.machine.outcomes import Rejected

if TYPE_CHECKING:
    from raftline.machine.business.commands import BusinessAction, SendFromNumber
    from raftline.machine.outcomes import Outcome
    from raftline.web.cloud.webhooks.lanes import Key

_LOG: Final = logging.getLogger(__name__)

GATHER_S: Final = 0.005
"""How long to wait for others before the first of a batch is settled."""

AGAIN_S: Final = 0.25
"""How long to wait before a command is proposed again."""


class _Taken(NamedTuple):
    """An event that was taken; `receipt` is None when none is due, or when it was sent."""

    key: Key
    on_settled: Callable[[], None]
    receipt: SendFromNumber | None


class Settler:
    """
    Settles until its task is cancelled. What it holds is bounded by the windows whose events these are.

    Args:
        execute: Proposes a command and waits for its outcome.
    """

    def __init__(self, execute: Callable[[BusinessAction], Awaitable[Outcome]]) -> None:
        self._execute = execute
        self._waiting: deque[_Taken] = deque()
        self._wake = asyncio.Event()

    def settle(self, key: Key, on_settled: Callable[[], None], receipt: SendFromNumber | None = None) -> None:
        """Send a receipt, if any, and settle an event; `on_settled` is called once the log says so here."""
        self._waiting.append(_Taken(key, on_settled, receipt))
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
            await self._send_receipts(batch)
            outcome = await self._execute(SettleEvents(tuple(dict.fromkeys(taken.key for taken in batch))))
        except (Unavailable, OutcomeUnknown) as error:
            _LOG.info("what receivers have taken is not settled yet: %s", error)
            await asyncio.sleep(AGAIN_S)
            return
        if isinstance(outcome, Rejected):
            _LOG.error("what receivers have taken was not settled: %s", outcome)
        for _ in batch:
            self._waiting.popleft().on_settled()

    async def _send_receipts(self, batch: list[_Taken]) -> None:
        """
        Send the receipts of a batch together; who cannot be told, because one of the two is gone, is not.

        The batch is the head of what waits: receipts that were sent are taken off it, for whoever tries again.
        """
        receipts = [(place, taken.receipt) for place, taken in enumerate(batch) if taken.receipt is not None]
        sending = (self._execute(receipt) for _, receipt in receipts)
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        failure: BaseException | None = None
        for (place, _), outcome in zip(receipts, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                failure = outcome
                continue
            self._waiting[place] = batch[place]._replace(receipt=None)
            if isinstance(outcome, Rejected):
                _LOG.info("a receipt was not taken: %s", outcome)
        if failure is not None:
            raise failure
