"""
Looks into a Raftline node with py-spy while a scenario loads it: a flame graph, and the functions that cost most.

    python -m bench.profile --scenario chat-w1 --nodes 1 --seconds 10

Writes `NAME.svg` (flame graph) and `NAME.txt` (folded stacks), and prints shares of active samples: once by the
function that was running, once by package of the project (each sample counts for every package on its stack).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.load import generate
from bench.processes import BenchError, Child, end_children_with_the_bench, find_program, lift_file_limit, running
from bench.scenarios import Load, all_scenarios, registration
from bench.servers.raftline import Raftline
from bench.task import Measured

SAMPLES_PER_S = 500
TOP_COUNT = 25
PACKAGE = "raftline/"
WAITING = ("Condition.wait (threading.py", "wait (threading.py", "_worker (concurrent/futures/thread.py")
"""Where threads wait for work: py-spy takes some of it for activity, since Python's locks spin a little."""


def self_shares(folded: Iterable[str]) -> list[tuple[str, float]]:
    """Return the share of samples by the function on top of the stack, greatest first; `folded` as py-spy writes it."""
    counts: Counter[str] = Counter()
    for stack, count in _samples(folded):
        counts[stack[-1]] += count
    return _shares(counts)


def package_shares(folded: Iterable[str]) -> list[tuple[str, float]]:
    """Return the share of samples with a function of each package of the project anywhere on the stack."""
    counts: Counter[str] = Counter()
    total = 0
    for stack, count in _samples(folded):
        total += count
        for package in {name for frame in stack if (name := _package(frame))}:
            counts[package] += count
    return [(name, count / total) for name, count in counts.most_common()]


def _samples(folded: Iterable[str]) -> Iterable[tuple[list[str], int]]:
    for line in folded:
        if line.strip():
            stack, _, count = line.rpartition(" ")
            frames = stack.split(";")
            if not frames[-1].startswith(WAITING):
                yield frames, int(count)


def _shares(counts: Counter[str]) -> list[tuple[str, float]]:
    total = counts.total()
    return [(name, count / total) for name, count in counts.most_common()]


def _package(frame: str) -> str | None:
    """Return the package of a frame such as `apply (raftline/machine/machine.py:120)`."""
    _, found, path = frame.partition(PACKAGE)
    return path.split("/")[0] if found and "/" in path else None


def profile(scenario_name: str, node_count: int, node_number: int, load: Load, out: Path, *, native: bool) -> Measured:
    """
    Run a scenario twice, once for the folded stacks and once for the flame graph.

    Args:
        node_number: Which node to look into, from 1.
        native: Show C functions too; slows the server further down.

    Returns: What the generator measured meanwhile: slower than without py-spy, which stops the process to look.

    Raises:
        BenchError: Something failed.
    """
    program = find_program("py-spy", "none, but requirements/bench.txt", str(Path(sys.executable).parent))
    scenario = all_scenarios(load)[scenario_name]
    with tempfile.TemporaryDirectory() as folder, Raftline(node_count).running(Path(folder)) as server:
        generate(registration(load, server))
        measured = []
        for form, suffix in (("raw", ".txt"), ("flamegraph", ".svg")):
            command = [
                *(program, "record", "--pid", str(server.pids[node_number - 1]), "--format", form),
                *("--output", str(out.with_suffix(suffix).resolve()), "--rate", str(SAMPLES_PER_S)),
                *("--duration", str(int(load.warm_up_s + load.duration_s)), "--threads"),
                *(["--native"] if native else []),
            ]
            child = Child(command, Path(folder) / "py-spy.log")
            with running(child):
                measured.append(generate(scenario.make_task(server)))
                if (status := child.wait()) != 0:
                    raise BenchError(f"py-spy ended with {status}:\n{child.log_tail}")
    return measured[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Profile one scenario."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description="Profile a Raftline node under load.")
    parser.add_argument("--scenario", default="chat-w1", choices=list(all_scenarios(Load())))
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3))
    parser.add_argument("--node", type=int, default=1, help="which of them to look into, from 1")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--native", action="store_true", help="show C functions too")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder for the results")
    options = parser.parse_args(arguments)
    if not 1 <= options.node <= options.nodes:
        parser.error("--node must be one of the nodes")
    lift_file_limit()
    end_children_with_the_bench()
    options.out.mkdir(parents=True, exist_ok=True)
    out = options.out / f"profile-{options.scenario}-{options.nodes}"
    try:
        load = Load(duration_s=options.seconds)
        measured = profile(options.scenario, options.nodes, options.node, load, out, native=options.native)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    folded = out.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    print(f"{measured.rate_per_s:,.0f}/s meanwhile, {measured.cpu_s_per_1000 or 0:.3f} CPU s per 1,000 (with py-spy)")
    for title, shares in (("package", package_shares(folded)), ("function", self_shares(folded)[:TOP_COUNT])):
        print(f"\nshare of samples by {title}")
        for name, share in shares:
            print(f"{share:7.1%}  {name}")
    print(f"\nwritten: {out.with_suffix('.svg')}, {out.with_suffix('.txt')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
