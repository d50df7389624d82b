"""`raftline cluster add`, `replace`, `remove`, `drain`: who belongs to a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, Any, Final

from cyclopts import Parameter

from raftline.cli.connection import HERE, AdminClient, Target, open_client
from raftline.cli.output import Json, print_json
from raftline.cli.progress import entry_progress, shows_progress
from raftline.server.development_members import add_node, drop_node
from raftline.server.failures import ExitCode, Failure

LOOK_INTERVAL_S: Final = 0.2
VOTING_ROLES: Final = frozenset({"leader", "follower", "candidate", "pre-candidate"})
"""Of nodes that vote, and say so themselves."""

BUSY_TIMEOUT_S: Final = 30.0
"""How long a change waits for another one to end, or for an election."""

WaitFlag = Annotated[bool, Parameter(negative=(), help="Do not wait until the change is done.")]
JsonFlag = Annotated[bool, Parameter(help="Print JSON for programs, and do not wait.", negative=())]
Node = Annotated[int, Parameter(help="Number of the node.")]


def add(*, json: JsonFlag = False, no_wait: WaitFlag = False, target: Target = HERE) -> None:
    """
    Invite a new node, and wait until it votes.

    Prints its number and a token that is good once, for an hour; how to start the new node is told as well. Ctrl-C
    leaves the invitation open.

    Example: raftline cluster add
    """
    _invite(target, replaces=None, json=json, waits=not no_wait)


def replace(node: Node, /, *, json: JsonFlag = False, no_wait: WaitFlag = False, target: Target = HERE) -> None:
    """
    Invite a new node that takes the place of NODE when it has caught up: in one step, never with a voter less.

    Also for a node that is dead.

    Example: raftline cluster replace 2
    """
    _invite(target, replaces=node, json=json, waits=not no_wait)


def remove(node: Node, /, *, json: Json = False, target: Target = HERE) -> None:
    """
    Remove a node, and wait until it is gone; it stops by itself.

    Exit codes: 1 no such node, or the last one that votes; 6 nobody answers, or too few of the others to decide without
    it.

    Example: raftline cluster remove 3
    """
    client = open_client(target)
    _retry(lambda: client.request("DELETE", f"/admin/v1/cluster/nodes/{node}"))
    _wait(client, f"node {node} to go", lambda nodes: node not in nodes, is_quiet=json)
    _forget(target, node)
    if json:
        print_json({"removed": node})
    else:
        print(f"Node {node} is removed.")


def drain(
    node: Node,
    /,
    *,
    undo: Annotated[bool, Parameter(negative=(), help="Let it serve clients again.")] = False,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Have a node serve no clients and not lead, before its machine is worked on; its clients go on elsewhere.

    It goes on storing and voting. A restart ends it.

    Example: raftline cluster drain 2
    """
    open_client(target).request("POST", f"/admin/v1/cluster/nodes/{node}/drain", {"drained": not undo})
    if json:
        print_json({"node": node, "drained": not undo})
        return
    print(f"Node {node} serves clients again." if undo else f"Node {node} is drained: it serves no clients.")


def _invite(target: Target, *, replaces: int | None, json: bool, waits: bool) -> None:
    client = open_client(target)
    told = _retry(lambda: client.request("POST", "/admin/v1/cluster/invitations", {"replaces": replaces}))
    node_id = int(told["node_id"])
    if target.server is None:
        add_node(target.data, node_id, told["token"])
    if json:
        print_json(told)
        return
    print(_how_to_start(told, target, replaces), flush=True)
    if not waits:
        return
    _wait(client, f"node {node_id} to vote", lambda nodes: nodes.get(node_id) in VOTING_ROLES)
    print(f"Node {node_id} votes.", flush=True)
    if replaces is not None:
        _wait(client, f"node {replaces} to go", lambda nodes: replaces not in nodes)
        _forget(target, replaces)
        print(f"Node {replaces} is gone.")


def _how_to_start(told: dict[str, Any], target: Target, replaces: int | None) -> str:
    """Say what to do on the machine of the new node."""
    node_id = told["node_id"]
    what = f"Node {node_id} is invited" + (f" in place of node {replaces}" if replaces is not None else "")
    if target.server is None:
        return f"{what}. Start it with: raftline node start {node_id} --data {target.data}"
    rows = "\n".join(
        "\n".join(
            (
                "[[cluster.peers]]",
                f"node_id = {node['node_id']}",
                f'host = "{node["host"]}"',
                f"port = {node['port']}",
                f'fingerprint = "{node["fingerprint"]}"',
                f'http_url = "{node["http_url"]}"',
                f'xmpp_address = "{node["xmpp_address"]}"',
                "",
            )
        )
        for node in told["members"]
    )
    return (
        f"{what}. On its machine, with a peer certificate for the name {node_id}, put this into its settings, and\n"
        f"a row of its own; write the token into the file; start it with `raftline node run --config FILE`.\n\n"
        f'[cluster]\nid = "{told["cluster_id"]}"\nepoch = {told["epoch"]}\nnode_id = {node_id}\n'
        f'join_token_file = "join.token"\n\n{rows}\nToken: {told["token"]}'
    )


def _retry(request: Callable[[], Any]) -> Any:
    """Repeat a request that cannot be done just now; another change or an election takes moments."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            return request()
        except Failure as failure:
            if failure.code is not ExitCode.UNAVAILABLE or time.monotonic() >= deadline:
                raise
        time.sleep(LOOK_INTERVAL_S)


def _wait(client: AdminClient, what: str, is_done: Callable[[dict[int, str]], bool], *, is_quiet: bool = False) -> None:
    """Wait until the nodes, by number and role, are as they should be; show how far new ones have come."""
    said = ""
    shows_bar = shows_progress(json=is_quiet)
    with entry_progress() if shows_bar else nullcontext() as show:
        while True:
            try:
                status = client.request("GET", "/admin/v1/cluster")
            except Failure as failure:
                if failure.code is not ExitCode.UNAVAILABLE:
                    raise
            else:
                if is_done({node["id"]: node["role"] for node in status["nodes"]}):
                    return
                text, done, total = describe_waiting(what, status)
                if show is not None:
                    show(text, done, total)
                elif text != said and not is_quiet:
                    said = text
                    print(text, flush=True)
            time.sleep(LOOK_INTERVAL_S)


def describe_waiting(what: str, status: dict[str, Any]) -> tuple[str, int | None, int | None]:
    """
    Say what is waited for.

    Args:
        status: As `/admin/v1/cluster` tells it.

    Returns: A sentence; how many entries of how many the new node that is furthest behind has. None and None if nobody
        catches up, and as long as a node has nothing: one that gets a snapshot has none of it until all has come.
    """
    upto = status["commit_index"]
    learners = {node["id"]: node["match_index"] or 0 for node in status["nodes"] if node["role"] == "learner"}
    if not learners:
        return f"Waiting for {what}", None, None
    stored = ", ".join(f"node {node_id} stores {count} of {upto} entries" for node_id, count in learners.items())
    furthest = min(learners.values())
    return f"Waiting for {what}; {stored}", furthest or None, upto if furthest else None


def _forget(target: Target, node_id: int) -> None:
    if target.server is None:
        drop_node(target.data, node_id)
