"""What is made of two readings in a row."""

from __future__ import annotations

import pytest

from console.consoles import figures, node, reading
from raftline.console.readings import GAP_NS_MAX, Change, NodeFigures, make_frame

SECOND_NS = 10**9


def later(seconds: float, **changes: object) -> NodeFigures:
    """The node of `figures()`, some time later."""
    return figures(elapsed_ns=SECOND_NS + int(seconds * SECOND_NS), **changes)


def test_a_first_reading_makes_no_rates() -> None:
    """Counters alone say nothing of now."""
    frame = make_frame(reading(node(1, figures())), None)
    assert (frame.messages, frame.rates["1"].messages, frame.rates["1"].sync_ms) == (None, None, None)
    assert frame.in_flight == 2


def test_rates_are_by_the_nodes_own_clock() -> None:
    """Messages per second of each node and of all; the mean of the syncs in between."""
    before = reading(node(1, figures()), node(2, figures()))
    now = reading(
        node(1, later(2, message_count=120, sync_count=14, sync_seconds=0.12)),
        node(2, later(0.5, message_count=105, in_flight_count=5)),
    )
    frame = make_frame(now, before)
    assert frame.rates["1"].messages == pytest.approx(10)
    assert frame.rates["1"].sync_ms == pytest.approx(5)
    assert frame.rates["2"].messages == pytest.approx(10)
    assert frame.rates["2"].sync_ms is None  # nothing was written
    assert frame.messages == pytest.approx(20)
    assert frame.in_flight == 7


@pytest.mark.parametrize(
    "now",
    [
        later(1, started_ms=5, message_count=1),
        figures(),
        later(GAP_NS_MAX / SECOND_NS + 0.1, message_count=200),
        None,
    ],
    ids=["started anew", "no time went by", "nobody watched", "silent"],
)
def test_no_rate_where_there_is_none(now: NodeFigures | None) -> None:
    """Rather nothing than a wrong figure."""
    frame = make_frame(reading(node(1, now)), reading(node(1, figures())))
    assert (frame.messages, frame.rates["1"].messages) == (None, None)


def test_the_longest_gap_still_makes_a_rate() -> None:
    """The other side of the bound."""
    now = later(GAP_NS_MAX / SECOND_NS, message_count=150)
    assert make_frame(reading(node(1, now)), reading(node(1, figures()))).messages == pytest.approx(10)


def test_a_new_node_counts_from_its_second_reading() -> None:
    """It has no earlier one; the others go on."""
    frame = make_frame(reading(node(1, later(1, message_count=103)), node(4, figures())), reading(node(1, figures())))
    assert frame.rates["4"].messages is None
    assert frame.messages == pytest.approx(3)


def test_the_time_line_goes_apart() -> None:
    """It would be sent each second for nothing."""
    frame = make_frame(reading(node(1, figures()), changes=(Change(1, 4, "leads", 1),)), None)
    assert frame.reading.changes == ()
