"""The command `raftline`: all groups of commands, and what happens when one fails."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from raftline.cli.command_list import COMMANDS
from raftline.cli.output import Json, print_json
from raftline.cli.report import run_reporting
from raftline.server.failures import EXIT_CODES, ExitCode

EXIT_CODES_LINE: Final = "Exit codes: " + ", ".join(f"{int(code)} {end.word}" for code, end in EXIT_CODES.items()) + "."
"""At the end of every command's help."""

Shell = Literal["bash", "zsh", "fish"]


def version() -> str:
    """Return the version of the package that is installed."""
    return f"raftline {importlib.metadata.version('raftline')}"


def make_app() -> App:
    """Join all groups of commands."""
    app = App(
        name="raftline",
        help="A self-hosted messenger whose servers agree through Raft.",
        help_epilogue=EXIT_CODES_LINE,
        version=version,
        result_action="return_value",
    )
    # By name: what runs nodes takes long to import, and only the commands that run nodes need it.
    for name, place, summary in COMMANDS:
        app.command(f"raftline.cli.{place}", name=name, help=summary)

    @app.command(name="version")
    def show_version(*, json: Json = False) -> None:
        """
        Print the version.

        Example: raftline version
        """
        if json:
            print_json({"version": version().removeprefix("raftline ")})
        else:
            print(version())

    @app.command
    def completion(shell: Annotated[Shell, Parameter(help="For which shell.")], /) -> None:
        """
        Print a script that completes commands and options in a shell.

        For bash: write it to ~/.local/share/bash-completion/completions/raftline; for zsh to a file _raftline in a
        directory of $fpath; for fish to ~/.config/fish/completions/raftline.fish. It counts in new shells.

        Example: raftline completion bash > ~/.local/share/bash-completion/completions/raftline
        """
        print(app.generate_completion(shell=shell))

    return app


def walk(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """
    Yield every command and group below an application, by the words that name it, in alphabetical order.

    This imports all of them.
    """
    for name, found in sorted(app.resolved_commands().items()):
        if not name.startswith("-"):
            yield (*path, name), found
            yield from walk(found, (*path, name))


def main() -> None:
    """Run the command line; never returns."""
    app, arguments = make_app(), sys.argv[1:]

    def command() -> ExitCode | None:
        code: ExitCode | None = app(arguments, exit_on_error=False, result_action="return_value")
        return code

    def name() -> str:
        return " ".join(("raftline", *app.parse_commands(arguments)[0]))

    run_reporting(command, name)
