"""
One seed of a kind, run to its end; and many of them, for a time.

    core    consensus cores, disks and messages alone: thousands of cheap events (tests/raft/simulation)
    stack   whole nodes with clients (world.py)

A seed is all there is to a run: the same seed of the same kind, on the same commit, is the same run. Fresh seeds follow
one another from a first one, so that a failing seed can be run alone. Of the time at least half goes to whole stacks.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from raft.simulation.faults import Faults as CoreFaults
from raft.simulation.world import World as CoreWorld
from sim.counters import Counters
from sim.faults import Faults
from sim.scheduler import MILLISECOND_NS
from sim.world import World

KINDS: Final = ("core", "stack")
CORE_EVENT_COUNT: Final = 8_000

_CORE_SIZES: Final = (3, 5, 3, 5, 1)
_CHURN_EVERY: Final = 3

_RARE_EVERY: Final = 16
_DAMAGE_SEED: Final = 2
_CHURN_SEED: Final = 5


class Failed(AssertionError):
    """A seed broke a promise; the text tells the events before it."""

    def __init__(self, kind: str, seed: int, reason: str, recent: list[str]) -> None:
        lines = "\n".join(f"    {line}" for line in recent)
        super().__init__(f"{kind} seed {seed}: {reason}\n  the last events:\n{lines}")
        self.kind = kind
        self.seed = seed
        self._parts = (kind, seed, reason, recent)

    def __reduce__(self) -> tuple[type[Failed], tuple[str, int, str, list[str]]]:
        """Cross from the process that found it to the one that tells it."""
        return Failed, self._parts


@dataclass
class Totals:
    """What a number of runs came to; seconds are those of this machine."""

    seed_counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    event_counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    counters: Counters = field(default_factory=Counters)

    def add(self, other: Totals) -> None:
        """Add those of other runs."""
        for kind in KINDS:
            self.seed_counts[kind] += other.seed_counts[kind]
            self.event_counts[kind] += other.event_counts[kind]
            self.seconds[kind] += other.seconds[kind]
        self.counters.add(other.counters)

    def as_text(self) -> str:
        """Return some lines for people."""
        lines = [
            f"{kind}: {self.seed_counts[kind]} seeds, {self.event_counts[kind]} events, "
            f"{self.event_counts[kind] / self.seconds[kind]:.0f} events per second"
            for kind in KINDS
            if self.seed_counts[kind]
        ]
        if self.seed_counts["stack"]:
            lines.append(f"stack: {self.counters.as_text()}")
        return "\n".join(lines)


def run_core(seed: int) -> int:
    """Run a seed on consensus cores alone and return its events."""
    size = _CORE_SIZES[seed % len(_CORE_SIZES)]
    faults = CoreFaults.draw(random.Random(seed))
    if seed % _CHURN_EVERY == 0:
        faults = replace(faults, checkpoint=1.0, churn=1.0, install_crash=0.2)
    world = CoreWorld(seed, size, faults)
    try:
        world.run_safety(CORE_EVENT_COUNT)
        world.run_liveness()
    except AssertionError as error:
        raise Failed("core", seed, str(error), [world.describe()]) from error
    return world.event_count


def faults_of(seed: int) -> Faults:
    """Return the mix of a whole stack's seed; some seeds are for what is rare in the others, and long to come about."""
    chance = random.Random(seed)
    faults = Faults.draw(chance)
    if seed % _RARE_EVERY == _DAMAGE_SEED:
        # Disks are damaged while all members work and agree on who they are, so that must come about.
        restart_ns_max = min(faults.restart_ns_max, 300 * MILLISECOND_NS)
        return replace(faults, damage=chance.uniform(0.2, 0.5), churn=0.0, restart_ns_max=restart_ns_max)
    if seed % _RARE_EVERY == _CHURN_SEED:
        return replace(faults, churn=chance.uniform(0.05, 0.3), compaction=True)
    return faults


def run_stack(seed: int, observe: Callable[[World], None] | None = None) -> World:
    """Run a seed on whole stacks and return its world, which is closed; `observe` sees it before it begins."""
    world = World(seed, faults=faults_of(seed))
    try:
        if observe is not None:
            observe(world)
        world.run()
    except AssertionError as error:
        raise Failed("stack", seed, str(error), list(world.scheduler.recent)[-40:]) from error
    finally:
        world.close()
    return world


def run_one(kind: str, seed: int, totals: Totals, observe: Callable[[World], None] | None = None) -> None:
    """
    Run one seed and add it to the totals.

    Raises:
        Failed: It broke a promise.
    """
    began = time.perf_counter()
    if kind == "core":
        event_count = run_core(seed)
    else:
        world = run_stack(seed, observe)
        event_count = world.scheduler.event_count
        totals.counters.add(world.counters)
    totals.seconds[kind] += time.perf_counter() - began
    totals.seed_counts[kind] += 1
    totals.event_counts[kind] += event_count


def fresh_seeds(first: int, kinds: tuple[str, ...], totals: Totals) -> Iterator[tuple[str, int]]:
    """Return seeds without end, each kind's from `first` on; whole stacks get at least as much time as cores."""
    next_seeds = dict.fromkeys(kinds, first)
    while True:
        kind = kinds[0] if len(kinds) == 1 or totals.seconds["core"] < totals.seconds["stack"] else "stack"
        yield kind, next_seeds[kind]
        next_seeds[kind] += 1
