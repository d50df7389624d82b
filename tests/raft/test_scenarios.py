"""
Stories of single mistakes as text files, one for each row of the bug catalogue that concerns the core.

`REWRITE=1` writes the answers that came into the files, also for a new file of bare commands; read the difference then.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raft.simulation.transcript import draft, perform

DIRECTORY = Path(__file__).parent / "scenarios"
PATHS = sorted(DIRECTORY.glob("*.txt"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """The cores do and say exactly what the file tells."""
    expected = draft(path)
    performed = perform(expected)
    if os.environ.get("REWRITE"):
        path.write_text(performed, encoding="utf-8")
        return
    assert performed == expected


def test_there_are_scenarios() -> None:
    """The files are found."""
    assert len(PATHS) > 20
