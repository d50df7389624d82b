"""
A whole cluster of real node processes, started with the same commands that people use.

Everything is observed from outside: readiness by `/readyz`, the leader and the state hashes by `raftline cluster
status --json`, addresses and process ids by `cluster.json`. Waiting is always for a condition, with a deadline.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar

from raftline.machine.versions import VERSION_MAX

T = TypeVar("T")

READY_TIMEOUT_S = 40.0
EXIT_TIMEOUT_S = 15.0
COMMAND_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.05
PORTS_PER_NODE = 10
NODE_COUNT_MAX = 6  # whose ports are looked at, so that a cluster can grow
PORT_FIRST, PORT_LAST = 16_000, 31_000  # below Linux's ephemeral ports
RESULTS = Path(__file__).resolve().parents[2] / "test-results"
RAFTLINE = str(Path(sys.executable).with_name("raftline"))


async def wait_until(
    what: str, probe: Callable[[], Awaitable[T | None]], timeout_s: float, interval_s: float = POLL_INTERVAL_S
) -> T:
    """Ask `probe` until it answers something true, and return that; fail with `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = await probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        await asyncio.sleep(interval_s)


@dataclass(frozen=True)
class NodeAddress:
    """One entry of `nodes` in `cluster.json`."""

    id: int
    pid: int
    xmpp: int
    xmpps: int
    http: int
    peer: int
    data: str


class Cluster:
    """
    A cluster under test. Use as an asynchronous context manager.

    Args:
        folder: Data and logs go below it.
        node_count: How many nodes.
        data: Where the data goes instead.
        settings: Of all nodes, as variables of their environment.
        options: More for `raftline up`.

    Attributes:
        version: Of the state machine, the latest that the nodes understand.
    """

    version = VERSION_MAX

    def __init__(
        self,
        folder: Path,
        node_count: int = 3,
        data: Path | None = None,
        options: Sequence[str] = (),
        *,
        domain: str = "localhost",
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.data = data or folder / "data"
        self.log_folder = folder / "logs"
        self.log_folder.mkdir(parents=True, exist_ok=True)
        self._founder_count = node_count
        self._domain = domain
        self._environment = {**os.environ, **settings}
        self.base_port = find_base_port(max(node_count, NODE_COUNT_MAX))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._pids_seen: set[int] = set()
        self._restarts = 0
        self._options = tuple(options)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
            # Until all members are known to understand them, commands of this release are refused.
            await self.wait_version()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    # -- life

    async def start(self) -> None:
        """Run `raftline up` and wait until every node is ready. Also starts a stopped cluster on its old data."""
        arguments = ["up", "--nodes", str(self._founder_count), "--data", str(self.data)]
        arguments += ["--base-port", str(self.base_port), "--domain", self._domain]
        arguments += ["--open-registration", "--allow-plaintext", *self._options]
        self._spawn(f"up-{self._restarts}", arguments)
        self._restarts += 1
        for node_id in self.node_ids:
            await self.wait_ready(node_id)

    async def stop(self) -> None:
        """End every process as an operator would, with SIGTERM, and wait for them."""
        processes = [process for process in self._processes if process.poll() is None]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            await asyncio.to_thread(process.wait, EXIT_TIMEOUT_S)
        for pid in self._pids_seen:
            await self._wait_gone(pid)
        self._processes.clear()
        self._pids_seen.clear()

    def close(self) -> None:
        """End whatever still runs, by process id."""
        processes = [process for process in self._processes if process.poll() is None]
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(EXIT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._note_pids()
        for pid in self._pids_seen:
            if is_alive(pid) and is_raftline(pid):
                os.kill(pid, signal.SIGKILL)

    async def kill(self, node_id: int, signal_number: signal.Signals = signal.SIGKILL) -> float:
        """Signal a node's core and wait until it is gone. Returns the monotonic time of the signal in seconds."""
        pid = self.node(node_id).pid
        moment = time.monotonic()
        os.kill(pid, signal_number)
        await self._wait_gone(pid)
        return moment

    async def start_node(
        self, node_id: int, *, wait_ready: bool = True, patience_s: float = READY_TIMEOUT_S
    ) -> subprocess.Popen[bytes]:
        """Run `raftline node start K` on the node's old data."""
        self._restarts += 1
        process = self._spawn(
            f"node-{node_id}-{self._restarts}", ["node", "start", str(node_id), "--data", str(self.data)]
        )
        if wait_ready:
            await self.wait_ready(node_id, process, patience_s)
        return process

    async def add_node(self, replaces: int | None = None, patience_s: float = READY_TIMEOUT_S) -> int:
        """Invite a node, start it, and wait until the command says that it votes. Returns: its id."""
        arguments = ["cluster", *(["add"] if replaces is None else ["replace", str(replaces)])]
        before = set(self.node_ids)
        self._restarts += 1
        name = f"invite-{self._restarts}"
        inviting = self._spawn(name, [*arguments, "--data", str(self.data)])

        async def is_invited() -> int | None:
            assert inviting.poll() is None, self.log_tail()
            return next(iter(set(self.node_ids) - before), None)

        node_id = await wait_until("a node to be invited", is_invited, READY_TIMEOUT_S)
        await self.start_node(node_id, patience_s=patience_s)

        async def is_done() -> bool:
            return inviting.poll() is not None

        await wait_until(f"node {node_id} to vote", is_done, patience_s)
        assert inviting.returncode == 0, self.log_tail()
        return node_id

    async def wait_ready(
        self, node_id: int, process: subprocess.Popen[bytes] | None = None, patience_s: float = READY_TIMEOUT_S
    ) -> None:
        """Wait until a node answers `/readyz` with 200, or fail as soon as its process has ended."""
        watched = process or self._processes[-1]

        async def probe() -> bool:
            if watched.poll() is not None:
                raise AssertionError(f"node {node_id} ended with {watched.returncode}; {self.log_tail()}")
            return await self.is_ready(node_id)

        await wait_until(f"node {node_id} ready", probe, patience_s)
        self._note_pids()

    async def wait_version(self) -> None:
        """Wait until `version` counts at all nodes; a cluster begins with the first."""

        async def probe() -> bool:
            pages = [await http_get(self.node(node_id).http, "/metrics") for node_id in self.node_ids]
            return all(f"machine_version {self.version}.0".encode() in page for _, page in pages)

        await wait_until(f"all nodes have version {self.version}", probe, READY_TIMEOUT_S)

    # -- what can be seen from outside

    @property
    def node_ids(self) -> list[int]:
        """All nodes that `cluster.json` knows; before there is one, those that found the cluster."""
        if (self.data / "cluster.json").exists():
            return [node["id"] for node in self.description()["nodes"]]
        return list(range(1, self._founder_count + 1))

    @property
    def node_count(self) -> int:
        """How many nodes there are."""
        return len(self.node_ids)

    @property
    def ca_file(self) -> Path:
        """The certificate that signs the nodes' certificates (PEM)."""
        path = Path(self.description()["ca"])
        return path if path.is_absolute() else self.data / path

    def description(self) -> dict[str, Any]:
        """The content of `cluster.json`."""
        content: dict[str, Any] = json.loads((self.data / "cluster.json").read_text(encoding="utf-8"))
        return content

    def node(self, node_id: int) -> NodeAddress:
        """Where a node listens, and its process id."""
        names = {field.name for field in fields(NodeAddress)}
        for entry in self.description()["nodes"]:
            if entry["id"] == node_id:
                return NodeAddress(**{name: value for name, value in entry.items() if name in names})
        raise AssertionError(f"cluster.json does not know node {node_id}")

    def component_port(self, node_id: int) -> int:
        """Where a node listens for components."""
        return self.base_port + PORTS_PER_NODE * (node_id - 1) + 4

    async def is_ready(self, node_id: int) -> bool:
        """Ask `/readyz` once."""
        port = self.base_port + PORTS_PER_NODE * (node_id - 1) + 2
        status, _ = await http_get(port, "/readyz")
        return status == 200

    async def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `raftline …` to its end."""
        return await asyncio.to_thread(
            subprocess.run,
            [RAFTLINE, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    async def status(self) -> dict[str, Any]:
        """`raftline cluster status --json`."""
        done = await self.command("cluster", "status", "--data", str(self.data), "--json")
        assert done.returncode == 0, done.stderr
        content: dict[str, Any] = json.loads(done.stdout)
        return content

    async def leader(self) -> int:
        """Wait for a leader that is reachable, and return its id."""

        async def probe() -> int | None:
            status = await self.status()
            reachable = {node["id"] for node in status["nodes"] if node["reachable"]}
            return status["leader"] if status["leader"] in reachable else None

        return await wait_until("a reachable leader", probe, READY_TIMEOUT_S)

    async def wait_healthy(self) -> dict[str, Any]:
        """Wait until every node is reachable, follows the leader and has applied all that is committed now."""

        async def probe() -> dict[str, Any] | None:
            status = await self.status()
            target = status["commit_index"]
            nodes = status["nodes"]
            is_healthy = (
                status["leader"] is not None
                and len(nodes) == self.node_count
                and all(node["reachable"] and node["applied_index"] >= target for node in nodes)
            )
            return status if is_healthy else None

        return await wait_until("all nodes healthy", probe, READY_TIMEOUT_S)

    async def wait_equal_hashes(self) -> str:
        """
        Wait until all nodes report their state hash at the same index, and return the hash they share.

        Different hashes at the same index fail at once.
        """

        async def probe() -> str | None:
            nodes = (await self.status())["nodes"]
            by_index: dict[int, set[str]] = {}
            for node in nodes:
                by_index.setdefault(node["state_hash_index"], set()).add(node["state_hash"])
            for index, hashes in by_index.items():
                assert len(hashes) == 1, f"replicas differ at index {index}: {nodes}"
            if len(by_index) != 1 or len(nodes) != self.node_count:
                return None
            (hashes,) = by_index.values()
            return hashes.pop()

        return await wait_until("equal state hashes", probe, READY_TIMEOUT_S, interval_s=0.3)

    def log_tail(self, line_count: int = 30) -> str:
        """The last lines of every log, for messages of failures."""
        parts = []
        for path in sorted([*self.log_folder.glob("*.log"), *self.data.rglob("*.log")]):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            parts.append("\n".join([f"--- {path.parent.name}/{path.name}", *lines[-line_count:]]))
        return "\n".join(parts)

    # -- processes

    def _spawn(self, name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.log_folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [RAFTLINE, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )
        self._processes.append(process)
        return process

    def _note_pids(self) -> None:
        if (self.data / "cluster.json").exists():
            self._pids_seen.update(node["pid"] for node in self.description()["nodes"] if node["pid"])

    async def _wait_gone(self, pid: int) -> None:
        async def probe() -> bool:
            for process in self._processes:
                process.poll()  # reaps
            return not is_alive(pid)

        await wait_until(f"process {pid} gone", probe, EXIT_TIMEOUT_S, interval_s=0.005)


def keep_logs(folder: Path, target: Path) -> None:
    """Copy the logs below a folder, in place of those of an earlier run."""
    shutil.rmtree(target, ignore_errors=True)
    for log in folder.rglob("*.log"):
        kept = target / log.relative_to(folder)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, kept)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def is_raftline(pid: int) -> bool:
    """Whether a process id is still one of ours and was not given to another program."""
    try:
        return b"raftline" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def find_base_port(node_count: int) -> int:
    """Pick a base port whose whole range is free right now."""
    chooser = random.SystemRandom()
    for _ in range(200):
        base = chooser.randrange(PORT_FIRST, PORT_LAST - PORTS_PER_NODE * node_count, PORTS_PER_NODE)
        if all(_is_free(base + PORTS_PER_NODE * node + offset) for node in range(node_count) for offset in range(4)):
            return base
    raise AssertionError("no free range of ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


async def http_get(port: int, path: str, headers: str = "") -> tuple[int, bytes]:
    """One HTTP/1.1 GET on loopback; (0, b"") if nobody answers."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0, b""
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 10)
    except OSError:
        return 0, b""
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return (int(words[1]), body) if len(words) > 1 else (0, b"")
