"""
Stories of replicas and their databases, as text files: one at least for each row of the bug catalogue about them.

`machine.transcript` has the commands, `transcripts.stories` the form of a file and how to write one.
"""

from __future__ import annotations

from pathlib import Path

from machine.transcript import perform
from transcripts.stories import check_story, stories_beside


@stories_beside(__file__)
def test_scenario(path: Path) -> None:
    """Replicas hold and say exactly what the file tells."""
    check_story(path, perform)
