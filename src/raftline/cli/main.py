"""The command `raftline`: all groups of commands, and what happens when one fails."""

from __future__ import annotations

import importlib.metadata

from cyclopts import App

from raftline.cli import cluster, config, nodes, users
from raftline.cli.report import run_reporting
from raftline.server.failures import ExitCode


def version() -> str:
    """Return the version of the package that is installed."""
    return f"raftline {importlib.metadata.version('raftline')}"


def make_app() -> App:
    """Join all groups of commands."""
    app = App(
        name="raftline",
        help="A self-hosted messenger whose servers agree through Raft.",
        version=version,
        result_action="return_value",
    )
    app.command(nodes.up)
    app.command(nodes.app)
    app.command(users.app)
    app.command(cluster.app)
    app.command(config.app)

    @app.command(name="version")
    def show_version() -> None:
        """Print the version."""
        print(version())

    return app


def main() -> None:
    """Run the command line; never returns."""

    def command() -> ExitCode | None:
        code: ExitCode | None = make_app()(exit_on_error=False, result_action="return_value")
        return code

    run_reporting(command)
