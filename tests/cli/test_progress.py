"""Bars for what takes long, and what is told of a new node that catches up."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from cli.serving import RAFTLINE
from raftline.cli.members import describe_waiting
from raftline.cli.progress import byte_progress, shows_progress
from server.backup_files import make_backup


async def on_a_terminal(*arguments: str) -> tuple[bytes, bytes]:
    """What a command writes to standard output, a pipe, and to standard error, a terminal."""
    master, slave = os.openpty()
    process = await asyncio.create_subprocess_exec(
        RAFTLINE,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=slave,
        env={"PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(slave)
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    os.set_blocking(master, False)
    drawn = b""
    # Linux tells by an error that nobody is at the other end any more.
    try:
        while data := os.read(master, 65_536):
            drawn += data
    except OSError:
        pass
    finally:
        os.close(master)
    return out, drawn


class TestBars:
    """On a terminal alone, and never where a program reads."""

    async def test_a_terminal_gets_one(self, tmp_path: Path) -> None:
        """On standard error, and none of it on standard output."""
        file, _ = make_backup(tmp_path)
        out, drawn = await on_a_terminal("verify", "--input", str(file))
        assert b"Reading" in drawn
        assert b"All is whole." in out
        assert b"Reading" not in out

    async def test_json_gets_none(self, tmp_path: Path) -> None:
        """A program that asked for JSON finds nothing beside it, even on a terminal."""
        file, _ = make_backup(tmp_path)
        out, drawn = await on_a_terminal("verify", "--input", str(file), "--json")
        assert drawn == b""
        assert out.startswith(b"{")

    def test_a_file_gets_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Where standard error is no terminal, nothing is drawn, and the work goes on."""
        assert not shows_progress()
        with byte_progress("Copying", 100) as (step, restart):
            step(100)
            restart("Fetching", 10)
            step(10)
        assert capsys.readouterr() == ("", "")


class TestANewNode:
    """`raftline cluster add` waits until it votes."""

    def test_its_position_is_told(self) -> None:
        """In words and as a figure; of several the one that is furthest behind."""
        nodes = [
            {"id": 1, "role": "leader", "match_index": 900},
            {"id": 4, "role": "learner", "match_index": 300},
            {"id": 5, "role": "learner", "match_index": 700},
        ]
        text, done, total = describe_waiting("node 4 to vote", {"commit_index": 900, "nodes": nodes})
        assert "node 4 stores 300 of 900 entries" in text
        assert "node 5 stores 700 of 900 entries" in text
        assert (done, total) == (300, 900)

    def test_a_snapshot_is_on_its_way(self) -> None:
        """Nothing is stored before all of it is there: no figure, since one would stand still."""
        nodes = [{"id": 1, "role": "leader", "match_index": 900}, {"id": 4, "role": "learner", "match_index": None}]
        text, done, total = describe_waiting("node 4 to vote", {"commit_index": 900, "nodes": nodes})
        assert "node 4 stores 0 of 900 entries" in text
        assert (done, total) == (None, None)

    def test_nobody_catches_up(self) -> None:
        """Before the new node was started, and when all vote: no figure."""
        nodes = [{"id": 1, "role": "leader", "match_index": 900}]
        told = describe_waiting("node 4 to vote", {"commit_index": 900, "nodes": nodes})
        assert told == ("Waiting for node 4 to vote", None, None)
