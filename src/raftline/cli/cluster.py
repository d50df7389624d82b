"""`raftline cluster`: the state of the nodes."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from raftline.cli import members
from raftline.cli.connection import HERE, Target, open_client
from raftline.cli.output import Json, print_json
from raftline.server.cluster_file import read_cluster_file
from raftline.server.failures import ExitCode, Failure

app = App(name="cluster", help="Look at the nodes of a cluster, choose who leads, and who belongs to it.")
for command in (members.add, members.replace, members.remove, members.drain):
    app.command(command)

TRANSFER_TIMEOUT_S: Final = 5.0
LOOK_INTERVAL_S: Final = 0.05


@app.command
def status(
    *,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Show who leads and how far each node has come.

    Equal state hashes at equal index mean equal data.

    Example: raftline cluster status --json
    """
    content = open_client(target).request("GET", "/admin/v1/cluster")
    if json:
        print_json(content)
        return
    console = Console(soft_wrap=True)
    console.print(describe(content))
    console.print(make_table(content, _processes(target)))


@app.command
def transfer(
    *,
    to: Annotated[int | None, Parameter(help="Node that is to lead; without it the most caught-up one.")] = None,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Have another node lead, before the one that leads is taken down; clients notice nothing.

    Exit codes: 1 no such node, or the leadership stayed where it is; 6 nobody answers.

    Example: raftline cluster transfer --to 2
    """
    client = open_client(target)
    before = client.request("GET", "/admin/v1/cluster")["leader"]
    if before is not None and before == to:
        _told_leader(before, to, json, f"Node {to} leads already.")
        return
    if not json:
        asked = "another node is asked." if to is None else f"node {to} is asked."
        print(f"Node {before} leads; {asked}", flush=True)
    client.request("POST", "/admin/v1/cluster/transfer", {"to": to})
    deadline = time.monotonic() + TRANSFER_TIMEOUT_S
    while time.monotonic() < deadline:
        leader = client.request("GET", "/admin/v1/cluster")["leader"]
        if leader is not None and leader != before:
            _told_leader(before, leader, json, f"Node {leader} leads.")
            return
        time.sleep(LOOK_INTERVAL_S)
    raise Failure(
        ExitCode.REFUSED,
        f"Node {before} still leads: "
        + ("no other node took it." if to is None else f"node {to} is down or has not caught up."),
    )


def _told_leader(before: int | None, leader: int | None, json: bool, sentence: str) -> None:
    if json:
        print_json({"before": before, "leader": leader})
    else:
        print(sentence)


def describe(content: dict[str, Any]) -> str:
    """Return the state of the cluster in a sentence."""
    if content["leader"] is None:
        return f"No leader (term {content['term']}): too few nodes are up, or an election is under way."
    return f"Node {content['leader']} leads in term {content['term']}; committed up to {content['commit_index']}."


def make_table(content: dict[str, Any], processes: dict[int, int]) -> Table:
    """
    Return a row for each node; a dash stands for what a node did not tell.

    Args:
        content: As `/admin/v1/cluster` tells it.
        processes: Process of each node, where it is one of this machine; empty for none.
    """
    table = Table("Node", "Role", "Reachable", "Applied", "Stored", "State hash", "at")
    if processes:
        table.add_column("Process")
    for node in content["nodes"]:
        cells = [
            str(node["id"]),
            _text(node["role"]),
            "yes" if node["reachable"] else "no",
            _text(node["applied_index"]),
            _text(node["match_index"]),
            _text(node["state_hash"])[:16],
            _text(node["state_hash_index"]),
        ]
        if processes:
            cells.append(_text(processes.get(node["id"]) if node["reachable"] else None))
        table.add_row(*cells)
    return table


def _processes(target: Target) -> dict[int, int]:
    """Return the processes of a development cluster, so that one can be found and killed; empty for any other."""
    if target.server is not None:
        return {}
    return {node.id: node.pid for node in read_cluster_file(target.data).nodes}


def _text(value: object) -> str:
    return "-" if value is None else str(value)
