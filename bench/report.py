"""The results as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.results import Row, Run
from bench.task import Kind

REFERENCE = "ejabberd-postgresql"
LOG_REFERENCE = "nats-jetstream"
LOG_KIND = "log"
KIB = 1024
MIB = 1024 * 1024


def render(run: Run, plots: Sequence[str]) -> str:
    """Return the whole page; `plots` are files beside it."""
    return "\n".join([*_head(run), *_goals(run), *_plots(plots), *_tables(run), *_method(run)]) + "\n"


def _head(run: Run) -> Iterator[str]:
    yield f"# Benchmark of {run.started[:10]}"
    yield ""
    yield "Everything was measured in one run on one machine; read ratios within a table, not figures across pages."
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    for name, value in run.machine.items():
        yield f"| {name} | {value} |"
    yield f"| time measured | {run.round_count} × {run.duration_s:g} s for each figure, the median round is shown |"
    for server, version in run.versions.items():
        yield f"| {server} | {version} |"
    for server, reason in run.missing.items():
        yield f"| {server} | **not measured**: {reason} |"
    yield ""
    if run.failures:
        yield "**Failed:**"
        yield ""
        for server, scenario, reason in run.failures:
            yield f"- {server}, {scenario}: {reason}"
        yield ""


def _goals(run: Run) -> Iterator[str]:
    yield "## Goals"
    yield ""
    yield "| goal | | figures |"
    yield "| --- | --- | --- |"
    for goal in run.goals:
        verdict = {True: "reached", False: "**not reached**", None: "not measured"}[goal.reached]
        yield f"| {goal.text} | {verdict} | {goal.detail} |"
    yield ""


def _plots(plots: Sequence[str]) -> Iterator[str]:
    for plot in plots:
        yield f"![{plot.removesuffix('.svg')}]({plot})"
        yield ""


def _tables(run: Run) -> Iterator[str]:
    for scenario, title in run.titles.items():
        rows = [row for row in run.rows if row.scenario == scenario]
        if not rows:
            continue
        yield f"## {title}"
        yield ""
        yield from _idle_table(run, rows) if rows[0].kind == Kind.IDLE else _rate_table(run, rows)
        lacking = [server for server, name in run.not_offered if name == scenario]
        if lacking:
            yield f"Not offered by {', '.join(lacking)}."
            yield ""


def _rate_table(run: Run, rows: list[Row]) -> Iterator[str]:
    reference_name = LOG_REFERENCE if rows[0].kind == LOG_KIND else REFERENCE
    reference = next((row for row in rows if row.server == reference_name), None)
    yield (
        "| server | per second | p50 / p95 / p99 ms | CPU s per 1,000 | rate, CPU against "
        f"{reference_name} | memory MiB | generator CPU | durable when answered | notes |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |"
    for row in rows:
        median = row.median
        latency = median.latency
        times = f"{latency.p50_ms:.1f} / {latency.p95_ms:.1f} / {latency.p99_ms:.1f}" if latency else "–"
        cost = median.cpu_s_per_1000
        yield (
            f"| {row.server} | {median.rate_per_s:,.0f} | {times} | {'–' if cost is None else f'{cost:.3f}'} "
            f"| {_ratios(row, reference)} | {median.server_memory_bytes / MIB:,.0f} "
            f"| {median.generator_cpu_share:.0%} | {run.durability[row.server]} | {'; '.join(row.notes)} |"
        )
    yield ""


def _ratios(row: Row, reference: Row | None) -> str:
    if reference is None:
        return "–"
    own, other = row.median, reference.median
    if not own.count or not other.count or not own.server_cpu_s or not other.server_cpu_s:
        return "–"
    rate = own.rate_per_s / other.rate_per_s
    cost = (own.server_cpu_s / own.count) / (other.server_cpu_s / other.count)
    return f"× {rate:.2f}, × {cost:.2f}"


def _idle_table(run: Run, rows: list[Row]) -> Iterator[str]:
    yield "| server | KiB for each connection | all rounds | CPU of the server while idle | notes |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for row in rows:
        median = row.median
        all_kib = ", ".join(f"{each.server_memory_bytes / each.count / KIB:.1f}" for each in row.rounds)
        yield (
            f"| {row.server} | {median.server_memory_bytes / median.count / KIB:.1f} | {all_kib} "
            f"| {median.server_cpu_s / median.duration_s:.1%} of a core | {'; '.join(row.notes)} |"
        )
    yield ""


def _method(run: Run) -> Iterator[str]:
    yield "## How it was measured"
    yield ""
    yield "- The generator is one process of its own on the same machine; its CPU is in the tables, and a figure is"
    yield "  marked as bounded by it when it used more than 60 % of a core."
    yield "- Server CPU is user and system time of all its processes, PostgreSQL's too, read from `/proc` at both ends"
    yield "  of the time measured. Memory is the proportional set size after it."
    yield "- Window *n*: each pair has *n* messages under way, and one that arrives lets the next one go. Open loop:"
    yield "  messages fall due at a fixed rate; latency counts from when one was due."
    yield "- Bodies have 200 bytes. Recipients are addressed by bare JID and are online. No TLS unless said."
    yield "- Shapers and registration limits of the peers are off; the rest is as their packages have it."
    yield "- On three nodes the two of a pair are connected to different nodes; CPU and memory are sums over all nodes."
    if any(row.kind == LOG_KIND for row in run.rows):
        yield "- Log alone: three members on one disk; clients talk to the leader over at most 16 connections, each"
        yield "  client with one append of 256 bytes under way; all systems get the same hand-written kind of client."
