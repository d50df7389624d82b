"""
Runs simulated clusters of fresh seeds for some minutes: `python -m sim --seed N --minutes M --jobs J`.

A seed that breaks a promise ends the run with exit code 1, and with the line that runs it again. So does a run of some
minutes in which something never happened that the simulation is for.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path
from typing import Final

from sim.jobs import run_jobs
from sim.runs import KINDS, Failed

ENOUGH_MINUTES: Final = 5
"""In so many minutes, of all processes together, each kind of thing that should happen must have happened."""


def main() -> int:
    """Return the exit code."""
    options = _parse()
    print(f"simulation: first seed {options.seed}, kind {options.kind}, commit {_commit()}", flush=True)
    try:
        totals = run_jobs(options)
    except Failed as failed:
        _tell_failure(failed)
        return 1
    print(totals.as_text())
    is_long = options.minutes * options.jobs >= ENOUGH_MINUTES and options.kind != "core" and not options.seeds
    missing = totals.counters.missing() if is_long else []
    if missing:
        print(f"nothing of this has happened: {', '.join(missing)}", file=sys.stderr)
        return 1
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sim", description="Simulated clusters of fresh seeds.")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 40), help="the first seed")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side, each with seeds of its own")
    parser.add_argument("--kind", choices=(*KINDS, "both"), default="both", help="cores alone, whole stacks, or both")
    parser.add_argument("--seeds", type=int, default=0, help="stop after so many seeds per process; 0 for no bound")
    parser.add_argument("--log", action="store_true", help="print what the nodes of whole stacks log, in virtual time")
    return parser.parse_args()


def _commit() -> str:
    """Return the commit that is checked out, if git knows."""
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=root, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def _tell_failure(failed: Failed) -> None:
    print(f"\nFAILED: {failed}\n", file=sys.stderr)
    if failed.__cause__ is not None:
        print(f"{failed.__cause__}\n", file=sys.stderr)
    print(f"kind {failed.kind}, seed {failed.seed}, commit {_commit()}; to run it again:", file=sys.stderr)
    again = f"make sim KIND={failed.kind} SEED={failed.seed} SEEDS=1 MINUTES=60"
    print(f"    {again}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
