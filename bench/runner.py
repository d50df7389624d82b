"""
Runs servers and scenarios one after another, never two at a time.

Rounds are the outer loop: each server is measured, then each again, so that a slow minute of the machine does not fall
on one server alone.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.load import NotOffered, generate, load_log
from bench.log_alone.systems import ReplicatedLog, RunningLog
from bench.log_alone.task import LogTask
from bench.processes import LOG_TAIL_BYTES, BenchError
from bench.report import LOG_KIND
from bench.results import Row, Run
from bench.scenarios import Load, Scenario, registration
from bench.servers.base import Running, Server
from bench.task import Kind, Measured

LOG_CLIENT_COUNTS = (1, 16, 128)
LOG_CONNECTION_COUNT_MAX = 16
LOG_PAYLOAD_SIZE = 256

Save = Callable[[], None]


def say(text: str) -> None:
    """Tell the person at the terminal how far it is."""
    print(text, file=sys.stderr, flush=True)


class Recorder:
    """
    Adds measurements to a run.

    Args:
        save: Called after each, so that a run that is broken off leaves what it has.
    """

    def __init__(self, run: Run, save: Save) -> None:
        self._run = run
        self._save = save

    def add(self, server: str, scenario: str, kind: str, measured: Measured) -> None:
        """Note a round."""
        found = self._run.find(server, scenario)
        if found is None:
            self._run.rows.append(Row(server=server, scenario=scenario, kind=kind, rounds=(measured,)))
        else:
            row = Row(server=server, scenario=scenario, kind=kind, rounds=(*found.rounds, measured))
            self._run.rows[self._run.rows.index(found)] = row
        say(f"  {server:20} {scenario:17} {_in_short(kind, measured)}")
        self._save()

    def failed(self, server: str, scenario: str, error: BenchError) -> None:
        """Note what went wrong; the run goes on with the rest and fails at its end."""
        # The whole text may hold the end of a log, with paths of this machine: it is for the terminal alone.
        self._run.failures.append((server, scenario, str(error).strip().splitlines()[-1]))
        say(f"  {server:20} {scenario:17} FAILED: {error}")
        self._save()

    def lacks(self, server: str, scenario: str) -> None:
        """Note that a server does not offer what a scenario needs."""
        if (server, scenario) not in self._run.not_offered:
            self._run.not_offered.append((server, scenario))
        say(f"  {server:20} {scenario:17} not offered")


def measure_server(server: Server, scenarios: Sequence[Scenario], load: Load, data: Path, recorder: Recorder) -> None:
    """Measure one server: once for all scenarios, and a fresh one for each that needs it."""
    applicable = [scenario for scenario in scenarios if scenario.is_applicable(server)]
    together = [scenario for scenario in applicable if not scenario.needs_fresh_server]
    alone = [[scenario] for scenario in applicable if scenario.needs_fresh_server]
    for group in ([together] if together else []) + alone:
        try:
            with _folder(data, server.name) as folder, server.running(folder) as running:
                generate(registration(load, running, group))
                for scenario in group:
                    _measure(server, scenario, running, folder, recorder)
        except BenchError as error:
            recorder.failed(server.name, "start", error)


def _measure(server: Server, scenario: Scenario, running: Running, folder: Path, recorder: Recorder) -> None:
    task = scenario.make_task(running)
    try:
        measured = generate(task)
    except NotOffered:
        recorder.lacks(server.name, scenario.name)
    except BenchError as error:
        recorder.failed(server.name, scenario.name, error)
        _say_logs(folder)
    else:
        recorder.add(server.name, scenario.name, task.kind, measured)


def _say_logs(folder: Path) -> None:
    """Show the end of each log below a server's folder, which is about to go."""
    for log in sorted(folder.rglob("*.log")):
        say(f"  end of {log.name}:\n{log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors='replace')}")


def measure_log(log: ReplicatedLog, load: Load, data: Path, recorder: Recorder) -> None:
    """Measure one replicated log with each number of clients."""
    try:
        with _folder(data, log.system) as folder, log.running(folder, LOG_PAYLOAD_SIZE) as running:
            for client_count in LOG_CLIENT_COUNTS:
                _measure_appends(log, running, client_count, load, recorder)
    except BenchError as error:
        recorder.failed(log.system, "start", error)


def _measure_appends(
    log: ReplicatedLog, running: RunningLog, client_count: int, load: Load, recorder: Recorder
) -> None:
    scenario = f"log-{client_count}"
    task = LogTask(
        server_pids=running.pids,
        warm_up_s=load.warm_up_s,
        duration_s=load.duration_s,
        system=log.system,
        port=running.leader_port,
        client_count=client_count,
        connection_count=min(client_count, LOG_CONNECTION_COUNT_MAX),
        payload_size=LOG_PAYLOAD_SIZE,
    )
    try:
        measured = load_log(task)
    except BenchError as error:
        recorder.failed(log.system, scenario, error)
    else:
        recorder.add(log.system, scenario, LOG_KIND, measured)


def _in_short(kind: str, measured: Measured) -> str:
    if kind == Kind.IDLE:
        return f"{measured.server_memory_bytes / measured.count / 1024:10.1f} KiB for each connection"
    p99 = f"p99 {measured.latency.p99_ms:.1f} ms, " if measured.latency else ""
    cost = measured.cpu_s_per_1000
    return (
        f"{measured.rate_per_s:10,.0f}/s  {p99}{'no' if cost is None else f'{cost:.3f}'} CPU s per 1,000, "
        f"generator {measured.generator_cpu_share:.0%}, others {measured.other_cpu_share:.1f} cores"
    )


@contextmanager
def _folder(data: Path, name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=name + "-", dir=data) as folder:
        yield Path(folder)
