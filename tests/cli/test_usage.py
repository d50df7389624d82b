"""What the command says of itself: help and examples of all commands, completion, and exit codes for wrong usage."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclopts import App

from cli.serving import Ended, bind, raftline
from debian import program
from raftline.cli.main import main, make_app, walk
from raftline.server.failures import EXIT_CODES, ExitCode

TREE = dict(walk(make_app()))
COMMANDS = [path for path, found in TREE.items() if found.default_command is not None]

WITHOUT_JSON = {
    ("up",): "runs in the foreground until it is stopped",
    ("node", "run"): "runs in the foreground until it is stopped",
    ("node", "start"): "runs in the foreground until it is stopped",
    ("completion",): "prints a script, which is for a program as it is",
}
"""Commands that take no --json, and why."""

ARGUMENTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("user", "add"): ("anna", "--password-stdin"),
    ("user", "passwd"): ("anna", "--password-stdin"),
    ("user", "delete"): ("anna",),
    ("user", "export"): ("anna", "--output", "anna.xml"),
    ("reports", "close"): ("4718592-0",),
    ("user", "uninvite"): ("1d8e",),
    ("cluster", "replace"): ("2",),
    ("cluster", "remove"): ("2",),
    ("cluster", "drain"): ("2",),
    ("user", "import"): ("--input", "anna.xml"),
    ("business", "create"): ("Shop", "--number", "15550001111"),
    ("business", "show"): ("2",),
    ("business", "delete"): ("2",),
    ("business", "number", "add"): ("2", "15550001111"),
    ("business", "number", "remove"): ("3",),
    ("business", "number", "limit"): ("3", "--per-second", "80"),
    ("business", "number", "rename"): ("3", "Shop"),
    ("business", "app", "add"): ("2", "Desk"),
    ("business", "app", "remove"): ("1",),
    ("business", "app", "rotate-secret"): ("1",),
    ("business", "app", "streams"): ("1",),
    ("business", "token", "issue"): ("1",),
    ("business", "token", "list"): ("1",),
    ("business", "token", "revoke"): ("1", "7"),
    ("business", "callback", "set"): ("1", "https://localhost/hook", "--verify-token", "xyzzy"),
    ("business", "callback", "remove"): ("1",),
    ("business", "dead-letters", "list"): ("1",),
    ("business", "dead-letters", "replay"): ("1", "--all"),
    ("business", "dead-letters", "discard"): ("1", "--all"),
    ("backup",): ("--output", "one.backup"),
    ("top",): ("--once",),
}
"""What commands that talk to a cluster need beside its address, where they need something."""

WITHOUT_ANSWER = {
    ("user", "import"): ExitCode.STORAGE,  # reads its file before it asks anybody
}
"""Commands that talk to a cluster, and fail otherwise before they find that nobody answers."""


Here = Callable[..., Ended]


def needed(path: tuple[str, ...], folder: Path) -> list[str]:
    """What a command needs beside the address of a cluster; its files lie in `folder`, and are not there."""
    return [str(folder / word) if "." in word else word for word in ARGUMENTS.get(path, ())]


def parameters_of(found: App) -> set[str]:
    """The options of a command, by name."""
    return {name for argument in found.assemble_argument_collection() for name in argument.names}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs a command to its end in this process: a process of its own for each would take long."""

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr("sys.argv", ["raftline", *arguments])
        monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        out, err = capsys.readouterr()
        assert "Traceback" not in err, err
        return Ended(ended.value.code, out, err)

    return run


def test_the_whole_tree_is_walked() -> None:
    """Groups and commands of both levels are found; the tables of exceptions name none that is gone."""
    assert {("up",), ("user",), ("user", "add"), ("cluster", "status"), ("version",)} <= TREE.keys()
    assert len(COMMANDS) > 25
    assert {*WITHOUT_JSON, *ARGUMENTS, *WITHOUT_ANSWER} <= set(COMMANDS)


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_each_command_has_help_with_an_example(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Help begins with a sentence, shows an example of this very command and the exit codes, and no hidden option."""
    make_app()([*path, "--help"], exit_on_error=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Usage: raftline {' '.join(path)}" in shown
    assert "Exit codes: 0 done, 1 refused, 2 usage," in shown
    assert "stdin-end" not in shown
    if path in COMMANDS:
        example = shown.partition("Example:")[2].partition("╭")[0]
        assert f"raftline {' '.join(path)}" in example
    else:
        assert "Commands" in shown


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_command_takes_json(path: tuple[str, ...]) -> None:
    """All but those that are listed, with their reason."""
    assert ("--json" in parameters_of(TREE[path])) is (path not in WITHOUT_JSON)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_option_that_does_not_exist(path: tuple[str, ...], here: Here) -> None:
    """Exit code 2 for each command, and where the options are told."""
    ended = here(*path, "--no-such-option")
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert f"`raftline {' '.join(path)} --help`" in ended.err


@pytest.mark.parametrize("path", [path for path in COMMANDS if "--server" in parameters_of(TREE[path])], ids=" ".join)
class TestCommandsThatTalkToACluster:
    """What all of them do when the cluster is not there."""

    def test_nobody_answers(
        self, path: tuple[str, ...], tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Exit code 6, nothing on standard output, and what to do next."""
        (tmp_path / "token").write_text("secret")
        # Changes of membership wait for an election to end, which nobody holds here.
        monkeypatch.setattr("raftline.cli.members.BUSY_TIMEOUT_S", 0.0)
        with bind() as unused:
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
            target = ("--server", address, "--token-file", str(tmp_path / "token"))
            ended = here(*path, *needed(path, tmp_path), *target, "--json")
        code = WITHOUT_ANSWER.get(path, ExitCode.UNAVAILABLE)
        assert (ended.code, ended.out) == (code, ""), ended.err
        assert EXIT_CODES[code].remedy in ended.err
        assert (address in ended.err) is (path not in WITHOUT_ANSWER)

    def test_there_is_no_cluster(self, path: tuple[str, ...], tmp_path: Path, here: Here) -> None:
        """Exit code 2, and which option names one."""
        ended = here(*path, *needed(path, tmp_path), "--data", str(tmp_path))
        assert ended.code == ExitCode.USAGE
        assert "raftline up" in ended.err


class TestExitCodes:
    """One table, from which help, errors and reference are made."""

    def test_every_kind_is_explained(self) -> None:
        """Each has a meaning; each failure says what to do next."""
        assert set(EXIT_CODES) == set(ExitCode)
        assert all(end.word and end.meaning for end in EXIT_CODES.values())
        assert all(EXIT_CODES[code].remedy for code in ExitCode if code is not ExitCode.DONE)

    def test_numbers_stay(self) -> None:
        """Programs rely on them."""
        assert {code.name: int(code) for code in ExitCode} == {
            "DONE": 0,
            "REFUSED": 1,
            "USAGE": 2,
            "STORAGE": 3,
            "ADDRESS": 4,
            "IN_USE": 5,
            "UNAVAILABLE": 6,
            "UNKNOWN": 7,
            "DISMISSED": 8,
            "BUG": 70,
        }


class TestCompletion:
    """Scripts for three shells; that a shell is not installed is no reason to look at none of them."""

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    async def test_a_script_for_each_shell(self, shell: str) -> None:
        """It knows commands of both levels, and options."""
        ended = await raftline("completion", shell)
        assert (ended.code, ended.err) == (0, "")
        for word in ("raftline", "cluster", "transfer", "force-new-cluster", "password-stdin"):
            assert word in ended.out, word

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    async def test_the_shell_reads_its_script(self, shell: str, tmp_path: Path) -> None:
        """Without a complaint about its syntax."""
        found = program(shell, shell)
        script = tmp_path / "script"
        script.write_text((await raftline("completion", shell)).out)
        await asyncio.to_thread(subprocess.run, [found, "-n", script], check=True, timeout=20)

    async def test_bash_completes(self, tmp_path: Path) -> None:
        """Commands after `raftline cluster t`, options after `--`."""
        bash = program("bash", "bash")
        script = tmp_path / "script"
        script.write_text((await raftline("completion", "bash")).out)
        for words, expected in ((("cluster", "tr"), "transfer"), (("cluster", "status", "--js"), "--json")):
            asked = f'''. {script}
                COMP_WORDS=(raftline {" ".join(words)}); COMP_CWORD={len(words)}
                _raftline raftline "{words[-1]}"; echo "${{COMPREPLY[@]}}"'''
            process = await asyncio.create_subprocess_exec(bash, "-c", asked, stdout=asyncio.subprocess.PIPE)
            out, _ = await asyncio.wait_for(process.communicate(), 20)
            assert out.decode().split() == [expected]

    async def test_another_shell(self) -> None:
        """Exit code 2, and which there are."""
        ended = await raftline("completion", "cmd")
        assert ended.code == ExitCode.USAGE
        assert "fish" in ended.err


async def test_the_version_is_told() -> None:
    """By a command and by an option."""
    assert (await raftline("version")).out.startswith("raftline ")
    assert (await raftline("--version")).out == (await raftline("version")).out
    told = json.loads((await raftline("version", "--json")).out)
    assert (await raftline("version")).out == f"raftline {told['version']}\n"


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
