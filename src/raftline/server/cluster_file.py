"""
`DIR/cluster.json`: what tools know of a development cluster. Its shape is a contract.

    {"domain", "admin_token", "ca", "nodes": [{"id", "pid", "xmpp", "xmpps", "http", "peer", "data"}]}

Ports are integers on 127.0.0.1, `ca` and `data` are absolute paths, `admin_token` is the token itself (so the file is
readable by its owner alone), `pid` is the process of the node's latest start. Readers never see half a file; writers
take turns by a lock.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from raftline.base.errors import ConfigError
from raftline.server.certificates import write_private
from raftline.server.locks import waiting_lock

FILE_NAME = "cluster.json"


class ClusterFileNode(msgspec.Struct, frozen=True):
    """One node. `pid` is 0 until its first start."""

    id: int
    pid: int
    xmpp: int
    xmpps: int
    http: int
    peer: int
    data: str


class ClusterFile(msgspec.Struct, frozen=True):
    """The whole file; see the head of this module."""

    domain: str
    admin_token: str
    ca: str
    nodes: tuple[ClusterFileNode, ...]


def read_cluster_file(directory: Path) -> ClusterFile:
    """
    Read `directory`/cluster.json.

    Raises:
        ConfigError: There is none, or it is damaged; the message says how to get one.
    """
    file = directory / FILE_NAME
    try:
        return msgspec.json.decode(file.read_bytes(), type=ClusterFile)
    except FileNotFoundError:
        raise ConfigError(
            str(file), "not found: start a cluster with `raftline up`, or name one with --data DIR or --server URL"
        ) from None
    except OSError as error:
        raise ConfigError(str(file), f"cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(str(file), f"is damaged ({error}): `raftline up` writes it anew") from error


def write_cluster_file(directory: Path, content: ClusterFile) -> None:
    """Replace the file in one step."""
    with waiting_lock(directory / f"{FILE_NAME}.lock"):
        _write(directory, content)


def change_cluster_file(
    directory: Path, change: Callable[[tuple[ClusterFileNode, ...]], tuple[ClusterFileNode, ...]]
) -> None:
    """
    Change which nodes there are, in one step.

    Raises:
        ConfigError: As `read_cluster_file`.
    """
    with waiting_lock(directory / f"{FILE_NAME}.lock"):
        content = read_cluster_file(directory)
        _write(directory, msgspec.structs.replace(content, nodes=change(content.nodes)))


def record_process(directory: Path, node_id: int, pid: int) -> None:
    """
    Note that a node (re)started as process `pid`.

    Raises:
        ConfigError: As `read_cluster_file`; or the cluster has no such node.
    """
    with waiting_lock(directory / f"{FILE_NAME}.lock"):
        content = read_cluster_file(directory)
        if all(node.id != node_id for node in content.nodes):
            raise ConfigError(str(directory / FILE_NAME), f"this cluster has no node {node_id}")
        nodes = tuple(msgspec.structs.replace(node, pid=pid) if node.id == node_id else node for node in content.nodes)
        _write(directory, msgspec.structs.replace(content, nodes=nodes))


def _write(directory: Path, content: ClusterFile) -> None:
    write_private(directory / FILE_NAME, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
