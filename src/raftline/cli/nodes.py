"""`raftline up` and `raftline node`: running nodes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from raftline.base.errors import ConfigError
from raftline.cli.connection import DATA_DEFAULT
from raftline.cli.output import Json, print_json
from raftline.server.certificates import check_identity
from raftline.server.cluster_file import record_process
from raftline.server.config import NodeSettings
from raftline.server.config_file import load_settings
from raftline.server.development import run_cluster
from raftline.server.development_layout import settings_file
from raftline.server.development_members import add_node, drop_node
from raftline.server.failures import ExitCode
from raftline.server.founding import found
from raftline.server.lost_quorum import force_new_cluster
from raftline.server.node_process import run_node

app = App(name="node", help="Run one node.")

Flag = Parameter(negative=())


def up(
    *,
    nodes: Annotated[int | None, Parameter(help="How many nodes; 3 for a new cluster.")] = None,
    data: Annotated[Path, Parameter(help="Directory of the cluster; made if missing.")] = DATA_DEFAULT,
    base_port: Annotated[int | None, Parameter(help="First port of node 1; 15000 for a new cluster.")] = None,
    domain: Annotated[str | None, Parameter(help="Domain of all accounts; localhost for a new cluster.")] = None,
    open_registration: Annotated[bool, Flag, Parameter(help="Let anyone create an account.")] = False,
    allow_plaintext: Annotated[bool, Flag, Parameter(help="Serve plain HTTP and XMPP, on loopback alone.")] = False,
    component: Annotated[
        tuple[str, ...], Parameter(help="A component that may connect (XEP-0114), as LABEL:SECRET.", negative=())
    ] = (),
) -> ExitCode:
    """Run a whole cluster; its help stands in command_list.py."""
    return run_cluster(
        data.resolve(),
        _say,
        nodes=nodes,
        base_port=base_port,
        domain=domain,
        open_registration=open_registration,
        allow_plaintext=allow_plaintext,
        components=dict(read_component(text) for text in component),
    )


def read_component(text: str) -> tuple[str, str]:
    """
    Read LABEL:SECRET.

    Raises:
        ConfigError: It is none.
    """
    label, colon, secret = text.partition(":")
    if not colon or not secret.strip():
        raise ConfigError("--component", f"{text!r} is not LABEL:SECRET")
    return label, secret


@app.command
def start(
    node: Annotated[int, Parameter(help="Number of the node, from 1.")],
    /,
    *,
    data: Annotated[Path, Parameter(help="Directory of the cluster, as given to `raftline up`.")] = DATA_DEFAULT,
    join_token: Annotated[str, Parameter(help="Of an invitation by the console: the node's files are made.")] = "",
) -> ExitCode:
    """
    Start one node of a development cluster again, in the foreground, on its old data.

    With --join-token, a new node that the console has invited; `raftline cluster add` makes the files itself.

    Example: raftline node start 2 --data .raftline
    """
    file = settings_file(data, node)
    if join_token and not file.exists():
        add_node(data, node, join_token)
    if not file.exists():
        raise ConfigError(str(data), f"has no node {node}; `raftline up --data {data}` makes clusters")

    def read() -> NodeSettings:
        return load_settings(file, os.environ)

    return run_node(
        read(),
        read=read,
        on_locked=lambda: record_process(data, node, os.getpid()),
        on_dismissed=lambda: drop_node(data, node),
    )


@app.command
def init(*, config: Annotated[Path, Parameter(help="The node's settings (TOML).")], json: Json = False) -> None:
    """
    Found a new cluster: prepare the empty data directory of one of the nodes that `cluster.peers` names.

    To be done once on each of them, before their first start, with the same `cluster.peers`. Never for a node that
    lost its data: `raftline cluster replace` puts a new one in its place.

    Exit codes: 1 the directory holds data already.

    Example: raftline node init --config /etc/raftline/node.toml
    """
    settings = load_settings(config, os.environ)
    check_identity(settings)
    found(settings)
    founder_ids = [peer.node_id for peer in settings.cluster.peers]
    if json:
        print_json({"node": settings.cluster.node_id, "founders": founder_ids})
        return
    founders = ", ".join(map(str, founder_ids))
    print(f"Node {settings.cluster.node_id} may now found the cluster of nodes {founders}: start all of them.")


@app.command
def run(
    *,
    config: Annotated[Path, Parameter(help="The node's settings (TOML).")],
    stop_on_stdin_end: Annotated[bool, Flag, Parameter(show=False)] = False,
) -> ExitCode:
    """
    Run one node, in the foreground; SIGTERM ends it in order, SIGHUP reads certificates and limits again.

    The data directory was prepared by `raftline node init`, or `cluster.join_token_file` names an invitation.

    Exit codes: 1 the directory is empty, or the cluster does not let the node in; 2 settings, 3 storage damaged or
    failed, 4 port in use, 5 data directory in use, 8 the node was removed from its cluster.

    Example: raftline node run --config /etc/raftline/node.toml
    """

    def read() -> NodeSettings:
        return load_settings(config, os.environ)

    return run_node(read(), read=read, stop_on_stdin_end=stop_on_stdin_end)


@app.command(name="force-new-cluster")
def force(
    *,
    config: Annotated[Path, Parameter(help="The node's settings (TOML).")],
    lose_the_rest: Annotated[bool, Flag, Parameter(help="Do it.")] = False,
    json: Json = False,
) -> None:
    """
    Let a stopped node go on alone after a majority of its cluster was lost for good. Loses messages.

    Without --lose-the-rest nothing is changed: it tells how far the node's log reaches, and what has to be known.

    Exit codes: 1 not confirmed, 3 storage damaged, 5 the node runs.

    Example: raftline node force-new-cluster --config /etc/raftline/node.toml
    """
    settings = load_settings(config, os.environ)
    told = force_new_cluster(settings, is_confirmed=lose_the_rest)
    if json:
        print_json({"node": settings.cluster.node_id, "told": told})
    else:
        print(told)


def _say(text: str) -> None:
    print(text, flush=True)
