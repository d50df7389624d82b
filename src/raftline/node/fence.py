"""
A fence before this node's clients, for what other clients send them past the log.

A block-list change is answered when all nodes that hold the account's sessions have applied it, but one that is silent
is waited for `Timing.status_ns` at most (cluster/survey.py). From then on nothing may pass there that the change
forbids. So off-log stanzas pass only while this replica is known to be fresh: it has passed a read barrier that began
less than half of that time ago. Otherwise they wait, in order, until a barrier is passed; a
node without contact to a quorum passes none.

    open     fresh, and nothing waits: stanzas pass at once, which is the caller's to do; who looks at block lists then
             looks at a replica that is fresh
    closed   stanzas wait for the barrier that is under way; then they are delivered, or refused if there is no quorum

A barrier is asked for when somebody has something to deliver, so an idle node asks for none, and a busy one for two in
a second. Decided against: taking the leader's heartbeats for contact, since a deposed leader sends them as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from raftline.base.errors import Unavailable
from raftline.base.ids import SessionId

HELD_COUNT_MAX: Final = 4_096
"""Stanzas that wait for a barrier; one beyond is refused."""


class Fence:
    """
    See the head of this module.

    Args:
        barrier: Passes when this replica has applied what was committed before the call; else raises Unavailable.
        deliver: Called with each stanza that has waited, once it may pass.
        refuse: Called with each stanza that may not pass.
        fresh_ns: How long ago a barrier may have begun.
    """

    def __init__(
        self,
        barrier: Callable[[], Awaitable[None]],
        *,
        monotonic_ns: Callable[[], int],
        deliver: Callable[[SessionId, bytes], None],
        refuse: Callable[[SessionId, bytes], None],
        fresh_ns: int,
    ) -> None:
        self._barrier = barrier
        self._monotonic_ns = monotonic_ns
        self._deliver = deliver
        self._refuse = refuse
        self._fresh_ns = fresh_ns
        self._fresh_until_ns: int | None = None
        self._held: list[tuple[SessionId, bytes]] = []
        self._passing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a stanza may pass now."""
        return not self._held and self._fresh_until_ns is not None and self._monotonic_ns() < self._fresh_until_ns

    def hold(self, session_id: SessionId, stanza: bytes) -> None:
        """Let a stanza wait for a barrier."""
        if len(self._held) >= HELD_COUNT_MAX:
            self._refuse(session_id, stanza)
            return
        self._held.append((session_id, stanza))
        if self._passing is None:
            self._passing = asyncio.get_running_loop().create_task(self._pass())

    async def _pass(self) -> None:
        try:
            while self._held:  # more may come while some are refused
                began_ns = self._monotonic_ns()
                try:
                    await self._barrier()
                except Unavailable:
                    self._empty(self._refuse)
                else:
                    self._fresh_until_ns = began_ns + self._fresh_ns
                    self._empty(self._deliver)
        finally:
            self._passing = None

    def _empty(self, take: Callable[[SessionId, bytes], None]) -> None:
        held, self._held = self._held, []
        for session_id, stanza in held:
            take(session_id, stanza)
