"""Read barriers as the driver's callers wait for them; `reads` tells how they share requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Stopping, Unavailable
from raftline.cluster.config import MILLISECOND_NS
from raftline.cluster.reads import ReadBarriers

if TYPE_CHECKING:
    from raftline.base.ids import LogIndex
    from raftline.raft.node import Raft
    from raftline.raft.ready import Ready

ANSWER_NS: Final = 500 * MILLISECOND_NS
"""A read index that is not answered by then was lost on the way."""


class Barriers:
    """
    Those who wait until this replica has applied what was committed before they came.

    Args:
        first_request_id: Greater than any number this node used in an earlier life.
        wait_ns: Longest wait.
    """

    def __init__(self, first_request_id: int, wait_ns: int) -> None:
        self._reads: ReadBarriers[asyncio.Future[None]] = ReadBarriers(first_request_id)
        self._wait_seconds = wait_ns / 1e9
        self._is_held = False

    def enter(self) -> asyncio.Future[None]:
        """Begin to wait; the next turn asks."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reads.add(waiter)
        return waiter

    async def pass_through(self, waiter: asyncio.Future[None]) -> None:
        """
        Wait for the end of the wait.

        Raises:
            Unavailable: There is no quorum now.
            Stopping: The node is shutting down.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                await waiter
        except TimeoutError:
            raise Unavailable("no quorum answered in time") from None

    def ask(self, raft: Raft, now_ns: int) -> None:
        """Ask the core for a read index if somebody waits and no request is open."""
        if not self._is_held and (request_id := self._reads.next_request(now_ns)) is not None:
            raft.read_index(request_id, now_ns)

    def answered(self, ready: Ready) -> None:
        """Take the core's answers."""
        for request_id, index in ready.reads:
            self._reads.granted(request_id, index)
        for request_id in ready.reads_failed:
            # No leader: asking again at once would spin.
            self._is_held = True
            self._reads.failed(request_id)

    def ask_again(self) -> None:
        """Let requests be made again: there may be a leader by now."""
        self._is_held = False

    def keep_house(self, now_ns: int) -> None:
        """Give up a request that got no answer."""
        self.ask_again()
        self._reads.give_up_older_than(now_ns - ANSWER_NS)

    def release(self, applied_index: LogIndex) -> None:
        """Let those go on whose index is applied."""
        for waiter in self._reads.applied(applied_index):
            if not waiter.done():
                waiter.set_result(None)

    def stop(self) -> None:
        """Let all that wait fail."""
        for waiter in self._reads.drop():
            if not waiter.done():
                waiter.set_exception(Stopping("this node is shutting down"))
