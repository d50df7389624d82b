"""From measurements to verdicts: medians, notes, goals, page, plots, /proc."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import goals, report
from bench.__main__ import main, parse_arguments, write_results
from bench.latency import Latency
from bench.log_alone.systems import LOGS
from bench.plot import CHARTS, COLOURS, draw
from bench.process_tree import measure, parse_busy_ticks, parse_pss_bytes, parse_stat_cpu_ticks
from bench.profile import package_shares, self_shares
from bench.results import Row, Run
from bench.runner import LOG_CLIENT_COUNTS
from bench.scenarios import Load, all_scenarios
from bench.servers.catalog import SERVERS
from bench.task import Measured


def measured(count: int, *, cpu_s: float = 1.0, p99_ms: float = 5.0, memory: int = 0, **changes: float) -> Measured:
    latency = Latency(count=count, p50_ms=1.0, p95_ms=2.0, p99_ms=p99_ms, max_ms=9.0)
    values = {"generator_cpu_share": 0.1, **changes}
    return Measured(
        count=count,
        duration_s=1.0,
        server_cpu_s=cpu_s,
        latency=latency,
        server_memory_bytes=memory,
        **values,  # type: ignore[arg-type]
    )


def row(server: str, scenario: str, *rounds: Measured, kind: str = "chat") -> Row:
    return Row(server=server, scenario=scenario, kind=kind, rounds=rounds)


def run_of(*rows: Row) -> Run:
    return Run(
        started="2026-01-02T03:04:05+00:00",
        duration_s=1.0,
        round_count=1,
        machine={"processor": "two cores"},
        rows=list(rows),
        titles={scenario: f"Title of {scenario}" for scenario in dict.fromkeys(row.scenario for row in rows)},
        durability={row.server: "durable" for row in rows},
    )


def verdicts(run: Run) -> dict[str, bool | None]:
    return {goal.text: goal.reached for goal in goals.judge(run)}


def verdict(run: Run, start: str) -> bool | None:
    (found,) = [reached for text, reached in verdicts(run).items() if text.startswith(start)]
    return found


def test_the_median_round_is_taken_by_what_the_scenario_is_about() -> None:
    """Throughput by rate, open loops by p99, idle connections by memory; of two rounds the worse one."""
    assert row("s", "c", measured(1), measured(9), measured(5)).median.count == 5
    assert row("s", "c", measured(1), measured(9)).median.count == 1
    open_loop = row("s", "o", measured(5, p99_ms=9), measured(5, p99_ms=2), measured(5, p99_ms=3), kind="open-loop")
    assert open_loop.median_p99_ms == 3
    assert row("s", "i", measured(5, memory=7), measured(5, memory=2), kind="idle").median.server_memory_bytes == 7


def test_notes_say_what_spoils_a_figure() -> None:
    """A busy generator, other work, a late generator and lost messages are named; a clean round has no notes."""
    assert row("s", "c", measured(5)).notes == ()
    spoiled = measured(5, generator_cpu_share=0.61, other_cpu_share=0.5, undelivered=3, lag_p99_ms=4.0)
    notes = "; ".join(row("s", "c", spoiled).notes)
    for part in ("bounded by the generator (61%", "others used 0.5 cores", "3 undelivered", "late itself"):
        assert part in notes


@pytest.mark.parametrize(("own", "reached"), [(299, False), (300, True)])
def test_the_throughput_goal_at_its_bound(own: int, reached: bool) -> None:
    """Three times the peer's rate is enough, a little less is not."""
    run = run_of(row("raftline-1", "chat-w1", measured(own)), row("ejabberd-postgresql", "chat-w1", measured(100)))
    assert verdict(run, "One node, window 1: at least 3") is reached


@pytest.mark.parametrize(("cpu_s", "reached"), [(0.25, True), (0.26, False)])
def test_the_cpu_goal_at_its_bound(cpu_s: float, reached: bool) -> None:
    """A quarter of the peer's CPU per message."""
    own = row("raftline-1", "chat-w1", measured(100, cpu_s=cpu_s))
    run = run_of(own, row("ejabberd-postgresql", "chat-w1", measured(100, cpu_s=1.0)))
    assert verdict(run, "One node, window 1: at most a quarter") is reached


def test_being_ahead_takes_both_rate_and_cpu() -> None:
    """Faster but dearer is not ahead."""
    peer = row("ejabberd", "chat-w1", measured(100, cpu_s=1.0))
    for count, cpu_s, reached in ((101, 0.5, True), (101, 2.0, False), (99, 0.5, False)):
        run = run_of(row("raftline-1", "chat-w1", measured(count, cpu_s=cpu_s)), peer)
        assert verdict(run, "Aim") is reached


def test_p99_of_lost_messages_reaches_no_goal() -> None:
    """A server that loses messages is not fast."""
    for p99_ms, undelivered, reached in ((49.9, 0, True), (50.0, 0, False), (10.0, 1, False)):
        sample = measured(5, p99_ms=p99_ms, undelivered=undelivered)
        assert verdict(run_of(row("raftline-3", "open-500", sample, kind="open-loop")), "Three nodes: p99") is reached


def test_idle_goals_at_their_bounds() -> None:
    """30 KiB plain, 60 KiB with TLS."""
    for scenario, kib, reached in (("idle-plain", 30, True), ("idle-plain", 31, False), ("idle-tls", 60, True)):
        run = run_of(row("raftline-1", scenario, measured(10, memory=10 * kib * 1024), kind="idle"))
        assert verdict(run, f"Idle connection, {'TLS' if scenario == 'idle-tls' else 'plain'}") is reached


def test_what_was_not_measured_is_not_judged() -> None:
    """An empty run reaches and misses nothing."""
    assert set(verdicts(run_of()).values()) == {None}


def test_the_page_and_plots_of_a_run(tmp_path: Path) -> None:
    """Ratios are against the named peer in the same table, goals have verdicts, and the page's plots exist."""
    run = run_of(
        row("raftline-1", "chat-w1", measured(300, cpu_s=0.3)),
        row("ejabberd-postgresql", "chat-w1", measured(100, cpu_s=1.0)),
        row("raftline-1", "idle-plain", measured(10, memory=10 * 20 * 1024), kind="idle"),
    )
    run.failures.append(("prosody", "chat-w1", "last line"))
    write_results(run, tmp_path)
    page = (tmp_path / "results.md").read_text()
    assert "× 3.00, × 0.10" in page
    assert "| reached | 300/s against 100/s: 3.00 times |" in page
    assert "| raftline-1 | 20.0 | 20.0 |" in page
    assert "prosody, chat-w1: last line" in page
    assert page.count("\n# ") + page.startswith("# ") == 1
    plots = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert plots == ["cpu.svg", "idle.svg", "throughput.svg"]
    assert all(f"]({plot})" in page for plot in plots)


def test_bars_are_as_long_as_their_values() -> None:
    """The greatest of a group fills the width; one half as great has half the length; names are escaped."""
    tree = ET.fromstring(draw("a < b", [("group", [("one", 10.0), ("two", 5.0), ("none", 0.0)])], "{:.0f}".format))
    widths = [float(rect.get("width", "")) for rect in tree.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert widths[1] == pytest.approx(widths[0] / 2, abs=0.1)
    assert widths[2] == 0


def test_process_figures_are_read_from_their_places() -> None:
    """A process name may hold blanks and parentheses; PSS is in KiB; idle and waiting are not busy."""
    assert parse_stat_cpu_ticks("7 (a) b (c) S 1 1 1 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5") == 100
    assert parse_pss_bytes("00400000-7fff [rollup]\nRss: 9 kB\nPss: 5 kB\nPss_Dirty: 3 kB\n") == 5120
    assert parse_busy_ticks("cpu  1 2 4 1000 1000 8 16 32 0 0\ncpu0 1 2") == 63
    with pytest.raises(ValueError, match="Pss"):
        parse_pss_bytes("Rss: 9 kB")


def test_own_process_is_measured() -> None:
    """This process has used CPU and memory; one that is gone counts nothing."""
    usage = measure([os.getpid()], with_memory=True)
    assert usage.process_count >= 1
    assert usage.cpu_s > 0
    assert usage.memory_bytes > 1_000_000
    assert measure([2**22 + 1]).process_count == 0


def test_profile_shares_count_what_ran_and_what_called() -> None:
    """The top of a stack is what ran; a package counts once for a stack, however often it is on it."""
    folded = [
        "thread (0x1);run (asyncio/runners.py:1);apply (raftline/machine/a.py:1);rows (raftline/machine/b.py:2) 3",
        "thread (0x1);run (asyncio/runners.py:1);turn (raftline/cluster/driver.py:9) 1",
        "thread (0x2);run (raftline/wal/writer.py:5);Condition.wait (threading.py:331) 90",
        "",
    ]
    assert self_shares(folded) == [
        ("rows (raftline/machine/b.py:2)", 0.75),
        ("turn (raftline/cluster/driver.py:9)", 0.25),
    ]
    assert dict(package_shares(folded)) == {"machine": 0.75, "cluster": 0.25}


def test_history_is_asked_only_of_servers_that_keep_one() -> None:
    """Servers without archive have no pages to read."""
    scenario = all_scenarios(Load())["history"]
    applicable = {name for name, server in SERVERS.items() if scenario.is_applicable(server)}
    assert applicable == {"raftline-1", "raftline-3", "ejabberd-postgresql", "prosody-internal"}


@pytest.mark.parametrize("arguments", [["--scenarios", "chat-w2"], ["--rounds", "0"], ["--rates", "-5"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    """Names that do not exist and counts below one end with the usual exit code."""
    with pytest.raises(SystemExit) as ended:
        parse_arguments(arguments)
    assert ended.value.code == 2


def test_a_missing_peer_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --allow-missing nothing is measured, and the package to install is named; with it, the page says so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("bench.machine.describe", lambda _data: {"disk": "of a test"})
    arguments = ["--servers", "prosody", "--scenarios", "chat-w1", "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "Debian's package prosody" in capsys.readouterr().err
    assert not (tmp_path / "out" / "results.json").exists()
    assert main([*arguments, "--allow-missing"]) == 0
    assert "| prosody | **not measured**" in (tmp_path / "out" / "results.md").read_text()


def test_ratios_and_goals_name_servers_that_exist() -> None:
    """A renamed server must not leave tables without a reference and goals never measured."""
    logs = {log.system for log in LOGS}
    assert {report.REFERENCE, goals.ONE, goals.THREE, goals.WITH_ARCHIVE, goals.WITHOUT_ARCHIVE} <= set(SERVERS)
    assert {report.LOG_REFERENCE, goals.LOG} <= logs
    assert set(COLOURS) == set(SERVERS) | logs
    scenarios = set(all_scenarios(Load())) | {f"log-{count}" for count in LOG_CLIENT_COUNTS}
    assert {scenario for chart in CHARTS for scenario in chart.scenarios} <= scenarios
