"""
Stories of what disks do to a log, as text files: one at least for each row of the bug catalogue that concerns it.

`wal.transcript` has the commands, `transcripts.stories` the form of a file and how to write one.
"""

from __future__ import annotations

from pathlib import Path

from transcripts.stories import check_story, stories_beside
from wal.transcript import perform


@stories_beside(__file__)
def test_scenario(path: Path) -> None:
    """The log holds and says exactly what the file tells."""
    check_story(path, perform)
