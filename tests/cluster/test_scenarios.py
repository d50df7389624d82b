"""
Stories of commands and leaderships, as text files: for the rows of the bug catalogue that the driver decides.

`cluster.transcript` has the commands, `transcripts.stories` the form of a file and how to write one.
"""

from __future__ import annotations

from pathlib import Path

from cluster.transcript import perform
from transcripts.stories import check_story, stories_beside


@stories_beside(__file__)
def test_scenario(path: Path) -> None:
    """Nodes do and say exactly what the file tells."""
    check_story(path, perform)
