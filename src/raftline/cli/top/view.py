"""A reading as a picture for the terminal. Pure: nothing is asked here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raftline.cli.top.reading import NodeReading, Reading

EVENTS_SHOWN: Final = 10
"""Newest entries of the time line that are shown."""

WIDTH_FOR_ALL: Final = 100
"""In a terminal with fewer columns the nodes' terms, committed entries and medians are left out."""

_Cell = Callable[[NodeReading], RenderableType]
_ROLE_STYLES: Final = {"leader": "bold green", "follower": "", "unknown": "bold red"}
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def render(reading: Reading, width: int, *, note: str = "") -> RenderableType:
    """
    Return the whole picture.

    Args:
        width: Columns of the terminal.
        note: Below everything, such as how to end.
    """
    return Group(_head(reading), "", _nodes(reading, width), "", _time_line(reading), Text(note, style="dim"))


def _head(reading: Reading) -> RenderableType:
    line = Text(overflow="fold")
    if reading.term is None:
        line.append("No node answers", "bold red")
    elif reading.leader is None:
        line.append(f"No leader (term {reading.term})", "bold red")
    else:
        line.append(f"Node {reading.leader} leads", "bold green").append(f" in term {reading.term}")
    line.append(f"  committed {_count(reading.commit_index)}")
    line.append(f"  {_rate(reading.messages_per_second)} messages/s")
    line.append(f"  commit p50 {_duration(reading.commit_p50_s)}, p99 {_duration(reading.commit_p99_s)}")
    line.append(f"  in flight {_count(reading.in_flight)}")
    if reading.asked:
        line.append(f"\n{_moment(reading.wall_ms)}, told by {reading.asked}", "dim")
    return line


def _nodes(reading: Reading, width: int) -> RenderableType:
    columns: list[tuple[str, _Cell, bool]] = [
        ("Term", lambda node: _count(node.term), False),
        ("Commit", lambda node: _count(node.commit_index), False),
        ("Applied", lambda node: _count(node.applied_index), True),
        ("Lag", lambda node: _count(node.lag), True),
        ("Disk", _disk, True),
        ("Fsync", lambda node: _duration(node.fsync_s), True),
        ("Clients", lambda node: _count(node.connections), True),
        ("Msg/s", lambda node: _rate(node.messages_per_second), True),
        ("p50", lambda node: _duration(node.commit_p50_s), False),
        ("p99", lambda node: _duration(node.commit_p99_s), True),
        ("In flight", _in_flight, True),
    ]
    shown = [(name, cell) for name, cell, is_always in columns if is_always or width >= WIDTH_FOR_ALL]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column("Node", no_wrap=True)
    table.add_column("Role", no_wrap=True)
    for name, _ in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for node in reading.nodes:
        role = Text(node.role if node.reachable else "gone", _ROLE_STYLES.get(node.role, "yellow"))
        table.add_row(str(node.id), role, *(cell(node) for _, cell in shown))
    return table


def _time_line(reading: Reading) -> RenderableType:
    lines = Text()
    for event in reading.events[: -EVENTS_SHOWN - 1 : -1]:
        lines.append(_moment(event.wall_ms), "dim").append(f"  {event.text}\n")
    return lines


def _disk(node: NodeReading) -> Text:
    if node.disk is None:
        return Text("-")
    return Text(_size(node.disk_room_bytes), "" if node.disk == "ample" else "bold red")


def _in_flight(node: NodeReading) -> str:
    """Commands without an outcome; for a node that gets a snapshot, how fast that comes."""
    if node.snapshot_bytes_per_second:
        return f"snapshot {_size(node.snapshot_bytes_per_second)}/s"
    return _count(node.in_flight)


def _moment(wall_ms: int) -> str:
    return f"{dt.datetime.fromtimestamp(wall_ms / 1_000, dt.UTC).astimezone():%H:%M:%S}"


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _rate(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    milliseconds = seconds * 1e3
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def _size(count: float | None) -> str:
    if count is None:
        return "-"
    for unit in _UNITS[:-1]:
        if count < 1_024:
            return f"{count:.0f} {unit}"
        count /= 1_024
    return f"{count:.1f} {_UNITS[-1]}"
