"""What the bench runs on, without naming the machine."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from pathlib import Path

from bench.latency import percentile
from bench.process_tree import machine_busy_s
from bench.processes import BenchError

SYNC_COUNT = 400
SYNC_SIZE = 4096
BUSY_LOOK_S = 2.0


def describe(data: Path) -> dict[str, str]:
    """Return facts about the machine and the disk of the data folder."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    median_us, p99_us = _sync_us(data)
    return {
        "processor": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{int(memory[1]) / (1 << 20):.0f} GiB" if memory else "unknown",
        "system": f"{_distribution()}, Linux {platform.release()}",
        "disk": f"{file_system(data)}; write of 4 KiB with fdatasync: median {median_us:.0f} µs, p99 {p99_us:.0f} µs",
        "other work before the run": f"{_busy_cores():.2f} cores",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def file_system(folder: Path) -> str:
    """
    Return the type of the file system that holds a folder.

    Raises:
        BenchError: It is in memory, where fsync costs nothing.
    """
    best, kind = "", "unknown"
    path = str(folder.resolve())
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, found, *_ = line.split()
        if len(mount) >= len(best) and (path + "/").startswith(mount.rstrip("/") + "/"):
            best, kind = mount, found
    if kind in {"tmpfs", "ramfs"}:
        raise BenchError(f"the data folder is on {kind}, where fsync costs nothing: choose another with --data")
    return kind


def _busy_cores() -> float:
    """Return how much the machine does by itself, in cores, over two seconds."""
    started_s, busy_s = time.monotonic(), machine_busy_s()
    time.sleep(BUSY_LOOK_S)
    return (machine_busy_s() - busy_s) / (time.monotonic() - started_s)


def _distribution() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown system")


def _sync_us(folder: Path) -> tuple[float, float]:
    """Return median and p99 of a write to a file that is already there, with fdatasync, in microseconds."""
    file = folder / "sync"
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.write(descriptor, bytes(SYNC_COUNT * SYNC_SIZE))
        os.fsync(descriptor)
        durations = []
        for number in range(SYNC_COUNT):
            started_ns = time.perf_counter_ns()
            os.pwrite(descriptor, b"x" * SYNC_SIZE, number * SYNC_SIZE)
            os.fdatasync(descriptor)
            durations.append(time.perf_counter_ns() - started_ns)
    finally:
        os.close(descriptor)
        file.unlink()
    return statistics.median(durations) / 1000, percentile(sorted(durations), 0.99) / 1000
