"""
Killers: what may notice a fault, from cheap to dear.

    1  scenarios and other directed tests of the package
    2  its properties and unit tests
    3  simulated clusters of cores, by seed; for the core alone, since their disks and databases are not ours
    4  simulated clusters of whole servers, by seed

A test file that is named nowhere below belongs to the second level, so new ones are found. Tests that start other
processes cannot notice anything, because the fault is in this process alone, and are left out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import pytest
from _pytest.runner import runtestprotocol

from mutation import whole_stack
from mutation.children import HANG_SECONDS, Tell
from raft.simulation.faults import Faults
from raft.simulation.world import World

DIRECTED: Final = {
    "raft": (
        "test_scenarios.py",
        "test_durability.py",
        "test_commit_and_election.py",
        "test_reads.py",
        "test_snapshots.py",
        "test_confchange.py",
        "test_thesis.py",
        "test_pre_vote.py",
    ),
    "wal": ("test_scenarios.py", "test_salvage.py", "test_snapshot_mark.py", "test_log.py", "test_recovery.py"),
    "machine": (
        "test_scenarios.py",
        "test_apply.py",
        "test_sessions.py",
        "test_resumption.py",
        "test_messages.py",
        "test_inbox.py",
        "test_blocking.py",
        "test_machine.py",
    ),
}
"""Files of the first level, in order."""

LAST: Final = ("test_writer.py", "test_simulation.py")
"""Files that come after all others of their package: threads, clusters."""

LEFT_OUT: Final = (
    "tests/raft/test_mutants.py",  # is about mutants itself
    "tests/raft/test_simulation.py::test_fixed_seeds",  # level 3 runs seeds
    "tests/raft/test_simulation.py::test_fresh_seeds",
    "tests/raft/test_simulation.py::test_clusters_that_change_and_forget",
    "tests/wal/test_killed_process.py",  # starts another process
)

SEED_COUNT: Final = 120
SEED_EVENT_COUNT: Final = 4000


class Killer(NamedTuple):
    """
    Someone who may notice.

    Attributes:
        name: The same from run to run.
        look: Returns what it noticed, or nothing.
        seconds_max: How long it may look; after that it has noticed by hanging.
    """

    name: str
    look: Callable[[], str]
    seconds_max: float = HANG_SECONDS


def killers_of(package: str, items: Iterable[pytest.Item]) -> Iterator[Killer]:
    """All killers of faults in a package, from cheap to dear."""
    own = [
        item for item in items if item.nodeid.startswith(f"tests/{package}/") and not item.nodeid.startswith(LEFT_OUT)
    ]
    places = {item.nodeid: number for number, item in enumerate(own)}
    for item in sorted(own, key=lambda item: (_level(package, item), places[item.nodeid])):
        yield Killer(item.nodeid, partial(_run_item, item))
    if package == "raft":
        for seed in range(SEED_COUNT):
            yield Killer(f"simulation, seed {seed}", partial(_noticed, _run_seed, seed))
    for seed in whole_stack.SEEDS:
        yield Killer(f"whole stack, seed {seed}", partial(_noticed, whole_stack.run, seed), whole_stack.SECONDS_MAX)


def look_in_turn(killers: Iterable[Killer], tell: Tell) -> None:
    """Let one after the other look, until one notices something; tells the parent of this process."""
    for killer in killers:
        tell(began=killer.name, seconds_max=killer.seconds_max)
        text = killer.look()
        if text:
            tell(noticed=killer.name, text=text[:500])
            return


def _level(package: str, item: pytest.Item) -> int:
    name = item.path.name
    if name in DIRECTED[package]:
        return DIRECTED[package].index(name)
    return 200 if name in LAST else 100


def _run_item(item: pytest.Item) -> str:
    """Run a test; returns how it failed."""
    for report in runtestprotocol(item, nextitem=None, log=False):
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash is not None else report.longreprtext
            return text.strip().split("\n")[0] or "failed"
    return ""


def _noticed(run: Callable[[int], None], seed: int) -> str:
    try:
        run(seed)
    except Exception as error:  # noqa: BLE001  a broken core may raise anything
        return f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0]
    return ""


def _run_seed(seed: int) -> None:
    """Run a simulated cluster; every other one forgets and changes much."""
    faults = None
    if seed % 2:
        faults = replace(Faults.draw(random.Random(seed)), checkpoint=1.0, churn=1.0, install_crash=0.2)
    world = World(seed, (3, 3, 5, 1)[seed % 4], faults)
    world.run_safety(SEED_EVENT_COUNT)
    world.run_liveness()
