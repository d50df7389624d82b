"""How long commands took, as the console tells it: between one look and the next, over all nodes."""

from __future__ import annotations

import msgspec
import pytest

from cluster.test_frames import READING
from raftline.base.ids import NodeId
from raftline.cluster.latency import BOUNDS_S, CLASS_COUNT, quantile
from raftline.cluster.reading import Reading
from raftline.console.readings import GAP_NS_MAX
from raftline.server.console import Latencies

ONE, TWO = NodeId(1), NodeId(2)
NONE = (0,) * CLASS_COUNT


def reading(started_ms: int, *places: int) -> Reading:
    """A node that counted a command in each of these classes since its start."""
    counts = list(NONE)
    for place in places:
        counts[place] += 1
    return msgspec.structs.replace(READING, started_ms=started_ms, latencies=tuple(counts))


class TestLatencies:
    """`Latencies.since`."""

    def test_what_came_since_the_last_look(self) -> None:
        """Of both nodes together; nothing at the first look, nor where nothing came."""
        latencies = Latencies()
        assert quantile(0.5, latencies.since({ONE: reading(7, 3, 3), TWO: reading(8)})) is None
        grown = latencies.since({ONE: reading(7, 3, 3, 3), TWO: reading(8, 5)})
        assert grown[BOUNDS_S[2]] == 0
        assert grown[BOUNDS_S[3]] == 1
        assert grown[BOUNDS_S[5]] == grown[float("inf")] == 2
        again = latencies.since({ONE: reading(7, 3, 3, 3), TWO: reading(8, 5)})
        assert quantile(0.99, again) is None

    @pytest.mark.parametrize(
        "before",
        [
            reading(6, 3),
            msgspec.structs.replace(reading(7), latencies=()),
            msgspec.structs.replace(reading(7), latencies=(0, 1)),
            msgspec.structs.replace(reading(7), elapsed_ns=READING.elapsed_ns - GAP_NS_MAX - 1),
        ],
        ids=["started anew", "told nothing", "other classes", "long ago"],
    )
    def test_nodes_that_cannot_be_compared(self, before: Reading) -> None:
        """They count from the next look on."""
        latencies = Latencies()
        latencies.since({ONE: before})
        assert quantile(0.5, latencies.since({ONE: reading(7, 4)})) is None
        assert latencies.since({ONE: reading(7, 4, 4)})[float("inf")] == 1
