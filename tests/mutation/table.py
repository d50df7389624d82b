"""Writes `docs/mutations.md` from the records; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mutation import whole_stack
from mutation.faults import PACKAGES
from mutation.killers import SEED_COUNT
from mutation.named import NAMED
from mutation.records import Explanation, Record

_HEAD: Final = f"""\
# Mutations: proof that the tests find bugs

Each line is a fault that was put into the code on purpose, and the first test that noticed. *Named* faults are mistakes
somebody could make, or has made; the row is that of the [catalogue](bug-catalogue.md). *Drawn* faults are small changes
that nobody chose, drawn from all there are in `raft`, `wal` and `machine`.

Who looks, in this order, until one notices: the scenarios and directed tests of the package, its properties and unit
tests, for the core {SEED_COUNT} simulated clusters of cores, and last {len(whole_stack.SEEDS)} simulated clusters of
whole servers. Seconds are from the start of a child process to its end.

This page is written by `PYTHONPATH=tests python -m mutation write`. `make test` asks the killer of each named fault
again; `make test-all` does everything anew and compares. `tests/mutation/faults.py` tells how to add a fault.
"""

_KINDS: Final = {
    "equivalent": "The same behaviour",
    "speed": "Only time or memory differ",
    "text": "Only what people read differs",
}
_NAMED: Final = {fault.key: fault for fault in NAMED}


def page(records: Sequence[Record], explanations: Mapping[str, Explanation]) -> str:
    """Return the whole page."""
    named = [record for record in records if record.fault in _NAMED]
    drawn = [record for record in records if record.fault not in _NAMED]
    parts = [_HEAD, _totals(named, drawn), "## Named faults\n", _named_table(named), "## Drawn faults\n"]
    parts += [_drawn_table(drawn), "## Survivors\n", _survivors(named, drawn, explanations)]
    return "\n".join(parts)


def without_chance(text: str) -> str:
    """Return a page without what differs from run to run: times and seeds."""
    return re.sub(r"\| [\d.]+ \|$", "|", re.sub(r"seed \d+", "seed", text), flags=re.MULTILINE)


def _totals(named: Sequence[Record], drawn: Sequence[Record]) -> str:
    lines = ["| | named | noticed | drawn | noticed |", "|---|---|---|---|---|"]
    for package in (*PACKAGES, ""):
        cells = []
        for records in (named, drawn):
            own = [record for record in records if package in {"", record.package}]
            cells += [str(len(own)), str(sum(bool(record.killer) for record in own))]
        lines.append(f"| {f'`{package}`' if package else 'all'} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _named_table(records: Iterable[Record]) -> str:
    lines = ["| name | package | mistake | row | killed by | s |", "|---|---|---|---|---|---|"]
    for record in records:
        fault = _NAMED[record.fault]
        cells = (f"`{fault.name}`", f"`{fault.package}`", fault.mistake, fault.row or "–", _killer(record))
        lines.append(f"| {' | '.join(map(_cell, cells))} | {record.seconds} |")
    return "\n".join(lines) + "\n"


def _drawn_table(records: Iterable[Record]) -> str:
    lines = ["| | where | change | killed by | s |", "|---|---|---|---|---|"]
    for number, record in enumerate(records, start=1):
        where, change = _parts(record.fault)
        lines.append(f"| {number} | `{where}` | {_cell(change)} | {_cell(_killer(record))} | {record.seconds} |")
    return "\n".join(lines) + "\n"


def _survivors(named: Sequence[Record], drawn: Sequence[Record], explanations: Mapping[str, Explanation]) -> str:
    numbered = [(f"{number}: ", record) for number, record in enumerate(drawn, start=1)]
    left = [
        (number, record) for number, record in [*(("", record) for record in named), *numbered] if not record.killer
    ]
    lines = [f"{len(left)} of {len(named) + len(drawn)} faults are noticed by nobody.\n"]
    for number, record in left:
        explanation = explanations.get(record.fault)
        what = f"{number}`{record.fault}`"
        if record.fault not in _NAMED:
            where, change = _parts(record.fault)
            what = f"{number}`{where}`, {change}"
        why = f"{_KINDS[explanation.kind]}. {' '.join(explanation.why.split())}" if explanation else "NOT EXPLAINED"
        lines.append(f"- {what}  \n  {why}")
    return "\n".join(lines) + "\n"


def _parts(key: str) -> tuple[str, str]:
    """Return place and change of a drawn fault, the change as code."""
    where, _, change = key.partition(": ")
    old, _, new = change.rpartition(" → ")
    new, _, after = new.partition(" (after ")
    module, _, function = where.partition(".")[2].partition(".")
    text = f"`{old}` → `{new}`" + (f" (after {after}" if after else "")
    return f"{where.partition('.')[0]}/{module}.py {function}", text


def _killer(record: Record) -> str:
    if not record.killer:
        return "**nobody**"
    scenario = re.fullmatch(r"tests/raft/test_scenarios\.py::test_scenario\[(.*)\]", record.killer)
    if scenario:
        name = f"`scenarios/{scenario[1]}.txt`"
    elif "::" in record.killer:
        name = f"`{record.killer.removeprefix(f'tests/{record.package}/')}`"
    else:
        name = record.killer
    return name if record.how == "failing" else f"{name}, by {record.how}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
