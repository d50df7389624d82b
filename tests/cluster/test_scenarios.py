"""
Stories of commands and leaderships, as text files: for the rows of the bug catalogue that the driver decides.

`cluster.transcript` has the commands, `transcripts.stories` the form of a file and how to write one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.transcript import perform
from transcripts.stories import check_story

DIRECTORY = Path(__file__).parent / "scenarios"
PATHS = sorted(DIRECTORY.glob("*.txt"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """Nodes do and say exactly what the file tells."""
    check_story(path, perform)


def test_there_are_scenarios() -> None:
    """The files are found."""
    assert len(PATHS) > 5
