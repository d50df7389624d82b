"""Nodes that join or leave a development cluster: their files, and what tools are told of them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from raftline.base.errors import ConfigError
from raftline.server.certificates import write_private
from raftline.server.cluster_file import FILE_NAME, ClusterFileNode, change_cluster_file
from raftline.server.config_file import check_relations
from raftline.server.development_layout import (
    PARAMETERS_FILE,
    certify,
    describe_node,
    first_settings,
    node_settings,
    settle_parameters,
    token_file_of,
    write_parameters,
    write_settings,
)
from raftline.server.locks import waiting_lock


def add_node(directory: Path, node_id: int, token: str) -> ClusterFileNode:
    """
    Lay out the files of a node that is invited, for `raftline node start`.

    Args:
        token: Of its invitation, hexadecimal.

    Returns: The node as cluster.json tells of it.

    Raises:
        ConfigError: There is no development cluster here.
    """
    directory = directory.resolve()
    with _changing(directory):
        parameters = settle_parameters(directory, None, None, None)
        first = first_settings(directory)
        members = tuple(sorted({*parameters.members, node_id}))
        parameters = msgspec.structs.replace(parameters, node_ids=members)
        settings = node_settings(
            directory,
            parameters,
            node_id,
            certify(directory, parameters),
            open_registration=bool(first.get("registration", {}).get("open", False)),
            allow_plaintext=bool(first.get("plaintext", {}).get("allow", False)),
            component_secret_files={
                label: Path(file) for label, file in first.get("components", {}).get("secret_files", {}).items()
            },
        )
        check_relations(settings)
        write_settings(directory, settings)
        write_private(token_file_of(directory, node_id), f"{token}\n".encode())
        write_parameters(directory, parameters)
        node = describe_node(settings)

        def add(nodes: tuple[ClusterFileNode, ...]) -> tuple[ClusterFileNode, ...]:
            return (*(other for other in nodes if other.id != node_id), node)

        change_cluster_file(directory, add)
        return node


def drop_node(directory: Path, node_id: int) -> None:
    """
    Forget a node that is no member any more; its files stay where they are. Idempotent.

    Raises:
        ConfigError: There is no development cluster here.
    """
    directory = directory.resolve()
    with _changing(directory):
        parameters = settle_parameters(directory, None, None, None)
        members = tuple(other for other in parameters.members if other != node_id)
        write_parameters(directory, msgspec.structs.replace(parameters, node_ids=members))
        change_cluster_file(directory, lambda nodes: tuple(node for node in nodes if node.id != node_id))


def _changing(directory: Path) -> AbstractContextManager[None]:
    """Let nobody else change who the nodes are: whoever asked for a removal, and the node itself, both forget it."""
    if not (directory / FILE_NAME).exists():
        raise ConfigError(str(directory), "holds no development cluster; `raftline up` makes one")
    return waiting_lock(directory / f"{PARAMETERS_FILE}.lock")
