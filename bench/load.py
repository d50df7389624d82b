"""Runs the generator: a process for each task, so that nothing of one weighs on the next and its CPU is its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from bench.generator.__main__ import NOT_OFFERED_EXIT
from bench.log_alone.task import LogTask
from bench.processes import BenchError
from bench.task import Measured, Task, Timed

ROOT = Path(__file__).resolve().parent.parent
MARGIN_S = 300.0
"""Beyond the time measured: logging in, filling archives, draining."""


class NotOffered(BenchError):
    """The server lacks what the task asks for: no figure, but no failure."""


def generate(task: Task) -> Measured:
    """
    Have the generator carry out a task.

    Raises:
        NotOffered: The server lacks a mechanism.
        BenchError: The generator failed; with what it wrote.
    """
    return msgspec.json.decode(_run("bench.generator", msgspec.json.encode(task), task), type=Measured)


def load_log(task: LogTask) -> Measured:
    """
    Have a process append to a log.

    Raises:
        BenchError: It failed; with what it wrote.
    """
    return msgspec.json.decode(_run("bench.log_alone", msgspec.json.encode(task), task), type=Measured)


def _run(module: str, request: bytes, task: Timed) -> bytes:
    done = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-m", module],
        input=request,
        capture_output=True,
        cwd=ROOT,
        check=False,
        timeout=task.warm_up_s + task.duration_s + MARGIN_S,
    )
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode == NOT_OFFERED_EXIT:
        raise NotOffered(said)
    if done.returncode != 0:
        raise BenchError(f"{module} failed:\n{said[-3000:]}")
    return done.stdout
