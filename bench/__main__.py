"""
The command of the bench: `python -m bench`, which `make bench` calls.

Exit codes: 0 done; 2 wrong arguments, or something of a peer is not installed; 1 a measurement failed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench import goals, machine, report
from bench.log_alone.systems import LOGS
from bench.plot import write_plots
from bench.processes import BenchError, MissingError, end_children_with_the_bench, lift_file_limit
from bench.progress import figure_progress
from bench.results import Run
from bench.runner import LOG_CLIENT_COUNTS, LOG_PAYLOAD_SIZE, Recorder, measure_log, measure_server, say
from bench.scenarios import Load, all_scenarios
from bench.servers.catalog import SERVERS

LOG_SCENARIO = "log"
_EXIT_FAILED, _EXIT_REFUSED = 1, 2


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; ends the process with 2 if it is wrong."""
    defaults = Load()
    scenario_names = [*all_scenarios(defaults), LOG_SCENARIO]
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Raftline beside its peers.")
    parser.add_argument("--scenarios", nargs="+", metavar="NAME", help=f"of {', '.join(scenario_names)}")
    parser.add_argument("--servers", nargs="+", metavar="NAME", choices=list(SERVERS), help=f"of {', '.join(SERVERS)}")
    parser.add_argument("--seconds", type=float, default=defaults.duration_s, help="measured for each figure")
    parser.add_argument("--warm-up", type=float, default=defaults.warm_up_s, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is shown")
    parser.add_argument("--pairs", type=int, default=defaults.pair_count, help="of users who chat")
    parser.add_argument("--idle", type=int, default=defaults.idle_count, help="idle connections")
    parser.add_argument("--rates", type=int, nargs="+", default=list(defaults.rates_per_s), help="of open loops, per s")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder for results.json, table, plots")
    parser.add_argument("--data", type=Path, help="folder for the servers' data, on a real disk")
    parser.add_argument("--allow-missing", action="store_true", help="go on without peers that are not installed")
    options = parser.parse_args(arguments)
    for name in ("seconds", "rounds", "pairs", "idle"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name} must be over 0")
    if min(options.rates) <= 0:
        parser.error("--rates must be over 0")
    known = [*all_scenarios(_load(options)), LOG_SCENARIO]
    unknown = sorted(set(options.scenarios or ()) - set(known))
    if unknown:
        parser.error(f"unknown scenarios {', '.join(unknown)}: there are {', '.join(known)}")
    return options


def _load(options: argparse.Namespace) -> Load:
    return Load(
        duration_s=options.seconds,
        warm_up_s=options.warm_up,
        pair_count=options.pairs,
        idle_count=options.idle,
        rates_per_s=tuple(options.rates),
    )


def run_bench(options: argparse.Namespace) -> Run:
    """
    Measure all that was asked for and write the results after each figure.

    Raises:
        MissingError: A peer is not installed, and that was not allowed.
        BenchError: The data folder is of no use. What a server fails at is noted in the run.
    """
    load = _load(options)
    scenarios = all_scenarios(load)
    wanted = [scenario for name, scenario in scenarios.items() if not options.scenarios or name in options.scenarios]
    servers = [server for name, server in SERVERS.items() if not options.servers or name in options.servers]
    logs = LOGS if not options.scenarios or LOG_SCENARIO in options.scenarios else ()
    if not wanted:
        servers = []
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="raftline-bench-", dir=options.data) as folder:
        data = Path(folder)
        run = Run(
            started=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            duration_s=load.duration_s,
            round_count=options.rounds,
            machine=machine.describe(data),
            titles={name: scenario.title for name, scenario in scenarios.items()},
        )
        for client_count in LOG_CLIENT_COUNTS:
            title = f"Log alone, three nodes, {LOG_PAYLOAD_SIZE} bytes, clients: {client_count}"
            run.titles[f"log-{client_count}"] = title
        for server in servers:
            _note_version(run, server.name, server.version, server.durability)
        for log in logs:
            _note_version(run, log.system, log.version, log.durability)
        if run.missing and not options.allow_missing:
            reasons = "\n".join(f"  {name}: {reason}" for name, reason in run.missing.items())
            raise MissingError(f"not everything is installed (--allow-missing goes on without):\n{reasons}")
        servers = [server for server in servers if server.name not in run.missing]
        present_logs = [log for log in logs if log.system not in run.missing]
        figure_count = options.rounds * (len(servers) * len(wanted) + len(present_logs) * len(LOG_CLIENT_COUNTS))
        with figure_progress(figure_count) as advance:

            def save() -> None:
                write_results(run, options.out)
                advance()

            recorder = Recorder(run, save)
            for number in range(options.rounds):
                say(f"round {number + 1} of {options.rounds}")
                for server in servers:
                    measure_server(server, wanted, load, data, recorder)
                for log in present_logs:
                    measure_log(log, load, data, recorder)
    write_results(run, options.out)
    return run


def _note_version(run: Run, name: str, version: Callable[[], str], durability: str) -> None:
    run.durability[name] = durability
    try:
        run.versions[name] = version()
    except MissingError as error:
        run.missing[name] = str(error)


def write_results(run: Run, folder: Path) -> None:
    """Write `results.json`, `results.md` and the plots."""
    run.goals = goals.judge(run)
    (folder / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
    plots = write_plots(run, folder)
    (folder / "results.md").write_text(report.render(run, plots), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench."""
    options = parse_arguments(arguments)
    lift_file_limit()
    end_children_with_the_bench()
    try:
        run = run_bench(options)
    except MissingError as error:
        say(str(error))
        return _EXIT_REFUSED
    except BenchError as error:
        say(str(error))
        return _EXIT_FAILED
    for goal in run.goals:
        verdict = {True: "reached", False: "NOT reached", None: "not measured"}[goal.reached]
        print(f"{verdict:12} {goal.text}: {goal.detail}")
    print(f"written: {options.out / 'results.md'}")
    if run.failures:
        print(f"failed: {len(run.failures)} measurements, see above")
        return _EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
