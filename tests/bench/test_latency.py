"""The arithmetic behind the benchmark's figures: percentiles, open loop, account of arrivals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.latency import NS_PER_MS, NS_PER_S, Ledger, OpenLoopSchedule, percentile, summarize


def test_percentile_is_the_nearest_rank() -> None:
    """Of 1 to 100, the p-th percentile is p; of one value, all are that value."""
    ordered = list(range(1, 101))
    assert [percentile(ordered, p / 100) for p in (1, 50, 95, 99, 100)] == [1, 50, 95, 99, 100]
    assert percentile([7], 0.01) == percentile([7], 1.0) == 7


@given(st.lists(st.integers(0, 10**12), min_size=1), st.floats(0.001, 1.0))
def test_percentile_by_its_definition(values: list[int], fraction: float) -> None:
    """Enough values are at or below the percentile, and fewer than enough are at or below any lesser value."""
    ordered = sorted(values)
    found = percentile(ordered, fraction)
    assert found in values
    assert sum(value <= found for value in values) >= fraction * len(values) - 1e-9
    assert sum(value < found for value in values) < fraction * len(values)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01])
def test_percentile_refuses_fractions_out_of_range(fraction: float) -> None:
    """Zero has no nearest rank, and more than all is none."""
    with pytest.raises(ValueError, match="fraction"):
        percentile([1], fraction)


def test_summary_is_in_milliseconds() -> None:
    """Durations come in nanoseconds, in any order."""
    latency = summarize([number * NS_PER_MS for number in range(1000, 0, -1)])
    assert latency is not None
    assert (latency.count, latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms) == (
        1000,
        500,
        950,
        990,
        1000,
    )
    assert summarize([]) is None


@given(
    rate=st.floats(0.5, 50_000),
    start_ns=st.integers(0, 10**15),
    steps_ns=st.lists(st.integers(0, 50 * NS_PER_MS), max_size=50),
)
def test_open_loop_gives_out_each_message_once_when_due(rate: float, start_ns: int, steps_ns: list[int]) -> None:
    """However irregular the looks, numbers are contiguous, none is early, and none that is due is held back."""
    schedule = OpenLoopSchedule(rate, start_ns)
    taken = 0
    now_ns = start_ns
    for step_ns in steps_ns:
        now_ns += step_ns
        numbers = schedule.take_due(now_ns)
        assert numbers.start == taken
        taken = numbers.stop
        assert all(schedule.due_ns(number) <= now_ns for number in numbers)
        assert schedule.due_ns(taken) > now_ns


def test_open_loop_charges_a_stall_to_every_message_that_fell_due() -> None:
    """After a stall of a second all its messages are due at once, each from its own time: nothing is omitted."""
    schedule = OpenLoopSchedule(100, start_ns=0)
    assert list(schedule.take_due(0)) == [0]
    numbers = schedule.take_due(NS_PER_S)
    assert list(numbers) == list(range(1, 101))
    waits_ms = [(NS_PER_S - schedule.due_ns(number)) / NS_PER_MS for number in numbers]
    assert waits_ms == [990.0 - 10 * place for place in range(100)]


def test_open_loop_does_not_drift() -> None:
    """At a rate whose interval is no whole nanosecond, the millionth message is on time."""
    assert OpenLoopSchedule(3, 0).due_ns(3_000_000) == 1_000_000 * NS_PER_S


def test_open_loop_refuses_a_rate_of_zero() -> None:
    """A rate is over zero."""
    with pytest.raises(ValueError, match="rate"):
        OpenLoopSchedule(0, 0)


def test_ledger_of_all_well() -> None:
    """What arrives in order leaves nothing behind and tells when it was started."""
    ledger = Ledger()
    for number in range(5):
        assert ledger.start(100 + number) == number
    assert [ledger.arrive(number) for number in range(5)] == [100, 101, 102, 103, 104]
    assert (ledger.outstanding, ledger.overtaken, ledger.doubled, ledger.reordered) == (0, 0, 0, 0)


def test_ledger_tells_lost_doubled_and_late() -> None:
    """A gap counts as overtaken until it is filled; what fills it is out of order; a repeat is doubled."""
    ledger = Ledger()
    for _ in range(4):
        ledger.start(1)
    assert ledger.arrive(0) == 1
    assert ledger.arrive(2) == 1
    assert (ledger.overtaken, ledger.outstanding) == (1, 2)
    assert ledger.arrive(1) == 1
    assert (ledger.overtaken, ledger.reordered) == (0, 1)
    assert ledger.arrive(1) is None
    assert ledger.arrive(9) is None
    assert (ledger.doubled, ledger.outstanding) == (2, 1)


@given(st.permutations(range(8)), st.lists(st.integers(0, 7), max_size=5))
def test_ledger_accounts_for_every_arrival(order: list[int], repeats: list[int]) -> None:
    """In any order and with any repeats, all messages are found once and every repeat is counted."""
    ledger = Ledger()
    for number in range(8):
        ledger.start(number)
    found = [ledger.arrive(number) for number in [*order, *repeats]]
    assert found == [*order, *[None] * len(repeats)]
    assert (ledger.outstanding, ledger.overtaken, ledger.doubled) == (0, 0, len(repeats))
    assert (ledger.reordered == 0) == (list(order) == sorted(order))
