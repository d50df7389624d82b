"""
Bar charts as SVG, written by hand: a few rectangles need no plotting library.

A chart has a group of bars for each scenario and a bar for each server; the same server has the same colour on all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from bench.results import Row, Run

COLOURS = {
    "raftline-1": "#1b6e4a",
    "raftline-3": "#58a87f",
    "raftline-log": "#1b6e4a",
    "ejabberd": "#c98a1b",
    "ejabberd-postgresql": "#8a5a0a",
    "prosody": "#7a8fc9",
    "prosody-internal": "#3f538f",
    "nats-jetstream": "#8a5a0a",
    "etcd": "#3f538f",
}
WIDTH, LABEL_WIDTH, VALUE_WIDTH = 860, 180, 90
BAR_HEIGHT, BAR_GAP, GROUP_GAP, TOP = 18, 4, 30, 46


class Chart(NamedTuple):
    """Which figure of which scenarios; `form` writes it."""

    file: str
    title: str
    scenarios: tuple[str, ...]
    value: Callable[[Row], float | None]
    form: Callable[[float], str]


def _rate(row: Row) -> float:
    return row.median.rate_per_s


def _cost(row: Row) -> float | None:
    return row.median.cpu_s_per_1000


def _p99(row: Row) -> float | None:
    return row.median.latency.p99_ms if row.median.latency else None


def _kib(row: Row) -> float:
    return row.median.server_memory_bytes / row.median.count / 1024


def _count_form(value: float) -> str:
    return f"{value:,.0f}"


CHARTS = (
    Chart("throughput.svg", "Messages per second (more is better)", ("chat-w1", "chat-w10"), _rate, _count_form),
    Chart(
        "cpu.svg",
        "Server CPU seconds per 1,000 messages (less is better)",
        ("chat-w1", "chat-w10", "acknowledgements"),
        _cost,
        "{:.3f}".format,
    ),
    Chart(
        "latency.svg",
        "p99 latency in ms (less is better)",
        ("open-500", "open-1000", "acknowledgements"),
        _p99,
        "{:.1f}".format,
    ),
    Chart(
        "idle.svg", "KiB for each idle connection (less is better)", ("idle-plain", "idle-tls"), _kib, "{:.1f}".format
    ),
    Chart(
        "log.svg",
        "Log alone: durable appends per second (more is better)",
        ("log-1", "log-16", "log-128"),
        _rate,
        _count_form,
    ),
)


def write_plots(run: Run, folder: Path) -> list[str]:
    """Write each chart for which something was measured; return their file names."""
    written = []
    for chart in CHARTS:
        groups = []
        for scenario in chart.scenarios:
            rows = [row for row in run.rows if row.scenario == scenario]
            bars = [(row.server, value) for row in rows if (value := chart.value(row)) is not None]
            if bars:
                groups.append((run.titles[scenario], bars))
        if groups:
            (folder / chart.file).write_text(draw(chart.title, groups, chart.form), encoding="utf-8")
            written.append(chart.file)
    return written


Group = tuple[str, Sequence[tuple[str, float]]]


def draw(title: str, groups: Sequence[Group], form: Callable[[float], str]) -> str:
    """Return a chart; within a group the longest bar fills the width, since groups differ by orders of magnitude."""
    parts = [f'<text x="8" y="22" font-size="16" font-weight="bold">{escape(title)}</text>']
    top = TOP
    for name, bars in groups:
        parts.append(f'<text x="8" y="{top}" font-size="13">{escape(name)}</text>')
        top += 10
        greatest = max((value for _, value in bars), default=0.0)
        for server, value in bars:
            length = max(value / greatest, 0.0) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH) if greatest > 0 else 0.0
            middle = top + BAR_HEIGHT - 5
            parts.append(f'<text x="{LABEL_WIDTH - 8}" y="{middle}" text-anchor="end">{escape(server)}</text>')
            parts.append(
                f'<rect x="{LABEL_WIDTH}" y="{top}" width="{length:.1f}" height="{BAR_HEIGHT}" '
                f'fill="{COLOURS.get(server, "#777777")}"/>'
            )
            parts.append(f'<text x="{LABEL_WIDTH + length + 6:.1f}" y="{middle}">{form(value)}</text>')
            top += BAR_HEIGHT + BAR_GAP
        top += GROUP_GAP
    height = top
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
