"""
Runs simulated clusters of fresh seeds for some minutes: `python -m sim --seed N --minutes M --jobs J`.

A seed that breaks a promise ends the run with exit code 1, and with the line that runs it again. So does a run of many
whole stacks in which something never happened that the simulation is for.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import random
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed, wait
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sim.runs import KINDS, Failed, Totals, fresh_seeds, run_one
from sim.scheduler import SECOND_NS
from sim.world import World

if TYPE_CHECKING:
    from threading import Event

ENOUGH_SEEDS: Final = 40
"""From so many whole stacks on, each kind of thing that should happen must have happened."""

SEEDS_OF_A_JOB: Final = 1 << 20
"""How far apart the first seeds of processes are that run side by side."""

TELL_EVERY_SECONDS: Final = 30


class Job:
    """
    The seeds that one process runs, one after another.

    Args:
        number: Counted from 0.
        is_over: Set when another process has found something, so that this one need not go on.
    """

    def __init__(self, options: argparse.Namespace, number: int, is_over: Event | None = None) -> None:
        self._options = options
        self._first = options.seed + number * SEEDS_OF_A_JOB
        self._name = f"job {number}: " if options.jobs > 1 else ""
        self._is_over = is_over
        self._totals = Totals()
        self._kinds = KINDS if options.kind == "both" else (options.kind,)

    def run(self) -> Totals:
        """
        Run them, as long as was asked for.

        Raises:
            Failed: A seed broke a promise.
        """
        deadline = time.monotonic() + self._options.minutes * 60
        told_at = time.monotonic()
        for kind, seed in fresh_seeds(self._first, self._kinds, self._totals):
            if time.monotonic() >= deadline or self._is_enough():
                break
            try:
                run_one(kind, seed, self._totals, _tell_log if self._options.log else None)
            except Failed:
                raise
            except Exception as error:
                raise Failed(kind, seed, f"the simulation itself failed: {error!r}", []) from error
            if time.monotonic() - told_at > TELL_EVERY_SECONDS:
                told_at = time.monotonic()
                told = ", ".join(f"{count} seeds of {kind}" for kind, count in self._totals.seed_counts.items())
                print(f"{self._name}{told}", flush=True)
        return self._totals

    def _is_enough(self) -> bool:
        if self._is_over is not None and self._is_over.is_set():
            return True
        return bool(self._options.seeds and sum(self._totals.seed_counts.values()) >= self._options.seeds)


def main() -> int:
    """Return the exit code."""
    options = _parse()
    print(f"simulation: first seed {options.seed}, kind {options.kind}, commit {_commit()}", flush=True)
    try:
        totals = Job(options, 0).run() if options.jobs == 1 else _run_side_by_side(options)
    except Failed as failed:
        _tell_failure(failed)
        return 1
    print(totals.as_text())
    missing = totals.counters.missing()
    if missing and totals.seed_counts["stack"] >= ENOUGH_SEEDS:
        print(f"nothing of this has happened: {', '.join(missing)}", file=sys.stderr)
        return 1
    return 0


def _run_side_by_side(options: argparse.Namespace) -> Totals:
    """Run several jobs in processes of their own; the first failure ends them all."""
    totals = Totals()
    context = multiprocessing.get_context("spawn")
    with context.Manager() as shared, ProcessPoolExecutor(options.jobs, context) as pool:
        is_over = shared.Event()
        jobs = [pool.submit(_run_job, options, number, is_over) for number in range(options.jobs)]
        try:
            for job in as_completed(jobs):
                totals.add(job.result())
        finally:
            is_over.set()
            wait(jobs)
    return totals


def _run_job(options: argparse.Namespace, number: int, is_over: Event) -> Totals:
    return Job(options, number, is_over).run()


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
