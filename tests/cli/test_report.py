"""How failures of each kind are told, and with which exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest

from raftline.base.errors import ConfigError, StorageError
from raftline.cli.report import run_reporting
from raftline.server.failures import EXIT_CODES, ExitCode, Failure


def told(
    command: Callable[[], ExitCode | None], capsys: pytest.CaptureFixture[str]
) -> tuple[int | str | None, list[str]]:
    """Exit code and lines on standard error; nothing goes to standard output."""
    with pytest.raises(SystemExit) as ended:
        run_reporting(command, lambda: "raftline user add")
    out, err = capsys.readouterr()
    assert out == ""
    return ended.value.code, err.splitlines()


def failing(error: BaseException) -> Callable[[], ExitCode | None]:
    """A command that ends with an error."""

    def command() -> NoReturn:
        raise error

    return command


@pytest.mark.parametrize("code", [code for code in ExitCode if code is not ExitCode.DONE])
def test_each_failure_says_what_to_do_next(code: ExitCode, capsys: pytest.CaptureFixture[str]) -> None:
    """Its sentence, then the remedy of its kind, with the command's own name."""
    ended, lines = told(failing(Failure(code, "It is so.")), capsys)
    assert ended == code
    assert lines[0] == "raftline: It is so."
    assert lines[1].strip() == EXIT_CODES[code].remedy.replace("{command}", "raftline user add")


def test_errors_of_the_floors_below(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings are usage, disks are storage."""
    assert told(failing(ConfigError("http.port", "is no port")), capsys)[0] == ExitCode.USAGE
    assert told(failing(StorageError("The disk is gone.")), capsys)[0] == ExitCode.STORAGE


def test_a_bug_shows_its_stack(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 70, so that it is no refusal, and whom to tell."""
    ended, lines = told(failing(ZeroDivisionError("ours")), capsys)
    assert ended == ExitCode.BUG
    assert lines[0].startswith("Traceback")
    assert "ZeroDivisionError: ours" in lines
    assert "report" in lines[-1]


def test_success_and_codes_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is told of what went well, or was told by the command itself."""
    assert told(lambda: None, capsys) == (0, [])
    assert told(lambda: ExitCode.STORAGE, capsys) == (ExitCode.STORAGE, [])


def test_an_interrupt_is_no_stack_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends a command with a word."""
    assert told(failing(KeyboardInterrupt()), capsys) == (ExitCode.REFUSED, ["raftline: Stopped."])
