"""
Whole clusters of kept seeds.

Fresh seeds are run by `make sim`, which `make test` begins with; see `sim/__main__.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.counters import Counters
from sim.runs import Totals, run_one, run_stack
from sim.world import World

ROOT = Path(__file__).resolve().parents[2]
DETERMINISM_SEEDS = (119, 121, 124)

_TRACE = """
import sys
from sim.runs import run_stack
for seed in map(int, sys.argv[1:]):
    scheduler = run_stack(seed).scheduler
    print(seed, scheduler.trace_hash, scheduler.event_count, scheduler.now_ns)
"""


def kept_seeds() -> list[tuple[str, int]]:
    """Return kind and seed of each line."""
    lines = Path(__file__).with_name("kept_seeds.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    return [(kind, int(seed)) for kind, seed, _why in words]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "seed"), kept_seeds())
def test_kept_seeds(kind: str, seed: int) -> None:
    """What was found once is not there again."""
    run_one(kind, seed, Totals())


@pytest.mark.timeout(300)
def test_what_should_happen_does() -> None:
    """A few seeds between them see all that the simulation is for: else it would prove nothing."""
    counters = Counters()
    for seed in (102, 104, 111, 112, 123, 162):
        counters.add(run_stack(seed).counters)
    print(counters.as_text())
    assert not counters.missing()
    assert counters.acknowledged_count > 1000
    assert counters.delivered_count > 1000
    assert counters.read_count > 100
    assert counters.disappeared_count > 100
    assert counters.power_failure_count > 10
    assert counters.pause_count > 10
    assert counters.graceful_stop_count > 5
    assert counters.cut_count > 10


@pytest.mark.timeout(300)
def test_a_seed_is_a_run() -> None:
    """Twice in one process, and once in another one that orders sets otherwise: every event at the same time."""
    runs = [[trace_of(run_stack(seed)) for seed in DETERMINISM_SEEDS] for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == len(DETERMINISM_SEEDS)
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT / 'src'}"}
    finished = subprocess.run(
        [sys.executable, "-c", _TRACE, *map(str, DETERMINISM_SEEDS)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.splitlines() == runs[0]


def trace_of(world: World) -> str:
    """Say in a line what happened."""
    scheduler = world.scheduler
    return f"{world.seed} {scheduler.trace_hash} {scheduler.event_count} {scheduler.now_ns}"
