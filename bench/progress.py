"""How far a run of the bench has come: a bar on standard error, if that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from raftline.cli.progress import entry_progress


@contextmanager
def figure_progress(total: int) -> Iterator[Callable[[], None]]:
    """
    Show a bar that is full after `total` figures; fewer come where a server fails, or does not offer something.

    Yields: A function to call after each.
    """
    done = 0
    with entry_progress() as show:
        show("Measuring", done, total)

        def advance() -> None:
            nonlocal done
            done += 1
            show("Measuring", done, total)

        yield advance
