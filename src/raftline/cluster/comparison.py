"""
What the leader compares between the nodes now and then: their replicas, and their clocks.

**Replicas** are equal (promise P5). Every state hash covers all changes since the beginning, so two nodes that differ
once differ for ever, at every index. Who is wrong is not for a program to guess: a majority may be wrong together, if
they run one release and the third node another. So people are told, in the log and by a metric, with the hashes.

**Clocks** of leaders stamp entries, and cluster time never goes back: one that is hours ahead would end what has hours
to go. A leader whose clock is far from the median of the voters' hands over to one whose clock is near it. With two
voters nobody can tell who is wrong.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from raftline.raft.node import Role

if TYPE_CHECKING:
    from raftline.base.ids import NodeId
    from raftline.cluster.driver import Driver
    from raftline.cluster.status import NodeStatus

_LOG: Final = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 5.0

CLOCK_TOLERANCE_MS: Final = 5_000
"""Clocks that are looked after differ by milliseconds; answers to the question take less than a second."""

_JUDGES_MIN: Final = 3


class Comparison:
    """
    Compares the nodes while this one leads.

    Attributes:
        count: Comparisons of two replicas or more.
        are_different: The last one showed that replicas differ.
        clock_lead_ms: How far this node's clock was ahead of the voters' median at the last look; 0 if nobody can tell.
    """

    def __init__(self, driver: Driver, *, period_seconds: float = PERIOD_SECONDS) -> None:
        self._driver = driver
        self._period_seconds = period_seconds
        self.count = 0
        self.are_different = False
        self.clock_lead_ms = 0

    async def run(self) -> None:
        """Compare now and then, until cancelled."""
        driver = self._driver
        while True:
            await asyncio.sleep(self._period_seconds)
            if driver.raft.role is Role.LEADER:
                status = await driver.survey.status()
                self._compare_replicas([node for node in status.nodes if node.state_hash is not None])
                self._compare_clocks()

    def _compare_replicas(self, nodes: list[NodeStatus]) -> None:
        if len(nodes) <= 1:
            return
        self.count += 1
        self.are_different = len({node.state_hash for node in nodes}) > 1
        if self.are_different:
            index = nodes[0].state_hash_index
            told = ", ".join(f"node {node.node_id} {node.state_hash}" for node in nodes)
            _LOG.error("the replicas differ at entry %s: %s", index, told)

    def _compare_clocks(self) -> None:
        driver = self._driver
        leads_ms = {**driver.survey.clock_leads_ms, driver.node_id: 0}
        voters = driver.raft.membership.voters
        median_ms = median_lead_ms(leads_ms, voters)
        self.clock_lead_ms = 0 if median_ms is None else -median_ms
        if median_ms is None or abs(median_ms) <= CLOCK_TOLERANCE_MS or driver.raft.role is not Role.LEADER:
            return
        heir = min(voters, key=lambda voter: abs(leads_ms.get(voter, 0) - median_ms))
        _LOG.error("this node's clock is %d ms ahead of the others': node %d is to lead", -median_ms, heir)
        driver.succession.hand_over(driver.now_ns(), heir)
        driver.request_turn()


def median_lead_ms(leads_ms: Mapping[NodeId, int], voters: Collection[NodeId]) -> int | None:
    """Return by how much the voters' median clock is ahead; None unless a majority, and three at least, have told."""
    known = [leads_ms[voter] for voter in voters if voter in leads_ms]
    if len(known) < _JUDGES_MIN or 2 * len(known) <= len(voters):
        return None
    return round(statistics.median(known))
