"""
Bars for what takes long: on standard error, and only if that is a terminal and a person reads the output.

Neither a program that asked for JSON nor a file that the output goes to ever gets one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

Step = Callable[[int], object]
"""Takes by how much the work went on."""

Restart = Callable[[str, int], None]
"""Begins anew, with another description and another total."""

_OF_BYTES: Final[tuple[Callable[[], ProgressColumn], ...]] = (BarColumn, DownloadColumn, TransferSpeedColumn)
_OF_ENTRIES: Final[tuple[Callable[[], ProgressColumn], ...]] = (BarColumn, MofNCompleteColumn, TimeElapsedColumn)


@contextmanager
def byte_progress(what: str, total_bytes: int, *, json: bool = False) -> Iterator[tuple[Step, Restart]]:
    """
    Show how many bytes have come.

    Args:
        json: The command prints JSON: nothing is shown.

    Yields: advance (by bytes), begin anew.
    """
    with _progress(_OF_BYTES, json=json) as progress:
        task = progress.add_task(what, total=total_bytes)

        def restart(description: str, total: int) -> None:
            progress.reset(task, description=description, total=total)

        yield lambda count: progress.advance(task, count), restart


@contextmanager
def entry_progress() -> Iterator[Callable[[str, int | None, int | None], None]]:
    """
    Show how far something has come that may move backwards, or whose end moves.

    Yields: A function that takes what is waited for, how much is done and of how much; None and None for not known.
    """
    with _progress(_OF_ENTRIES, json=False) as progress:
        task = progress.add_task("Waiting", total=None)
        yield lambda what, done, total: progress.update(task, description=what, completed=done or 0, total=total)


def shows_progress(*, json: bool = False) -> bool:
    """Tell whether a bar would be seen: a terminal is there, and nobody asked for JSON."""
    return not json and sys.stderr.isatty()


def _progress(columns: tuple[Callable[[], ProgressColumn], ...], *, json: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        *(column() for column in columns),
        console=Console(stderr=True),
        disable=not shows_progress(json=json),
        transient=True,
    )
