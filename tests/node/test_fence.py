"""The fence before off-log stanzas: what passes, what waits, what is refused, in which order."""

from __future__ import annotations

import asyncio

import pytest

from cluster.clusters import until
from raftline.base.errors import Unavailable
from raftline.base.ids import SessionId
from raftline.node.fence import HELD_COUNT_MAX, Fence

ALICE = SessionId(1)
FRESH_NS = 500


class Gate:
    """A fence with a clock and barriers that the test moves."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.barriers: list[asyncio.Future[None]] = []
        self.delivered: list[bytes] = []
        self.refused: list[bytes] = []
        self.fence = Fence(
            self._barrier,
            monotonic_ns=lambda: self.now_ns,
            deliver=lambda _, stanza: self.delivered.append(stanza),
            refuse=lambda _, stanza: self.refused.append(stanza),
            fresh_ns=FRESH_NS,
        )

    async def _barrier(self) -> None:
        self.barriers.append(asyncio.get_running_loop().create_future())
        await self.barriers[-1]

    async def hold(self, *stanzas: bytes) -> asyncio.Future[None]:
        """Let stanzas wait; return the barrier that they wait for."""
        for stanza in stanzas:
            self.fence.hold(ALICE, stanza)
        await until(lambda: bool(self.barriers) and not self.barriers[-1].done())
        return self.barriers[-1]


async def test_it_begins_closed() -> None:
    """Nothing is known of a node that has passed no barrier; one barrier is for all that wait."""
    gate = Gate()
    assert not gate.fence.is_open
    barrier = await gate.hold(b"1", b"2")
    assert not gate.fence.is_open
    barrier.set_result(None)
    await until(lambda: gate.fence.is_open)
    assert gate.delivered == [b"1", b"2"]
    assert len(gate.barriers) == 1


async def test_freshness_counts_from_the_beginning_of_the_barrier() -> None:
    """What was committed after a barrier began may be missing, however long the barrier took."""
    gate = Gate()
    barrier = await gate.hold(b"1")
    gate.now_ns = FRESH_NS - 1
    barrier.set_result(None)
    await until(lambda: gate.fence.is_open)
    gate.now_ns = FRESH_NS
    assert not gate.fence.is_open
    barrier = await gate.hold(b"2")
    barrier.set_result(None)
    await until(lambda: gate.fence.is_open)
    assert gate.delivered == [b"1", b"2"]


async def test_without_a_quorum_nothing_passes() -> None:
    """What waits is refused, in order; what comes next waits for a barrier of its own."""
    gate = Gate()
    barrier = await gate.hold(b"1", b"2")
    barrier.set_exception(Unavailable("no quorum"))
    await until(lambda: gate.refused == [b"1", b"2"])
    assert not gate.fence.is_open
    barrier = await gate.hold(b"3")
    barrier.set_result(None)
    await until(lambda: gate.delivered == [b"3"])


@pytest.mark.parametrize("beyond", [0, 1])
async def test_what_waits_is_bounded(beyond: int) -> None:
    """One stanza beyond is refused at once."""
    gate = Gate()
    barrier = await gate.hold(*[b"x"] * HELD_COUNT_MAX, *[b"y"] * beyond)
    assert gate.refused == [b"y"] * beyond
    barrier.set_result(None)
    await until(lambda: len(gate.delivered) == HELD_COUNT_MAX)
