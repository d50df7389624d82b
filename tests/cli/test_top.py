"""`raftline top`: what two samples mean, what changed between them, and how it is drawn."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from prometheus_client.exposition import generate_latest
from rich.console import Console

from raftline.base.ids import LogIndex
from raftline.cli.top.figures import METRICS, NodeFigures, bucket_increase, increase, parse_figures
from raftline.cli.top.reading import EVENT_COUNT_MAX, History, Reading, Sample, describe_changes
from raftline.cli.top.view import WIDTH_FOR_ALL, render
from raftline.cluster.metrics import initial_metrics
from raftline.gateway.server import GatewayFigures
from raftline.server.figures import cluster_figures, gateway_figures
from raftline.server.telemetry import make_registry

INFINITY = math.inf


def node(node_id: int, role: str = "follower", applied: int | None = 90, *, reachable: bool = True) -> dict[str, Any]:
    """A node as `/admin/v1/cluster` tells it."""
    return {"id": node_id, "role": role, "reachable": reachable, "applied_index": applied, "match_index": applied}


def status(leader: int | None = 1, term: int = 4, nodes: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The state of a cluster of three."""
    known = nodes if nodes is not None else [node(1, "leader", 100), node(2), node(3)]
    return {"leader": leader, "term": term, "commit_index": 100, "nodes": known}


def sample(
    at_s: float,
    told: dict[str, Any] | None,
    figures: dict[int, NodeFigures] | None = None,
    *,
    asked: str = "http://one",
) -> Sample:
    """What was heard at one moment."""
    urls = {1: "http://one", 2: "http://two", 3: "http://three"}
    return Sample(at_s, int(at_s * 1_000), asked if told else "", told, urls, figures or {})


def events_of(*samples: Sample) -> list[str]:
    """The time line after some samples."""
    history = History()
    reading = [history.add(one) for one in samples][-1]
    return [event.text for event in reading.events]


class TestFigures:
    """What a node's metrics say."""

    def test_every_figure_is_found(self) -> None:
        """In what a node of this release exports: no name has gone astray."""
        metrics = initial_metrics(LogIndex(7), LogIndex(5))
        gateway = GatewayFigures(3, 4, 0, 0, 9, 8, 0, 0, {})
        registry = make_registry(
            {"cluster": lambda: cluster_figures(metrics), "gateway": lambda: gateway_figures(gateway)}
        )
        figures = parse_figures(generate_latest(registry).decode())
        assert [name for name in METRICS if getattr(figures, name) is None] == []
        assert (figures.applied_index, figures.connection_count, figures.message_count) == (5, 3, 8)
        assert max(figures.commit_buckets) == INFINITY

    def test_an_older_release_tells_less(self) -> None:
        """What it does not tell is not known, which is not zero."""
        figures = parse_figures("raftline_cluster_term 4.0\n")
        assert (figures.term, figures.message_count, figures.commit_buckets) == (4.0, None, {})

    def test_something_else(self) -> None:
        """No metrics at all."""
        with pytest.raises(ValueError, match=r"."):
            parse_figures("<html>not found</html>")

    def test_a_counter_that_began_anew(self) -> None:
        """A process that was started again counts from zero."""
        assert (increase(5, 8), increase(5, 2), increase(None, 2), increase(5, None)) == (3, 2, None, None)
        before = {0.1: 4.0, INFINITY: 9.0}
        assert bucket_increase(before, {0.1: 5.0, INFINITY: 11.0}) == {0.1: 1.0, INFINITY: 2.0}
        assert bucket_increase(before, {0.1: 1.0, INFINITY: 2.0}) == {0.1: 1.0, INFINITY: 2.0}
        assert bucket_increase(before, {0.2: 1.0, INFINITY: 2.0}) == {}


class TestReadings:
    """Rates and quantiles of two samples."""

    BEFORE = NodeFigures(
        sync_count=10, sync_seconds=1.0, sync_last_seconds=0.5, message_count=100, pending=2, disk_state=0,
        commit_buckets={0.1: 0.0, 0.2: 0.0, INFINITY: 0.0},
    )  # fmt: skip
    AFTER = NodeFigures(
        sync_count=14, sync_seconds=1.2, sync_last_seconds=0.1, message_count=140, pending=3, disk_state=1,
        commit_buckets={0.1: 10.0, 0.2: 20.0, INFINITY: 20.0},
    )  # fmt: skip

    def test_the_first_has_no_rates(self) -> None:
        """Nothing is made up; gauges are there."""
        reading = History().add(sample(0, status(), {1: self.BEFORE}))
        assert (reading.messages_per_second, reading.commit_p50_s, reading.in_flight) == (None, None, 2)
        assert reading.nodes[0].fsync_s == 0.5

    def test_two_samples(self) -> None:
        """Rates count by the time between them; sums are over the nodes that answered."""
        history = History()
        history.add(sample(0, status(), {1: self.BEFORE, 2: self.BEFORE}))
        reading = history.add(sample(2, status(), {1: self.AFTER, 2: self.AFTER}))
        assert (reading.leader, reading.term, reading.commit_index) == (1, 4, 100)
        assert reading.messages_per_second == 40
        assert reading.in_flight == 6
        assert reading.commit_p50_s == pytest.approx(0.1)
        first, _, third = reading.nodes
        assert (first.messages_per_second, first.lag, first.disk) == (20, 0, "short")
        assert first.fsync_s == pytest.approx(0.05)
        assert (third.messages_per_second, third.lag, third.disk) == (None, 10, None)

    def test_a_node_that_is_gone(self) -> None:
        """It stays in the list; what only it could tell is not known."""
        nodes = [node(1, "leader", 100), node(2), node(3, "unknown", None, reachable=False)]
        reading = History().add(sample(0, status(nodes=nodes), {1: self.BEFORE}))
        assert [one.reachable for one in reading.nodes] == [True, True, False]
        assert (reading.nodes[2].applied_index, reading.nodes[2].lag) == (None, None)

    def test_nobody_tells_of_the_cluster(self) -> None:
        """Nodes whose figures still come are shown."""
        reading = History().add(sample(0, None, {2: self.BEFORE}))
        assert (reading.leader, reading.term) == (None, None)
        assert [one.reachable for one in reading.nodes] == [False, True, False]


class TestTimeLine:
    """Elections and leaders, nodes that come and go."""

    def test_it_begins_with_who_leads(self) -> None:
        """And says nothing as long as nothing changes."""
        assert events_of(sample(0, status()), sample(1, status())) == ["term 4: node 1 leads"]

    def test_an_election(self) -> None:
        """A moment without a leader, then another one; one that was re-elected is told as well."""
        told = events_of(
            sample(0, status()), sample(1, status(None, 5)), sample(2, status(2, 5)), sample(3, status(2, 7))
        )
        assert told[1:] == ["term 5: no leader", "term 5: node 2 leads", "term 7: node 2 leads again"]

    def test_nodes_come_and_go(self) -> None:
        """By death and by membership."""
        gone = node(3, "unknown", None, reachable=False)
        assert list(describe_changes(status(), status(nodes=[node(1, "leader"), node(2), gone]))) == ["node 3 is gone"]
        assert list(describe_changes(status(nodes=[node(1), gone]), status(nodes=[node(1), node(3)]))) == [
            "node 3 is back"
        ]
        learns, votes = [node(1), node(4, "learner")], [node(1), node(4)]
        assert list(describe_changes(status(nodes=[node(1)]), status(nodes=learns))) == [
            "node 4 belongs to the cluster now"
        ]
        assert list(describe_changes(status(nodes=learns), status(nodes=votes))) == ["node 4 votes"]
        assert list(describe_changes(status(nodes=votes), status(nodes=[node(1)]))) == [
            "node 4 belongs to the cluster no more"
        ]

    def test_a_node_repairs_itself(self) -> None:
        """From when it said so until it has all."""
        hurt, whole = [node(1, "recovering")], [node(1)]
        assert list(describe_changes(status(nodes=whole), status(nodes=hurt))) == ["node 1 repairs what it lost"]
        assert list(describe_changes(status(nodes=hurt), status(nodes=whole))) == ["node 1 is whole"]

    def test_another_node_is_asked(self) -> None:
        """When the first is silent; when all are, and when one answers again."""
        told = events_of(
            sample(0, status()),
            sample(1, status(), asked="http://two"),
            sample(2, None),
            sample(3, None),
            sample(4, status(), asked="http://three"),
        )
        assert told[1:] == ["http://one is silent: http://two is asked", "no node answers", "http://three answers"]

    def test_it_is_bounded(self) -> None:
        """The oldest entries go."""
        told = events_of(*(sample(term, status(term=term)) for term in range(EVENT_COUNT_MAX + 5)))
        assert len(told) == EVENT_COUNT_MAX
        assert told[-1] == f"term {EVENT_COUNT_MAX + 4}: node 1 leads again"


class TestPicture:
    """What people see."""

    @staticmethod
    def draw(reading: Reading, width: int) -> list[str]:
        console = Console(width=width, color_system=None)
        with console.capture() as captured:
            console.print(render(reading, width, note="q ends it"))
        return captured.get().splitlines()

    @staticmethod
    def reading() -> Reading:
        history = History()
        history.add(sample(0, status(), {1: TestReadings.BEFORE}))
        nodes = [node(1, "leader", 100), node(2), node(3, "unknown", None, reachable=False)]
        return history.add(sample(2, status(nodes=nodes), {1: TestReadings.AFTER}))

    def test_all_of_it(self) -> None:
        """Who leads, a line for each node, the time line with the newest first."""
        lines = self.draw(self.reading(), 120)
        assert lines[0].startswith("Node 1 leads in term 4  committed 100  20 messages/s  commit p50 100 ms, p99")
        rows = {line.split()[0]: line.split() for line in lines if line.split() and line.split()[0] in {"1", "2", "3"}}
        assert rows["1"][1] == "leader"
        assert "20" in rows["1"]
        assert rows["2"][1] == "follower"
        assert rows["3"][1] == "gone"
        assert [line.partition("  ")[2] for line in lines if "term 4: " in line or "is gone" in line] == [
            "node 3 is gone",
            "term 4: node 1 leads",
        ]
        assert lines[-1] == "q ends it"

    @pytest.mark.parametrize("width", [80, WIDTH_FOR_ALL - 1, WIDTH_FOR_ALL])
    def test_it_fits(self, width: int) -> None:
        """No heading and no figure is cut off; what matters least is left out in a narrow terminal."""
        lines = self.draw(self.reading(), width)
        assert not [line for line in lines if "…" in line]
        assert all(len(line) <= width for line in lines)
        heading = next(line for line in lines if line.startswith("Node   ") or "Role" in line)
        assert ("Commit" in heading) is (width >= WIDTH_FOR_ALL)
        assert "In flight" in heading

    def test_no_leader_and_nobody(self) -> None:
        """Told in the first line."""
        assert self.draw(History().add(sample(0, status(None))), 100)[0].startswith("No leader (term 4)")
        assert self.draw(History().add(sample(0, None)), 100)[0].startswith("No node answers")

    def test_a_snapshot_on_its_way(self) -> None:
        """Its speed stands where commands in flight would."""
        history = History()
        history.add(sample(0, status(), {1: NodeFigures(snapshot_received_bytes=0)}))
        reading = history.add(sample(1, status(), {1: NodeFigures(snapshot_received_bytes=3 << 20)}))
        assert any("snapshot 3 MiB/s" in line for line in self.draw(reading, 120))

    def test_for_programs(self) -> None:
        """As JSON, all of it, with a null for what is not known."""
        told = msgspec.json.decode(msgspec.json.encode(self.reading()))
        assert told["nodes"][2]["reachable"] is False
        assert told["nodes"][2]["fsync_s"] is None
        assert told["events"][-1]["text"] == "node 3 is gone"
