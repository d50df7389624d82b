"""The mutation tool itself: faults fit, are switched on and off, and are drawn as said."""

from __future__ import annotations

import ast
import time
from collections import Counter
from pathlib import Path

import pytest

from mutation import children, operators, switch
from mutation.children import Verdict, verdicts
from mutation.draw import COUNT, COUNT_MIN, all_faults, draw, shares
from mutation.faults import CATALOGUE_MUTANT_ROWS, PACKAGES, NamedFault
from mutation.killers import Killer, look_in_turn
from mutation.named import NAMED
from mutation.named_core import CORE
from raftline.wal import record, retention
from raftline.wal.retention import LogExtent


def mutants(source: str, *, operator: str = "", optional: frozenset[str] = frozenset()) -> list[str]:
    """Return the statements that mutations make of the first function in a source."""
    made = []
    for place in range(100):
        function = ast.parse(source).body[0]
        assert isinstance(function, ast.FunctionDef)
        found = list(operators.mutations(function, optional))
        if place == len(found):
            return made
        if operator in {"", found[place].operator}:
            found[place].apply()
            made.append(ast.unparse(function.body[-1]).strip())
    raise AssertionError("a hundred mutations")


def fault(old: str, new: str, function: str = "trim_index") -> NamedFault:
    return NamedFault("example", "An example.", "", "wal.retention", function, old, new)


@pytest.mark.parametrize(
    ("statement", "made"),
    [
        ("return a < b", ["return a <= b", "return a >= b"]),
        ("return a in b", ["return a not in b"]),
        ("return a and b", ["return a or b"]),
        ("return not a", ["return a"]),
        ("return a + b", ["return a - b"]),
        ("return 'x' + a", []),
        ("return a[b:c]", ["return a[b + 1:c]", "return a[b:c + 1]"]),
        ("return f(a, 1)", ["return f(a, 2)", "return f(a, 0)"]),
        ("return True", ["return False"]),
        ("return min(a, b)", ["return max(a, b)"]),
        ("f(a)", ["pass"]),
        ("a.b = c", ["pass"]),
        ("a = c", []),
        ("a: b < c = d", []),
        ("del a[b]", ["pass"]),
        ("raise E(a + 1)", []),
        ("return f'{a + 1}'", []),
        ("assert a < b, c < d", ["assert a <= b, c < d", "assert a >= b, c < d"]),
        ("ensure(a == b, 'text', c == d)", ["ensure(a != b, 'text', c == d)"]),
        ("raise corruption(a, found=b + 1)", []),
        ("while a:\n        break", ["while not a:\n    break", "while a:\n    continue"]),
    ],
)
def test_operators(statement: str, made: list[str]) -> None:
    """Each makes the change it is there for, and none of what cannot matter."""
    assert mutants(f"def f(a, b=1 + 1):\n    'doc'\n    {statement}") == made


@pytest.mark.parametrize(
    ("declared", "made"),
    [("bool", "not f(a)"), ("int", "f(a) + 1"), ("list[int]", "[]"), ("A | None", "None")],
)
def test_results_are_replaced_by_what_is_declared(declared: str, made: str) -> None:
    """The value returned instead is one that a caller could take."""
    assert mutants(f"def f(a) -> {declared}:\n    return f(a)", operator="result") == [f"return {made}"]


def test_arguments_are_dropped_where_all_functions_of_the_name_have_a_default() -> None:
    """Else the call would only fail."""
    source = "def f(a):\n    return g(a, b=a, c=a)"
    assert mutants(source, operator="argument", optional=frozenset({"g:c"})) == ["return g(a, b=a)"]


def test_a_fault_is_on_until_it_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the function runs the faulty code, and the right one again afterwards."""
    trim_index, extents = retention.trim_index, [LogExtent(5, 10), LogExtent(9, 10)]
    assert trim_index(extents, 3, trailing_bytes_min=1) == 3
    with monkeypatch.context() as patch:
        fault("min(older", "max(older").switch_on(patch)
        assert trim_index(extents, 3, trailing_bytes_min=1) == 5
    assert trim_index(extents, 3, trailing_bytes_min=1) == 3


@pytest.mark.parametrize(
    ("old", "new", "function"),
    [
        ("no such text", "pass", "trim_index"),
        ("left", "right", "trim_index"),
        ("left -= newer.byte_count", "left -=", "trim_index"),
        ("", "", "no_such_function"),
        ("", "", "LogExtent"),
    ],
)
def test_a_fault_that_does_not_fit_is_refused(old: str, new: str, function: str) -> None:
    """Text that is gone, or ambiguous, or no Python, fails loudly instead of testing nothing."""
    with pytest.raises(switch.UnfitFaultError):
        _ = fault(old, new, function).code


def test_source_that_was_not_imported_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was changed since it was imported tells nothing about the code that runs."""
    place = ("wal.record", "padded_size", "size + ALIGNMENT", "size - ALIGNMENT")
    monkeypatch.setattr(record.padded_size, "__code__", switch.text_replaced(*place))
    with pytest.raises(switch.UnfitFaultError, match="changed"):
        switch.text_replaced(*place)


@pytest.mark.parametrize(
    "named", [named for named in NAMED if isinstance(named, NamedFault)], ids=lambda named: named.name
)
def test_named_faults_fit(named: NamedFault) -> None:
    """Each finds its place in the source."""
    assert named.code != switch.function_named(named.module, named.function).__code__


def test_the_catalogue_is_covered() -> None:
    """Every row that must have a mutant has one, and names are not used twice."""
    assert {named.row for named in NAMED} >= CATALOGUE_MUTANT_ROWS
    assert max(Counter(named.key for named in NAMED).values()) == 1
    assert len(NAMED) >= len(CORE) + 30


def test_the_draw_is_spread_and_always_the_same() -> None:
    """So many from each package, with keys that tell them apart."""
    drawn = draw()
    assert drawn == draw()
    assert len({fault.key for fault in drawn}) == COUNT
    counts = Counter(fault.package for fault in drawn)
    assert min(counts[package] for package in PACKAGES) >= COUNT_MIN
    assert len({fault.operator for fault in drawn}) > 8


def test_every_mutation_has_a_key_of_its_own() -> None:
    """Explanations are kept by key."""
    counts = Counter(fault.key for fault in all_faults())
    assert [key for key, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(
    ("sizes", "result"),
    [
        ({"a": 1, "b": 1, "c": 2}, {"a": 25, "b": 25, "c": 50}),
        ({"a": 1, "b": 10, "c": 20}, {"a": 25, "b": 25, "c": 50}),
        ({"a": 33, "b": 33, "c": 34}, {"a": 33, "b": 33, "c": 34}),
    ],
)
def test_shares(sizes: dict[str, int], result: dict[str, int]) -> None:
    """In proportion, none below the minimum, all together the count."""
    assert shares(sizes, 100, 25) == result


def outcome(*looks: Killer) -> Verdict:
    """Let killers look in a child."""
    ((_, verdict),) = verdicts(iter([(None, lambda tell, _: look_in_turn(looks, tell))]), 1)
    return verdict


def test_the_first_who_notices_is_named() -> None:
    """A child tells who noticed what; nobody is a verdict too."""
    quiet, loud = Killer("quiet", lambda: ""), Killer("loud", lambda: "found")
    assert outcome(quiet, loud, loud)[:3] == ("loud", "failing", "found")
    assert outcome(quiet)[:3] == ("", "", "")


def test_who_hangs_is_ended() -> None:
    """A child whose killer says nothing for too long has noticed by hanging."""
    assert outcome(Killer("slow", lambda: time.sleep(30) or "", 0.2))[:2] == ("slow", "hanging")


def test_who_eats_all_memory_notices() -> None:
    """Memory has a limit, so that a mutant cannot take the machine with it."""
    verdict = outcome(Killer("greedy", lambda: str(len(bytes(children.MEMORY_BYTES_MAX)))))
    assert "MemoryError" in verdict.text


def test_each_child_has_a_folder_that_goes_with_it() -> None:
    """What tests write is gone with their child."""
    made: list[str] = []

    def task(tell: children.Tell, directory: Path) -> None:
        (directory / "file").write_text("x", encoding="utf-8")
        tell(noticed="me", text=str(directory))

    for _, verdict in verdicts(iter([(1, task), (2, task)]), 2):
        made.append(verdict.text)
    assert len(set(made)) == 2
    assert not any(Path(directory).exists() for directory in made)
