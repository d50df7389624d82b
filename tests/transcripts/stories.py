"""
Stories as text files: commands to the code at work, and everything that comes of them.

A file is a row of blocks, each a command, a line of dashes and the expected answer, with remarks (`#`) before any
command:

    # D1: an acknowledgement before the sync would be lost with the power.
    propose 1 a
    ----
    1 writes [2/1 a]

A *stage* plays the commands; what they mean is its own. Nothing on it happens by itself and no chance is drawn that the
story does not fix, so a file is performed with the same answers each time, or the code has changed.

`REWRITE=1` writes the answers that came into the files, also for a new file of bare commands; read the difference then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from raftline.base.errors import RaftlineError

REWRITE = "REWRITE"

_BLOCK = re.compile(r"(?P<remarks>(?:(?:#[^\n]*)?\n)*)(?P<command>[^\n#]+)\n----\n(?P<answer>(?:[^\n]+\n)*)")


class Stage:
    """
    Plays commands and collects what comes of them: `vote 3 for 2` is done by the method `_vote`, which gets the words.

    Attributes:
        told_errors: What a command may raise; it is told like any other answer.
    """

    told_errors: ClassVar[tuple[type[Exception], ...]] = (RaftlineError,)

    def __init__(self) -> None:
        self._lines: list[str] = []

    def play(self, command: str) -> str:
        """Carry out one command; returns its answer."""
        self._lines = []
        name, *words = command.split()
        method: Callable[[list[str]], None] | None = getattr(self, f"_{name}", None)
        assert method is not None, f"no command: {command}"
        try:
            method(words)
        except self.told_errors as error:
            self._say(f"{type(error).__name__}: {error}")
        return "\n".join(self._lines) or "ok"

    def close(self) -> None:
        """Give back what the story has taken; nothing is played afterwards."""

    def _say(self, line: str) -> None:
        self._lines.append(line)


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Take a file apart: (remarks, command, expected answer)."""
    place = 0
    while place < len(text.rstrip()):
        block = _BLOCK.match(text, place)
        if block is None:
            raise ValueError(f"no block: {text[place : place + 60]!r}")
        yield block["remarks"], block["command"], block["answer"]
        place = block.end()


def play_all(text: str, stage: Stage) -> str:
    """Play a file and return it with the answers that came; the stage is closed in the end."""
    try:
        parts = [f"{remarks}{command}\n----\n{stage.play(command)}\n" for remarks, command, _ in blocks(text)]
    finally:
        stage.close()
    return "".join(parts)


def draft(path: Path) -> str:
    """Read a file in which dashes and answers may be missing: one command a line then."""
    text = path.read_text(encoding="utf-8")
    if "\n----\n" in text:
        return text
    lines = [line if not line or line.startswith("#") else f"{line}\n----\nok\n" for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def stories_beside(test_file: str) -> pytest.MarkDecorator:
    """Return what gives a test, as `path`, each story in the folder `scenarios` beside its file; there must be some."""
    paths = sorted((Path(test_file).parent / "scenarios").glob("*.txt"))
    assert paths, f"no stories beside {test_file}"
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


def check_story(path: Path, perform: Callable[[str], str]) -> None:
    """Perform a story and compare, or write what came where that is asked for."""
    expected = draft(path)
    performed = perform(expected)
    if os.environ.get(REWRITE):
        path.write_text(performed, encoding="utf-8")
        return
    assert performed == expected


def check_noticed(path: Path, perform: Callable[[str], str], break_code: Callable[[], object]) -> None:
    """
    See to it that a story is told otherwise, or not to its end, once the code is broken.

    A story that passes with its mistake in the code tests nothing.
    """
    expected = path.read_text(encoding="utf-8")
    assert perform(expected) == expected
    break_code()
    try:
        performed = perform(expected)
    except AssertionError as error:
        print(f"{path.stem}: {error}")
    else:
        assert performed != expected
