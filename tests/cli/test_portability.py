"""`raftline user import` and its files: what is wrong with one is told before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.serving import Ended, raftline
from raftline.server.failures import ExitCode

TWO = (
    "<server-data xmlns='urn:xmpp:pie:0'><host jid='example.org'><user name='anna'/><user name='bert'/></host>"
    "</server-data>"
)


async def import_file(folder: Path, content: str, *options: str) -> Ended:
    """Let the command read a file; nobody answers where it would send it."""
    (folder / "token").write_text("secret")
    (folder / "file.xml").write_text(content)
    server = ("--server", "http://127.0.0.1:1", "--token-file", str(folder / "token"))
    return await raftline("user", "import", "--input", str(folder / "file.xml"), *server, *options)


@pytest.mark.parametrize(
    ("content", "options", "code", "told"),
    [
        ("<html/>", (), ExitCode.STORAGE, "does not begin with <server-data/>"),
        (TWO[:80], (), ExitCode.STORAGE, "line 1"),
        (TWO, (), ExitCode.USAGE, "data of anna, bert: choose one with --user"),
        (TWO, ("--user", "carla"), ExitCode.USAGE, "choose one"),
        (TWO.replace("name='anna'", "name='@'"), ("--user", "@"), ExitCode.STORAGE, "is no address"),
        (TWO, ("--user", "bert"), ExitCode.UNAVAILABLE, "nothing happened"),
    ],
)
async def test_what_is_wrong_is_told(
    tmp_path: Path, content: str, options: tuple[str, ...], code: ExitCode, told: str
) -> None:
    """In one sentence, with the exit code of its kind."""
    ended = await import_file(tmp_path, content, *options)
    assert (ended.code, ended.out) == (code, "")
    assert told in ended.err


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Is told by its name."""
    (tmp_path / "token").write_text("secret")
    server = ("--server", "http://127.0.0.1:1", "--token-file", str(tmp_path / "token"))
    ended = await raftline("user", "import", "--input", str(tmp_path / "none.xml"), *server)
    assert ended.code == ExitCode.STORAGE
    assert "none.xml" in ended.err


async def test_an_export_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """Nobody answers: no half file lies about."""
    (tmp_path / "token").write_text("secret")
    server = ("--server", "http://127.0.0.1:1", "--token-file", str(tmp_path / "token"))
    ended = await raftline("user", "export", "anna", "--output", str(tmp_path / "anna.xml"), *server)
    assert ended.code == ExitCode.UNAVAILABLE
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
