"""
The leader's clock for what is due at a time: sessions that nobody resumed, messages that disappear, items
and uploads that expire.

What is due is decided by cluster time, which stands still while nothing enters the log. So the leader looks at its own
clock, which the time of its entries comes from, and proposes a command when something is due (machine/timers/due.py).
To be late, or to be a leader no more when it is applied, does no harm. A leader whose clock is behind that of the one
before goes by cluster time, which has come further already.

A command takes a bounded number of rows; when it has done so, the leader looks again at once, so that a thousand that
are due together take a few round trips.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from raftline.cluster.config import MILLISECOND_NS, Clocks
from raftline.machine.commands import CarryOutDue
from raftline.machine.machine import Machine
from raftline.machine.outcomes import CommandResult, Done
from raftline.machine.queries import NextExpiry
from raftline.raft.node import Raft, Role

if TYPE_CHECKING:
    from raftline.machine.commands import Action

LOOK_NS: Final = 1_000 * MILLISECOND_NS
"""Shortest time between two looks at the replica."""


class Expiry:
    """
    Proposes `CarryOutDue` when something is due.

    Args:
        propose: Proposes a command of the node's own, which no bound refuses.
    """

    def __init__(
        self,
        machine: Machine,
        raft: Raft,
        clocks: Clocks,
        *,
        propose: Callable[[Action, Callable[[CommandResult], None] | None], None],
    ) -> None:
        self._machine = machine
        self._raft = raft
        self._clocks = clocks
        self._propose = propose
        self._looked_ns = clocks.monotonic_ns()
        self._is_under_way = False

    def keep_house(self, now_ns: int) -> None:
        """
        Look, if it is time to and this node leads.

        Raises:
            StorageError: The disk failed.
        """
        if self._is_under_way or self._raft.role is not Role.LEADER or now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        due_ms = self._machine.answer(NextExpiry())
        now_ms = max(self._clocks.wall_ms(), self._machine.cluster_time_ms)
        if isinstance(due_ms, int) and due_ms <= now_ms:
            self._is_under_way = True
            self._propose(CarryOutDue(), self._applied)

    def _applied(self, result: CommandResult) -> None:
        self._is_under_way = False
        if isinstance(result.outcome, Done):  # what is refused is not tried again at full speed
            self._looked_ns -= LOOK_NS
