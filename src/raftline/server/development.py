"""
`raftline up`: a whole cluster on this machine, each node a process of its own, all of them children of this one.

A child ends when its standard input does, so no child outlives this process however it dies. A node that dies stays
down, as a machine would: tests and people kill nodes to see what happens; `raftline node start` brings one back.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx2
import msgspec
import uvloop

from raftline.server.cluster_file import FILE_NAME, write_cluster_file
from raftline.server.development_layout import Layout, lay_out, log_file, settings_file, settle_parameters
from raftline.server.development_members import drop_node
from raftline.server.failures import ExitCode, Failure
from raftline.server.locks import DirectoryLock

READY_TIMEOUT_S: Final = 60.0
PROBE_INTERVAL_S: Final = 0.05
STOP_TIMEOUT_S: Final = 13.0
"""More than a node without a majority needs to tell its clients and to give up on the ends of their sessions."""
LOCK_FILE: Final = "up.lock"

Say = Callable[[str], None]
"""Tells the person at the terminal."""


def run_cluster(
    directory: Path,
    say: Say,
    *,
    nodes: int | None,
    base_port: int | None,
    domain: str | None,
    open_registration: bool,
    allow_plaintext: bool,
    components: Mapping[str, str] = MappingProxyType({}),
) -> ExitCode:
    """
    Make the cluster in `directory` or go on with it, and run it until SIGINT or SIGTERM.

    Args:
        say: Takes messages for people, one line or several.
        components: Secrets of components that may connect, by label.
        nodes, base_port, domain: None for what the cluster was made with, or a default for a new one.

    Raises:
        ConfigError: A parameter is out of range, or another than the cluster was made with; nothing was written.
        Failure: The directory is in use, a port is taken, or too few nodes came up.
    """
    settle_parameters(directory, nodes, base_port, domain)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = DirectoryLock(directory / LOCK_FILE)
    try:
        # Again: whoever had the lock before may have made the cluster meanwhile.
        parameters = settle_parameters(directory, nodes, base_port, domain)
        layout = lay_out(
            directory,
            parameters,
            open_registration=open_registration,
            allow_plaintext=allow_plaintext,
            components=components,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(DevelopmentCluster(layout, say).run())
    finally:
        lock.close()


class DevelopmentCluster:
    """
    The nodes of a development cluster as child processes.

    Args:
        say: Takes messages for people, one line or several.
    """

    def __init__(self, layout: Layout, say: Say) -> None:
        self._layout = layout
        self._say = say
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._died = asyncio.Event()
        self._stop = asyncio.Event()
        self._stopping = False

    async def run(self) -> ExitCode:
        """
        Start all nodes, say what to open once they are ready, run until SIGINT or SIGTERM, end all nodes.

        Raises:
            Failure: A port is taken, or too few nodes came up.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        try:
            check_ports(self._layout)
            await self._spawn_all()
            if await self._wait_until_ready():
                self._say(describe(self._layout))
                await self._stop.wait()
            return ExitCode.DONE
        finally:
            await self._end_all()

    async def _spawn_all(self) -> None:
        directory = self._layout.directory
        for settings in self._layout.settings:
            node_id = settings.cluster.node_id
            self._children[node_id] = await _spawn(directory, node_id)
        nodes = tuple(
            msgspec.structs.replace(node, pid=self._children[node.id].pid) for node in self._layout.content.nodes
        )
        write_cluster_file(directory, msgspec.structs.replace(self._layout.content, nodes=nodes))
        loop = asyncio.get_running_loop()
        self._watchers = [
            loop.create_task(self._watch(node_id, child), name=f"node {node_id}")
            for node_id, child in self._children.items()
        ]

    async def _watch(self, node_id: int, child: asyncio.subprocess.Process) -> None:
        """Say when a node dies that nobody asked to end."""
        code = await child.wait()
        if self._stopping or self._stop.is_set():
            return
        if code == ExitCode.DISMISSED:
            drop_node(self._layout.directory, node_id)
            self._say(f"Node {node_id} (process {child.pid}) was removed from the cluster.")
            self._died.set()
            return
        lines = [f"Node {node_id} (process {child.pid}) {describe_end(code)} and stays down."]
        if code > 0:
            lines += [f"  {line}" for line in last_lines(log_file(self._layout.directory, node_id), 3)]
        lines.append(f"  Start it again with: raftline node start {node_id} --data {self._layout.directory}")
        self._say("\n".join(lines))
        self._died.set()

    async def _wait_until_ready(self) -> bool:
        """
        Wait until every living node answers /readyz. Returns: False when asked to stop meanwhile.

        Raises:
            Failure: No majority lives any more, or the time is up.
        """
        loop = asyncio.get_running_loop()
        ready = loop.create_task(self._probe_all(), name="readiness")
        stop = loop.create_task(self._stop.wait(), name="stop")
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not ready.done() and not stop.done():
                    self._died.clear()
                    died = loop.create_task(self._died.wait(), name="a node died")
                    await asyncio.wait((ready, stop, died), return_when=asyncio.FIRST_COMPLETED)
                    died.cancel()
                    self._require_majority()
        except TimeoutError:
            raise Failure(
                ExitCode.UNAVAILABLE,
                f"The nodes were not ready within {READY_TIMEOUT_S:.0f} s; their messages are in "
                f"{log_file(self._layout.directory, 1).parent.parent}/node*/node.log",
            ) from None
        finally:
            stop.cancel()
            ready.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ready
        return not self._stop.is_set()

    def _require_majority(self) -> None:
        dead = [child.returncode for child in self._children.values() if child.returncode is not None]
        if 2 * (len(self._children) - len(dead)) > len(self._children):
            return
        code = next((code for code in dead if code > 0), int(ExitCode.UNAVAILABLE))
        known = ExitCode(code) if code in ExitCode.__members__.values() else ExitCode.BUG
        raise Failure(known, f"{len(dead)} of {len(self._children)} nodes did not come up; the cluster ends.")

    async def _probe_all(self) -> None:
        """Return once every node that lives is ready."""
        trust = ssl.create_default_context(cafile=self._layout.content.ca)
        async with httpx2.AsyncClient(verify=trust, timeout=5.0, trust_env=False) as client:
            for settings in self._layout.settings:
                child = self._children[settings.cluster.node_id]
                # Another process cannot wake us; asking is the only way to know.
                while child.returncode is None and not await _is_ready(client, settings.own.http_url):  # noqa: ASYNC110
                    await asyncio.sleep(PROBE_INTERVAL_S)

    async def _end_all(self) -> None:
        """End every child: kindly first, after STOP_TIMEOUT_S by force."""
        self._stopping = True
        for child in self._children.values():
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                for child in self._children.values():
                    await child.wait()
        except TimeoutError:
            for node_id, child in self._children.items():
                if child.returncode is None:
                    self._say(f"Node {node_id} did not stop within {STOP_TIMEOUT_S:.0f} s and was killed.")
                    with contextlib.suppress(ProcessLookupError):
                        child.kill()
                    await child.wait()
        for watcher in self._watchers:
            await watcher


async def _spawn(directory: Path, node_id: int) -> asyncio.subprocess.Process:
    """Start a node; it ends when we do, since its standard input is a pipe that only we hold."""
    # -P: a directory named raftline where `up` is called must not be taken for the package.
    command = (sys.executable, "-P", "-m", "raftline", "node", "run", "--config")
    file = str(settings_file(directory, node_id))
    with log_file(directory, node_id).open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *command, file, "--stop-on-stdin-end", stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log
        )


async def _is_ready(client: httpx2.AsyncClient, http_url: str) -> bool:
    try:
        reply = await client.get(f"{http_url}/readyz")
    except httpx2.TransportError:
        return False
    return reply.status_code == 200


def check_ports(layout: Layout) -> None:
    """
    Try every port before any node starts, so that a clash is told in one sentence.

    Raises:
        Failure: ADDRESS, with the port.
    """
    for settings in layout.settings:
        for path, host, port in settings.listeners:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError as error:
                    raise Failure(
                        ExitCode.ADDRESS,
                        f"Port {port} ({path} of node {settings.cluster.node_id}) cannot be listened on: "
                        f"{error.strerror}. Another cluster may run; choose other ports with --base-port.",
                    ) from error


def describe_end(code: int) -> str:
    """Say how a process ended."""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def last_lines(file: Path, count: int) -> list[str]:
    """Return the last lines of a log file."""
    with file.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 8_192))
        return [line for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()][-count:]


def _component_lines(layout: Layout) -> list[str]:
    settings = layout.settings
    labels = sorted(settings[0].components.secret_files)
    if not labels:
        return []
    hosts = ", ".join(f"{label}.{layout.parameters.domain}" for label in labels)
    ports = ", ".join(str(one.components.port) for one in settings)
    return [f"  Components  127.0.0.1 port {ports}: {hosts}"]


def describe(layout: Layout) -> str:
    """Say what to open and what to type."""
    nodes = layout.content.nodes
    data = layout.directory
    first = layout.settings[0]
    others = ", ".join(settings.own.http_url for settings in layout.settings[1:])
    browser = f"{first.own.http_url}/" + (f"   (the same on {others})" if others else "")
    encryption = "STARTTLS or plain" if first.plaintext.allow else "STARTTLS"
    register = (
        "on the page or in your client, or: " if first.registration.open else ""
    ) + f"{_command()} user add NAME --data {data}"
    starttls_ports = ", ".join(str(node.xmpp) for node in nodes)
    direct_ports = ", ".join(str(node.xmpps) for node in nodes)
    plural = "node" if len(nodes) == 1 else "nodes"
    return "\n".join(
        (
            f"Raftline runs: {len(nodes)} {plural}, domain {layout.parameters.domain}, data in {data}",
            "",
            f"  Open        {browser}",
            f"  Console     {first.own.http_url}/console   (sign in by the token in {data / FILE_NAME})",
            f"  XMPP        127.0.0.1 port {starttls_ports} ({encryption}), {direct_ports} (direct TLS)",
            *_component_lines(layout),
            f"  Trust       {layout.content.ca}   (authority of this cluster's certificates)",
            f"  Register    {register}",
            f"  Status      {_command()} cluster status --data {data}",
            f"  Try         kill -9 the leader, go on chatting, then: {_command()} node start K --data {data}",
            "",
            "Ctrl-C stops all nodes.",
        )
    )


def _command() -> str:
    """Return what to type for this program, as whoever started it did."""
    typed = sys.argv[0]
    if Path(typed).name != "raftline" or shutil.which("raftline") == typed:
        return "raftline"
    return typed
