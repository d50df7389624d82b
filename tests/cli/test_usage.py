"""What the command says of itself, and its exit codes for wrong usage."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.serving import raftline

COMMANDS = [
    ("up",),
    ("node", "run"),
    ("node", "start"),
    ("user", "add"),
    ("user", "passwd"),
    ("user", "list"),
    ("user", "delete"),
    ("cluster", "status"),
    ("config", "check"),
    ("config", "show"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_each_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    """Help goes to standard output, shows an example of this very command, and no hidden option."""
    ended = await raftline(*command, "--help")
    assert ended.code == 0
    example = ended.out.partition("Example:")[2].partition("╭")[0]
    assert f"raftline {' '.join(command)}" in example
    assert "stdin-end" not in ended.out


async def test_the_version_is_told() -> None:
    """By a command and by an option."""
    assert (await raftline("version")).out.startswith("raftline ")
    assert (await raftline("--version")).out == (await raftline("version")).out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("user", "add"),
        ("up", "--nodes", "many"),
        ("node", "run"),
        ("node", "start", "first"),
        ("cluster", "status", "--unknown"),
    ],
    ids=" ".join,
)
async def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    """A sentence on standard error, nothing on standard output."""
    ended = await raftline(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.strip()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("up", "--nodes", "0"), "--nodes"),
        (("up", "--base-port", "80"), "--base-port"),
        (("up", "--domain", "no domain"), "--domain"),
        (("node", "start", "1"), "has no node 1"),
        (("cluster", "status"), "raftline up"),
        (("user", "list", "--server", "https://127.0.0.1"), "--token-file"),
        (("user", "list", "--token-file", "x"), "--server"),
        (("user", "list", "--server", "127.0.0.1:1", "--token-file", "x"), "https://HOST:PORT"),
        (("config", "check", "missing.toml"), "missing.toml"),
    ],
    ids=str,
)
async def test_wrong_values_say_what_is_wrong(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    """Exit code 2 and a sentence that names the option or file."""
    group = arguments[0]
    data = () if group == "config" or "--server" in arguments else ("--data", str(tmp_path / "data"))
    ended = await raftline(*arguments, *data)
    assert ended.code == 2
    assert word in ended.err
    assert not (tmp_path / "data").exists()
