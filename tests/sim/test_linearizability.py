"""The check of histories against a slow one that tries all orders, and by examples."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import linearizability
from sim.linearizability import Operation, Undecided, is_linearizable


def put(began: float, ended: float | None, value: object) -> Operation:
    return Operation(began, ended, is_set=True, value=value)


def got(began: float, ended: float | None, value: object) -> Operation:
    return Operation(began, ended, is_set=False, value=value)


LINEARIZABLE = {
    "nothing": [],
    "one after the other": [put(0, 1, "a"), got(2, 3, "a"), put(4, 5, "b"), got(6, 7, "b")],
    "the first value": [got(0, 1, None), put(2, 3, "a")],
    "a read during a write may see either": [put(0, 10, "a"), got(1, 2, None), got(3, 4, "a")],
    "writes at once, in the order that reads need": [put(0, 10, "a"), put(0, 10, "b"), got(11, 12, "a")],
    "an unknown write that was seen": [put(0, None, "a"), got(5, 6, "a")],
    "an unknown write that takes effect late": [put(0, None, "a"), got(5, 6, None), got(7, 8, "a")],
    "an unknown write that never took effect": [put(0, None, "a"), got(5, 6, None), put(7, 8, "b"), got(9, 10, "b")],
    "an unknown read": [put(0, 1, "a"), got(2, None, "whatever")],
}

NOT_LINEARIZABLE = {
    "a value that nobody wrote": [got(0, 1, "a")],
    "a stale read": [put(0, 1, "a"), put(2, 3, "b"), got(4, 5, "a")],
    "a lost write": [put(0, 1, "a"), got(2, 3, None)],
    "a read before the write began": [got(0, 1, "a"), put(2, 3, "a")],
    "reads that go back": [put(0, 10, "a"), got(1, 2, "a"), got(3, 4, None)],
    "two readers who disagree": [
        put(0, 10, "a"),
        put(0, 10, "b"),
        got(11, 12, "a"),
        got(13, 14, "b"),
    ],
    "an unknown write that comes and goes": [put(0, None, "a"), got(1, 2, "a"), got(3, 4, None)],
    "a write seen after another was seen after it": [
        put(0, 1, "a"),
        put(2, None, "b"),
        got(3, 4, "b"),
        got(5, 6, "a"),
    ],
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_histories_that_are(name: str) -> None:
    """Each has an order in which it could have happened."""
    assert is_linearizable(LINEARIZABLE[name])


@pytest.mark.parametrize("name", NOT_LINEARIZABLE)
def test_histories_that_are_not(name: str) -> None:
    """None has."""
    assert not is_linearizable(NOT_LINEARIZABLE[name])


def could_have_happened(operations: list[Operation]) -> bool:
    """Try every order of every choice among the unknown operations."""
    known = [operation for operation in operations if operation.ended is not None]
    unknown = [operation for operation in operations if operation.ended is None and operation.is_set]
    for chosen in range(1 << len(unknown)):
        taken = known + [operation for place, operation in enumerate(unknown) if chosen >> place & 1]
        if any(_fits(order) for order in permutations(taken)):
            return True
    return False


def _fits(order: tuple[Operation, ...]) -> bool:
    value = None
    for place, operation in enumerate(order):
        if any(later.ended is not None and later.ended < operation.began for later in order[place:]):
            return False
        if operation.is_set:
            value = operation.value
        elif operation.value != value:
            return False
    return True


@st.composite
def histories(draw: st.DrawFn) -> list[Operation]:
    """A few operations on few values, with moments that never coincide."""
    count = draw(st.integers(0, 6))
    moments = draw(st.permutations(range(2 * count)))
    operations = []
    for number in range(count):
        began, ended = sorted(moments[2 * number : 2 * number + 2])
        is_set = draw(st.booleans())
        value = draw(st.sampled_from(("a", "b") if is_set else (None, "a", "b")))
        is_known = draw(st.integers(0, 3)) > 0
        operations.append(Operation(began, ended if is_known else None, is_set, value))
    return operations


@settings(max_examples=600, deadline=None)
@given(histories())
def test_the_search_agrees_with_trying_all_orders(operations: list[Operation]) -> None:
    """On small histories, linearizable or not, with unknown outcomes and with values that were written twice."""
    assert is_linearizable(operations) == could_have_happened(operations)


def test_long_histories_are_quick() -> None:
    """Thousands of operations of a few clients on one register take no time to speak of."""
    operations = []
    for number in range(3000):
        operations.append(put(4 * number, 4 * number + 6, number))
        operations.append(got(4 * number + 7, 4 * number + 7.5, number))
    assert is_linearizable(operations)
    operations.append(got(12_010, 12_011, 17))
    assert not is_linearizable(operations)


def test_a_search_that_grows_too_large_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never answers by guessing."""
    monkeypatch.setattr(linearizability, "STATE_COUNT_MAX", 100)
    operations = [put(0, 100, number) for number in range(12)] + [got(101, 102, "none of them")]
    with pytest.raises(Undecided):
        is_linearizable(operations)
