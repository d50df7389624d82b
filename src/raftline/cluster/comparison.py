"""
Replicas are equal (promise P5), and the leader looks whether they are.

Every state hash covers all changes since the beginning, so two nodes that differ once differ for ever, at every index.
Who is wrong is not for a program to guess: a majority may be wrong together, if they run one release and the third node
another. So people are told, in the log and by a metric, with the hashes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from raftline.cluster.status import NodeStatus
from raftline.cluster.survey import Survey
from raftline.raft.node import Raft, Role

_LOG: Final = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 30.0


class Comparison:
    """
    Compares the state hashes of all nodes while this one leads.

    Attributes:
        count: Comparisons of two nodes or more.
        are_different: The last one showed that replicas differ.
    """

    def __init__(self, raft: Raft, survey: Survey, *, period_seconds: float = PERIOD_SECONDS) -> None:
        self._raft = raft
        self._survey = survey
        self._period_seconds = period_seconds
        self.count = 0
        self.are_different = False

    async def run(self) -> None:
        """Compare now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._period_seconds)
            if self._raft.role is Role.LEADER:
                status = await self._survey.status()
                self._look([node for node in status.nodes if node.state_hash is not None])

    def _look(self, nodes: list[NodeStatus]) -> None:
        if len(nodes) < 2:
            return
        self.count += 1
        self.are_different = len({node.state_hash for node in nodes}) > 1
        if self.are_different:
            index = nodes[0].state_hash_index
            told = ", ".join(f"node {node.node_id} {node.state_hash}" for node in nodes)
            _LOG.error("the replicas differ at entry %s: %s", index, told)
