"""
Stories of whole nodes and what they tell their clients, as text files: for rows of the bug catalogue about clients.

`sim.transcript` has the commands, `transcripts.stories` the form of a file and how to write one.
"""

from __future__ import annotations

from pathlib import Path

from sim.transcript import perform
from transcripts.stories import check_story, stories_beside


@stories_beside(__file__)
def test_transcript(path: Path) -> None:
    """Clients are told exactly what the file tells."""
    check_story(path, perform)
