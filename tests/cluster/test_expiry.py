"""When the leader lets time pass in the log (cluster/expiry.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from raftline.base.ids import NodeId, Position
from raftline.cluster.config import MILLISECOND_NS
from raftline.cluster.expiry import LOOK_NS, Expiry
from raftline.machine.commands import CarryOutDue
from raftline.machine.outcomes import CommandResult, Done, Outcome, Rejected
from raftline.raft.node import Role

HOUSEKEEPING_NS = 50 * MILLISECOND_NS


@dataclass
class Fakes:
    """A machine on which something is due, a core, clocks, and what was proposed."""

    due_ms: int | None = 1000
    cluster_time_ms: int = 0
    role: Role = Role.LEADER
    time_ms: int = 0
    now_ns: int = 0
    look_count: int = 0
    proposed: list[Callable[[CommandResult], None]] = field(default_factory=list)

    def answer(self, _query: object) -> int | None:
        self.look_count += 1
        return self.due_ms

    def wall_ms(self) -> int:
        return self.time_ms

    def monotonic_ns(self) -> int:
        return self.now_ns

    def propose(self, action: object, applied: Any) -> None:
        assert isinstance(action, CarryOutDue)
        self.proposed.append(applied)

    def settle(self, outcome: Outcome) -> None:
        """Answer the last command that was proposed."""
        self.proposed[-1](CommandResult(NodeId(1), 1, 1, Position(1), outcome, []))


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def expiry(fakes: Fakes) -> Expiry:
    machine: Any = fakes
    return Expiry(machine, machine, machine, propose=fakes.propose)


def keep_house(fakes: Fakes, expiry: Expiry, after_ns: int = LOOK_NS) -> int:
    """Let time pass, and say how many commands were proposed by then."""
    fakes.now_ns += after_ns
    expiry.keep_house(fakes.now_ns)
    return len(fakes.proposed)


def test_what_is_due(fakes: Fakes, expiry: Expiry) -> None:
    """Something is proposed once its time has come, and not again while that is under way."""
    assert keep_house(fakes, expiry) == 0
    fakes.time_ms = 999
    assert keep_house(fakes, expiry) == 0
    fakes.time_ms = 1000
    assert keep_house(fakes, expiry) == 1
    assert keep_house(fakes, expiry) == 1


def test_nothing_is_due(fakes: Fakes, expiry: Expiry) -> None:
    """Nothing is proposed, however late it is."""
    fakes.due_ms, fakes.time_ms = None, 1 << 40
    assert keep_house(fakes, expiry) == 0


def test_so_often(fakes: Fakes, expiry: Expiry) -> None:
    """One look within a second is enough."""
    keep_house(fakes, expiry, LOOK_NS - 1)
    assert fakes.look_count == 0
    keep_house(fakes, expiry, 1)
    keep_house(fakes, expiry, LOOK_NS - 1)
    assert fakes.look_count == 1


def test_what_is_left(fakes: Fakes, expiry: Expiry) -> None:
    """A command takes so much; for the rest nobody waits a second."""
    fakes.time_ms = 1000
    keep_house(fakes, expiry)
    fakes.settle(Done())
    assert keep_house(fakes, expiry, HOUSEKEEPING_NS) == 2


def test_what_was_refused(fakes: Fakes, expiry: Expiry) -> None:
    """It is tried again, but not at full speed."""
    fakes.time_ms = 1000
    keep_house(fakes, expiry)
    fakes.settle(Rejected("internal-server-error", "cancel"))
    assert keep_house(fakes, expiry, HOUSEKEEPING_NS) == 1
    assert keep_house(fakes, expiry) == 2


def test_who_does_not_lead(fakes: Fakes, expiry: Expiry) -> None:
    """It leaves that to the leader."""
    fakes.time_ms, fakes.role = 1000, Role.FOLLOWER
    assert keep_house(fakes, expiry) == 0


def test_a_clock_that_is_behind(fakes: Fakes, expiry: Expiry) -> None:
    """What is due by cluster time is due, though this leader's own clock has not come so far."""
    fakes.time_ms, fakes.cluster_time_ms = 500, 1000
    assert keep_house(fakes, expiry) == 1
