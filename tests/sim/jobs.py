"""Simulated clusters in processes side by side, each with seeds of its own, until one of them finds something."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed, wait
from typing import TYPE_CHECKING, Final

from sim.runs import KINDS, Failed, Totals, fresh_seeds, run_one
from sim.scheduler import SECOND_NS
from sim.world import World

if TYPE_CHECKING:
    from threading import Event

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


def run_jobs(options: argparse.Namespace) -> Totals:
    """
    Run as many jobs as are wanted: one here, several in processes of their own. The first failure ends them all.

    Raises:
        Failed: A seed broke a promise.
    """
    if options.jobs == 1:
        return Job(options, 0).run()
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


def _tell_log(world: World) -> None:
    """Print what nodes log, with the virtual time and the process."""
    logger = logging.getLogger("raftline")
    logger.setLevel(logging.INFO)

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(f"{world.scheduler.now_ns / SECOND_NS:12.6f} {world.running_process:16} {record.getMessage()}")

    logger.handlers = [*(kept for kept in logger.handlers if type(kept).__name__ != "Printer"), Printer()]
