"""
Stories of what disks do to a log, as text files: one at least for each row of the bug catalogue that concerns it.

`wal.transcript` has the commands, `transcripts.stories` the form of a file and how to write one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from transcripts.stories import check_story
from wal.transcript import perform

DIRECTORY = Path(__file__).parent / "scenarios"
PATHS = sorted(DIRECTORY.glob("*.txt"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """The log holds and says exactly what the file tells."""
    check_story(path, perform)


def test_there_are_scenarios() -> None:
    """The files are found."""
    assert len(PATHS) > 10
