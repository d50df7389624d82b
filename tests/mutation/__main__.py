"""
The command of the workbench, with `tests` on the path: `PYTHONPATH=tests python -m mutation ...`.

    list             all faults
    run PATTERN ...  who notices the faults whose key holds one of the patterns; with `--drawn` also of more than usual
    write            examine all faults; write `records.json` and `docs/mutations.md`
    check            examine all faults; compare with the page, and say what people have to look at
    serve            for tests: ask single killers about single faults, a line of JSON each

Exit codes: 0 fine; 1 something is to be looked at; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from typing import BinaryIO, Final

import msgspec

from mutation.draw import COUNT, draw
from mutation.faults import PACKAGES, Fault
from mutation.named import NAMED
from mutation.records import Record, complaints, read_explanations, read_records, record_of, write_records
from mutation.table import page, without_chance
from mutation.workbench import ROOT, Workbench, at_workbench

PAGE: Final = ROOT / "docs" / "mutations.md"


class Question(msgspec.Struct, frozen=True):
    """To `serve`: does the killer notice the fault, or, where that is None, anything at all?"""

    fault: str | None
    killer: str


def all_faults(drawn_count: int = COUNT) -> list[Fault]:
    """Named ones, then drawn ones, in the order of the page."""
    return [*NAMED, *draw(drawn_count)]


def examine(bench: Workbench, faults: Sequence[Fault]) -> dict[str, Record]:
    """Examine faults and say how it goes; returns the records by fault."""
    records: dict[str, Record] = {}
    for fault, verdict in bench.examine(faults):
        records[fault.key] = record_of(fault, verdict)
        who = f"{verdict.how} {verdict.killer}: {verdict.text}" if verdict.killer else "NOBODY"
        print(f"{len(records)}/{len(faults)} {verdict.seconds:.1f} s  {fault.key}\n    {who[:160]}", flush=True)
    return records


def write(bench: Workbench, package: str) -> list[str]:
    """Examine, and write what was found."""
    records = _anew(bench, package)
    explanations = read_explanations()
    write_records(records)
    PAGE.write_text(page(records, explanations), encoding="utf-8")
    return complaints(records, explanations)


def check(bench: Workbench, package: str) -> list[str]:
    """Examine, and compare with what is written."""
    unsound = [
        f"{verdict.killer} fails without a fault: {verdict.text}"
        for verdict in bench.unsound([package] if package else PACKAGES)
    ]
    records = _anew(bench, package)
    explanations = read_explanations()
    old, new = (without_chance(text) for text in (PAGE.read_text("utf-8"), page(records, explanations)))
    difference = difflib.unified_diff(old.splitlines(), new.splitlines(), PAGE.name, "now", lineterm="", n=0)
    return [*unsound, *complaints(records, explanations), *difference]


def serve(bench: Workbench, answers: BinaryIO) -> None:
    """Answer questions from standard input, each with a verdict, until it ends."""
    faults = {fault.key: fault for fault in NAMED}
    decoder = msgspec.json.Decoder(Question)
    for line in sys.stdin:
        question = decoder.decode(line)
        fault = None if question.fault is None else faults[question.fault]
        answers.write(msgspec.json.encode(bench.ask(fault, question.killer)) + b"\n")


def _anew(bench: Workbench, package: str) -> list[Record]:
    """Return records of all faults, new ones of a package if one is named."""
    faults = all_faults()
    old = read_records() if package else {}
    new = examine(bench, [fault for fault in faults if package in {"", fault.package}])
    return [new.get(fault.key) or old[fault.key] for fault in faults if fault.key in new or fault.key in old]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("command", choices=["list", "run", "write", "check", "serve"])
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--package", choices=PACKAGES, default="", help="examine the faults of one package alone")
    parser.add_argument("--drawn", type=int, default=COUNT, help="of `list` and `run`: draw so many faults")
    parser.add_argument("--processes", type=int, default=1, help="children at a time; two cores allow two")
    options = parser.parse_args(arguments)
    said: list[str] = []

    def work(bench: Workbench) -> None:
        if options.command == "run":
            examine(bench, chosen)
        elif options.command == "serve":
            serve(bench, answers)
        else:
            said.extend((write if options.command == "write" else check)(bench, options.package))

    faults = all_faults(options.drawn)
    chosen = [fault for fault in faults if any(pattern in fault.key for pattern in options.patterns or [""])]
    if options.command == "list":
        print("\n".join(fault.key for fault in chosen))
        return 0
    # Pytest may print what it likes; the answers of `serve` have the real standard output for themselves.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0) as answers:
        if options.command == "serve":
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        at_workbench(work, process_count=options.processes)
    print("\n".join(said))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
