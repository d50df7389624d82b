"""`raftline up` and `raftline node` as processes, seen from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2

RAFTLINE = str(Path(sys.executable).with_name("raftline"))
DEADLINE_S = 30.0
POLL_S = 0.05

PORT_FIRST = 20_000
PORTS_PER_WORKER = 2_000
WORKER_COUNT_MAX = 5


async def until(what: str, condition: Callable[[], bool]) -> None:
    """Wait for something that another process does; fail with `what` after a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}"
        await asyncio.sleep(POLL_S)


class Running:
    """A command that runs, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def said(self) -> str:
        """All output so far."""
        return self._output.read_text(encoding="utf-8")

    async def ends(self, number: signal.Signals | None = None) -> int:
        """Signal it, if asked to, and wait for its end. Returns: its exit code."""
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()

    async def says(self, text: str) -> None:
        """Wait until it has said something."""
        await until(f"{text!r} in {self.said}", lambda: text in self.said or self.process.returncode is not None)
        assert text in self.said, self.said


class Commands:
    """Starts commands; what still runs at the end is killed and fails the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Running] = []

    async def start(self, *arguments: str) -> Running:
        """Start `raftline ...`."""
        output = self._folder / f"output-{len(self._running)}.txt"
        with output.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                RAFTLINE,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stream,
                stderr=asyncio.subprocess.STDOUT,
            )
        running = Running(process, output)
        self._running.append(running)
        return running

    async def run(self, *arguments: str) -> tuple[int, str]:
        """Run `raftline ...` to its end. Returns: exit code and output."""
        running = await self.start(*arguments)
        return await running.ends(), running.said

    async def close(self) -> list[int]:
        """Kill what still runs. Returns: the ids of those processes."""
        left = [running.process for running in self._running if running.process.returncode is None]
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return [process.pid for process in left]


@contextlib.asynccontextmanager
async def commands(folder: Path) -> AsyncIterator[Commands]:
    """Start commands in a test that ends all of them itself."""
    started = Commands(folder)
    try:
        yield started
    finally:
        left = await started.close()
    assert left == []


def free_base_port(node_count: int) -> int:
    """Pick a base port, below the ephemeral ones, whose range is free now; each worker of a run has its own share."""
    chooser = random.SystemRandom()
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKER_COUNT_MAX
    first = PORT_FIRST + worker * PORTS_PER_WORKER
    for _ in range(200):
        base = chooser.randrange(first, first + PORTS_PER_WORKER - 10 * node_count, 10)
        with contextlib.ExitStack() as stack:
            try:
                for offset in range(10 * node_count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", base + offset))
            except OSError:
                continue
            return base
    raise AssertionError("no free range of ports")


def description(data: Path) -> dict[str, Any]:
    """Read cluster.json."""
    content: dict[str, Any] = json.loads((data / "cluster.json").read_text(encoding="utf-8"))
    return content


def pids(data: Path) -> list[int]:
    """Return the process of each node, from 1."""
    return [node["pid"] for node in description(data)["nodes"]]


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


async def get(port: int, path: str) -> httpx2.Response | None:
    """Ask a node on loopback; None when nobody answers."""
    async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as client:
        try:
            return await client.get(f"http://127.0.0.1:{port}{path}")
        except httpx2.TransportError:
            return None
