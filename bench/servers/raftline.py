"""Raftline of this checkout: one node, or three on the same machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench.processes import Child, MissingError, free_port_range, run, running
from bench.servers.base import DOMAIN, Running
from bench.task import Endpoint

PORTS_PER_NODE = 4
NODE_STRIDE = 10
ROOT = Path(__file__).resolve().parents[2]
_COMMAND = Path(sys.executable).parent / "raftline"


def _commit() -> str:
    """Return the commit of this checkout, or nothing where it is none (an unpacked archive)."""
    if not (ROOT / ".git").exists():
        return ""
    return f", commit {run(['git', 'describe', '--always', '--dirty', '--exclude=*'], folder=ROOT).strip()}"


class Raftline:
    """
    A cluster made by `raftline up`.

    Args:
        node_count: 1 or 3; clients are spread over all nodes.
    """

    archives = True
    speaks_cloud_api = True

    def __init__(self, node_count: int) -> None:
        self._node_count = node_count
        self.name = f"raftline-{node_count}"
        self.durability = (
            "archived, delivered and acknowledged after fsync"
            if node_count == 1
            else "archived, delivered and acknowledged after fsync on a majority"
        )

    def version(self) -> str:
        """See `Server`."""
        if not _COMMAND.exists():
            raise MissingError("raftline is not installed beside this Python: run `make setup`")
        version = run([str(_COMMAND), "--version"]).strip().removeprefix("raftline").strip()
        return f"Raftline {version}{_commit()}"

    @contextmanager
    def running(self, folder: Path) -> Iterator[Running]:
        """See `Server`."""
        offsets = [NODE_STRIDE * node + port for node in range(self._node_count) for port in range(PORTS_PER_NODE)]
        data = folder / "cluster"
        command = [
            *(str(_COMMAND), "up", "--nodes", str(self._node_count), "--data", str(data), "--domain", DOMAIN),
            *("--base-port", str(free_port_range(offsets)), "--open-registration", "--allow-plaintext"),
        ]
        with running(Child(command, folder / "raftline.log", folder=folder)) as child:
            cluster_file = data / "cluster.json"
            child.wait_until(cluster_file.exists, "cluster.json")
            # `up` writes the file before its nodes take clients.
            content: dict[str, Any] = msgspec.json.decode(cluster_file.read_bytes())
            for node in content["nodes"]:
                child.wait_port(node["xmpp"])
            content = msgspec.json.decode(cluster_file.read_bytes())
            yield Running(
                endpoints=tuple(Endpoint("127.0.0.1", node["xmpp"]) for node in content["nodes"]),
                pids=tuple(node["pid"] for node in content["nodes"]),
                databases=tuple(str(Path(node["data"]) / "state.db") for node in content["nodes"]),
                profiled_pid=content["nodes"][0]["pid"],
                http=tuple(Endpoint("127.0.0.1", node["http"]) for node in content["nodes"]),
                admin_token=content["admin_token"],
            )
