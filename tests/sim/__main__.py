"""
Runs simulated clusters of fresh seeds for some minutes: `python -m sim --seed N --minutes M`.

A seed that breaks a promise ends the run with exit code 1, and with the line that runs it again.
"""

from __future__ import annotations

import argparse
import logging
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from sim.runs import KINDS, Failed, Totals, fresh_seeds, run_one
from sim.scheduler import SECOND_NS
from sim.world import World

ENOUGH_SEEDS: Final = 40
"""From so many whole stacks on, each kind of thing that should happen must have happened."""


def main() -> int:
    """Return the exit code."""
    options = _parse()
    kinds = KINDS if options.kind == "both" else (options.kind,)
    print(f"simulation: first seed {options.seed}, kind {options.kind}, commit {_commit()}", flush=True)
    deadline = time.monotonic() + options.minutes * 60
    totals = Totals()
    told_at = time.monotonic()
    for kind, seed in fresh_seeds(options.seed, kinds, totals):
        if time.monotonic() >= deadline or (options.seeds and sum(totals.seed_counts.values()) >= options.seeds):
            break
        try:
            run_one(kind, seed, totals, _tell_log if options.log else None)
        except BaseException as error:
            if not isinstance(error, Failed):
                print(f"{kind} seed {seed} did not end: {error!r}", file=sys.stderr)
            _tell_failure(kind, seed, error)
            if isinstance(error, Failed):
                return 1
            raise
        if time.monotonic() - told_at > 30:
            told_at = time.monotonic()
            print(totals.as_text(), flush=True)
    print(totals.as_text())
    missing = totals.counters.missing()
    if missing and totals.seed_counts["stack"] >= ENOUGH_SEEDS:
        print(f"nothing of this has happened: {', '.join(missing)}", file=sys.stderr)
        return 1
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sim", description="Simulated clusters of fresh seeds.")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 40), help="the first seed")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--kind", choices=(*KINDS, "both"), default="both", help="cores alone, whole stacks, or both")
    parser.add_argument("--seeds", type=int, default=0, help="stop after so many seeds; 0 for no bound")
    parser.add_argument("--log", action="store_true", help="print what the nodes of whole stacks log, in virtual time")
    return parser.parse_args()


def _commit() -> str:
    """Return the commit that is checked out, if git knows."""
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=root, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def _tell_failure(kind: str, seed: int, error: BaseException) -> None:
    print(f"\nFAILED: {error}\n", file=sys.stderr)
    print(f"kind {kind}, seed {seed}, commit {_commit()}; to run it again:", file=sys.stderr)
    print(
        f"    PYTHONPATH=tests:src {sys.executable} -m sim --kind {kind} --seed {seed} --seeds 1 --minutes 60",
        file=sys.stderr,
    )


def _tell_log(world: World) -> None:
    """Print what nodes log, with the virtual time and the process."""
    logger = logging.getLogger("raftline")
    logger.setLevel(logging.INFO)

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(f"{world.scheduler.now_ns / SECOND_NS:12.6f} {world.running_process:16} {record.getMessage()}")

    logger.handlers = [*(kept for kept in logger.handlers if type(kept).__name__ != "Printer"), Printer()]


if __name__ == "__main__":
    sys.exit(main())
