"""The command `raftline`: all groups of commands, and what happens when one fails."""

from __future__ import annotations

import importlib.metadata

from cyclopts import App

from raftline.cli.report import run_reporting
from raftline.server.failures import ExitCode

UP_HELP = """
Run a whole cluster on this machine, in the foreground; Ctrl-C ends it.

Called again on the same directory it continues the same cluster.

Example: raftline up --open-registration --allow-plaintext
"""

COMMANDS = (
    ("up", "nodes:up", UP_HELP),
    ("node", "nodes:app", "Run one node."),
    ("user", "users:app", "Add, list, change, delete, export and import accounts."),
    ("cluster", "cluster:app", "Look at the nodes of a cluster, choose who leads, and who belongs to it."),
    ("retention", "retention:app", "Show and set how long the cluster keeps what it keeps."),
    ("backup", "backups:backup", "Copy all that a cluster knows into one file, while it serves."),
    ("restore", "backups:restore", "Found a new cluster with the state of a backup."),
    ("verify", "backups:verify", "Look whether a backup, or the data of a stopped cluster, are whole."),
    ("config", "config:app", "Check and show a node's settings."),
)
"""Name, where it is found below this package, and its help; of a group the line in the list of commands."""


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
    # By name: what runs nodes takes long to import, and only the commands that run nodes need it.
    for name, place, summary in COMMANDS:
        app.command(f"raftline.cli.{place}", name=name, help=summary)

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
