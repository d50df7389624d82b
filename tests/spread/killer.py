"""Leaders that die at moments drawn by chance, while their followers serve clients."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

from integration.cluster_process import Cluster

PAUSE_S = (0.2, 1.2)
"""Between two looks at who leads; between a leader that may die, and its death."""


class LeaderKiller:
    """
    Has nodes without clients lead, and kills them; whoever died is started again at once.

    Args:
        victims: The nodes without clients; no more than the cluster can do without.
        find_leader: Says who leads, None for nobody.
        transfer: Asks the leader to hand over to a node.

    Attributes:
        killed: Who was killed, in this order.
    """

    def __init__(
        self,
        cluster: Cluster,
        victims: tuple[int, ...],
        chance: random.Random,
        *,
        find_leader: Callable[[], Awaitable[int | None]],
        transfer: Callable[[int], Awaitable[None]],
    ) -> None:
        self._cluster = cluster
        self._chance = chance
        self._find_leader = find_leader
        self._transfer = transfer
        self._up = set(victims)
        self._victims = victims
        self._stopped = asyncio.Event()
        self.killed: list[int] = []

    async def run(self) -> None:
        """Kill until told to stop; then whoever is down comes back."""
        async with asyncio.TaskGroup() as restarts:
            while not await self._pause():
                leader = await self._find_leader()
                if leader in self._up:
                    self._up.remove(leader)
                    await self._cluster.kill(leader)
                    self.killed.append(leader)
                    _restart = restarts.create_task(self._restart(leader))
                elif leader is not None and leader not in self._victims and self._up:
                    await self._transfer(self._chance.choice(sorted(self._up)))

    def stop(self) -> None:
        """Kill nobody any more."""
        self._stopped.set()

    async def _pause(self) -> bool:
        """Let some time pass, drawn by chance; returns whether it is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), self._chance.uniform(*PAUSE_S))
        return self._stopped.is_set()

    async def _restart(self, node_id: int) -> None:
        await self._cluster.start_node(node_id)
        self._up.add(node_id)
