"""`raftline cluster`: the state of the nodes."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from raftline.cli.connection import HERE, Target, open_client

app = App(name="cluster", help="Look at the nodes of a cluster.")


@app.command
def status(
    *,
    json: Annotated[bool, Parameter(help="Print JSON for programs.", negative=())] = False,
    target: Target = HERE,
) -> None:
    """
    Show who leads and how far each node has come.

    Equal state hashes at equal index mean equal data. Example: raftline cluster status --json
    """
    content = open_client(target).request("GET", "/admin/v1/cluster")
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")
        return
    console = Console(soft_wrap=True)
    console.print(describe(content))
    console.print(make_table(content))


def describe(content: dict[str, Any]) -> str:
    """Return the state of the cluster in a sentence."""
    if content["leader"] is None:
        return f"No leader (term {content['term']}): too few nodes are up, or an election is under way."
    return f"Node {content['leader']} leads in term {content['term']}; committed up to {content['commit_index']}."


def make_table(content: dict[str, Any]) -> Table:
    """Return a row for each node; a dash stands for what a node did not tell."""
    table = Table("Node", "Role", "Reachable", "Applied", "Stored", "State hash", "at")
    for node in content["nodes"]:
        table.add_row(
            str(node["id"]),
            _text(node["role"]),
            "yes" if node["reachable"] else "no",
            _text(node["applied_index"]),
            _text(node["match_index"]),
            _text(node["state_hash"])[:16],
            _text(node["state_hash_index"]),
        )
    return table


def _text(value: object) -> str:
    return "-" if value is None else str(value)
