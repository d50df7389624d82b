"""CPU time and memory of processes with all their descendants, from /proc (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_UTIME_FIELD = 11
"""Place of `utime` after the process's state: utime, stime, cutime, cstime follow one another."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Use of some processes with their descendants.

    Attributes:
        cpu_s: User and system time, of ended and reaped children too; in steps of a clock tick (10 ms).
        memory_bytes: Proportional set size: memory shared between processes counts once in their sum.
        process_count: Processes alive.
    """

    cpu_s: float
    memory_bytes: int
    process_count: int


def descendants(pid: int) -> Iterator[int]:
    """Yield the process and all below it; those that end meanwhile are left out."""
    yield pid
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
    except FileNotFoundError:
        return
    for task in tasks:
        try:
            children = (task / "children").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children.split():
            yield from descendants(int(child))


def parse_stat_cpu_ticks(stat: str) -> int:
    """Return the CPU ticks of a line of /proc/PID/stat; the name in parentheses may hold anything."""
    fields = stat[stat.rindex(")") + 2 :].split()
    return sum(int(ticks) for ticks in fields[_UTIME_FIELD : _UTIME_FIELD + 4])


def parse_pss_bytes(rollup: str) -> int:
    """Return the proportional set size that /proc/PID/smaps_rollup tells."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("smaps_rollup has no line Pss")


def parse_busy_ticks(stat: str) -> int:
    """Return the ticks that all CPUs spent on anything but idling, from /proc/stat; time the host took away counts."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.split(maxsplit=9)[1:9])
    return user + nice + system + irq + softirq + steal


def machine_busy_s() -> float:
    """Return the CPU seconds that the whole machine has spent since it was booted."""
    return parse_busy_ticks((_PROC / "stat").read_text(encoding="ascii")) / TICKS_PER_S


def measure(roots: Iterable[int], *, with_memory: bool = False) -> Usage:
    """
    Sum up the use of these processes and all below them.

    Args:
        with_memory: Memory takes the kernel a walk over all pages, so it is read only when asked for (else 0).
    """
    ticks = memory_bytes = count = 0
    for root in roots:
        for pid in descendants(root):
            folder = _PROC / str(pid)
            try:
                ticks += parse_stat_cpu_ticks((folder / "stat").read_text(encoding="utf-8", errors="replace"))
                if with_memory:
                    memory_bytes += parse_pss_bytes((folder / "smaps_rollup").read_text(encoding="ascii"))
            except (FileNotFoundError, ProcessLookupError):
                continue
            count += 1
    return Usage(cpu_s=ticks / TICKS_PER_S, memory_bytes=memory_bytes, process_count=count)
