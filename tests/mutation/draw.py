"""
Faults that nobody chose: drawn from all mutations of the three packages, the same ones for the same source.

Each mutation has a number made of its text, its place and the seed. The operators take turns, and each time the one
with the lowest number is taken, two of one function at most. So a change of the source changes the draw where it
touches it and hardly anywhere else, and what was found out about a fault that survives stays with it.

The packages share the faults by how many mutations they have, with a least number for each.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter, deque
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from types import CodeType
from typing import Final, NamedTuple

import pytest

import raftline
from mutation import switch
from mutation.faults import PACKAGES
from mutation.operators import Mutation, heading, mutations

COUNT: Final = 100
COUNT_MIN: Final = 25
"""Of each package."""

PER_FUNCTION_MAX: Final = 2
SEED: Final = 20261128
TURNS: Final = (
    "compare", "statement", "condition", "number", "boolean", "compare", "statement", "arithmetic", "result",
    "compare", "statement", "number", "extreme", "slice", "condition", "loop", "argument",
)  # fmt: skip
"""In which order operators are drawn, over and over; those that find most come more often."""

_CONTEXT: Final = 48
"""Characters that are shown around a change."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class DrawnFault(NamedTuple):
    """
    A mutation.

    Attributes:
        module: Below the package, such as `wal.log`.
        function: Its name in the module.
        operator: Of `mutation.operators`.
        change: Statement before and after, cut to what differs.
        place: Which of the mutations of the function it is, from 0.
        repeat: How many of the function before it have the same operator and change.
    """

    module: str
    function: str
    operator: str
    change: str
    place: int
    repeat: int

    @property
    def key(self) -> str:
        """Where and what, whatever stands around it."""
        repeat = f" (after {self.repeat} like it)" if self.repeat else ""
        return f"{self.module}.{self.function}: {self.change}{repeat}"

    @property
    def package(self) -> str:
        """From the module."""
        return self.module.partition(".")[0]

    @property
    def number(self) -> bytes:
        """By which it is drawn."""
        return hashlib.blake2b(f"{SEED} {self.operator} {self.key}".encode()).digest()

    @property
    def code(self) -> CodeType:
        """The faulty function."""
        tree = ast.parse(switch.source_of(self.module))
        node = next(node for name, node in _functions(tree) if name == self.function)
        list(mutations(node, _optional_arguments()))[self.place].apply()
        ast.fix_missing_locations(tree)
        return switch.code_in(tree, self.module, switch.function_named(self.module, self.function))

    def switch_on(self, patch: pytest.MonkeyPatch) -> None:
        """See `mutation.faults.Fault`."""
        switch.put(patch, self.module, self.function, self.code)


def draw(count: int = COUNT, count_min: int = COUNT_MIN) -> list[DrawnFault]:
    """Draw so many faults, in order of the source."""
    found = all_faults()
    sizes = {package: sum(fault.package == package for fault in found) for package in PACKAGES}
    drawn: set[DrawnFault] = set()
    for package, share in shares(sizes, count, count_min).items():
        drawn.update(islice(_in_turns([fault for fault in found if fault.package == package]), share))
    return [fault for fault in found if fault in drawn]


def _in_turns(faults: list[DrawnFault]) -> Iterator[DrawnFault]:
    """Give out faults by operator in turn, then by number."""
    queues: dict[str, deque[DrawnFault]] = {operator: deque() for operator in TURNS}
    for fault in sorted(faults, key=lambda fault: fault.number):
        queues[fault.operator].append(fault)
    taken: Counter[tuple[str, str]] = Counter()
    while any(queues.values()):
        for operator in TURNS:
            while queue := queues[operator]:
                fault = queue.popleft()
                place = (fault.module, fault.function)
                if taken[place] < PER_FUNCTION_MAX and _can_be_switched(fault):
                    taken[place] += 1
                    yield fault
                    break


def shares(sizes: dict[str, int], count: int, count_min: int) -> dict[str, int]:
    """Share out a count in proportion to sizes, none below the minimum; the largest takes what rounding leaves."""
    left, open_sizes = count, dict(sizes)
    result: dict[str, int] = {}
    while small := [name for name, size in open_sizes.items() if size * left < count_min * sum(open_sizes.values())]:
        for name in small:
            result[name] = count_min
            left -= count_min
            del open_sizes[name]
    total = sum(open_sizes.values())
    result |= {name: size * left // total for name, size in open_sizes.items()}
    result[max(sizes, key=sizes.__getitem__)] += count - sum(result.values())
    return {name: result[name] for name in sizes}


@cache
def all_faults() -> tuple[DrawnFault, ...]:
    """Enumerate every mutation of the three packages, in order of the source."""
    found: list[DrawnFault] = []
    for package in PACKAGES:
        for module in _modules(package):
            tree = ast.parse(switch.source_of(module))
            for name, node in _functions(tree):
                found.extend(_faults_of(module, name, node))
    return tuple(found)


def _faults_of(module: str, name: str, node: Function) -> Iterator[DrawnFault]:
    seen: Counter[tuple[str, str]] = Counter()
    for place, mutation in enumerate(mutations(node, _optional_arguments())):
        change = _change(mutation)
        yield DrawnFault(module, name, mutation.operator, change, place, seen[mutation.operator, change])
        seen[mutation.operator, change] += 1


def _can_be_switched(fault: DrawnFault) -> bool:
    try:
        return fault.code is not None
    except (switch.UnfitFaultError, SyntaxError):
        return False


def _modules(package: str) -> list[str]:
    directory = Path(raftline.__file__).parent / package
    paths = (path.relative_to(directory.parent) for path in sorted(directory.rglob("*.py")) if path.stem != "__init__")
    return [".".join(path.with_suffix("").parts) for path in paths]


def _functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Find the functions of a module and the methods of its classes; not those inside of others."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, Function):
                    yield f"{node.name}.{inner.name}", inner


@cache
def _optional_arguments() -> frozenset[str]:
    """Return `name:keyword` of the arguments that have a default in every function of that name."""
    optional: dict[str, set[str]] = {}
    for package in PACKAGES:
        for module in _modules(package):
            for _, node in _functions(ast.parse(switch.source_of(module))):
                positional = node.args.posonlyargs + node.args.args
                with_default = positional[len(positional) - len(node.args.defaults) :]
                names = {argument.arg for argument in with_default}
                pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                names |= {argument.arg for argument, default in pairs if default is not None}
                optional[node.name] = optional.get(node.name, names) & names
    return frozenset(f"{name}:{keyword}" for name, keywords in optional.items() for keyword in keywords)


def _change(mutation: Mutation) -> str:
    """Return a statement before and after a mutation, cut to what differs; the tree is left as it was."""
    undo = mutation.undone()
    before = heading(mutation.statement)
    mutation.apply()
    is_gone = isinstance(mutation.new, ast.stmt)
    after = heading(mutation.new if is_gone else mutation.statement)
    undo()
    if is_gone:
        return f"{_cut(before, 0, len(before))} → {after}"
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return f"{_cut(before, start, len(before) - end)} → {_cut(after, start, len(after) - end)}"


def _cut(text: str, start: int, end: int) -> str:
    """Keep some characters before and after a part of a text, ending between words."""
    first = 0
    if start > _CONTEXT:
        first = text.rfind(" ", 0, start - _CONTEXT // 2) + 1
    last = len(text)
    if len(text) - end > _CONTEXT:
        place = text.find(" ", end + _CONTEXT // 2)
        last = place if place >= 0 else len(text)
    return ("… " if first else "") + text[first:last] + (" …" if last < len(text) else "")
