"""
What `raftline top` shows: a reading of the cluster, made of two samples, and a time line made of all of them. Pure.

Elections between two samples leave their trace in the term, and in who leads: a term that grew is an election, whoever
won it. What happened before the first sample is not told.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from raftline.cli.top.figures import DISK_STATES, NodeFigures, bucket_increase, increase
from raftline.cluster.latency import quantile

EVENT_COUNT_MAX: Final = 200
"""Of the time line; the oldest go."""


class Sample(msgspec.Struct, frozen=True):
    """
    What was heard at one moment.

    Attributes:
        at_s: Monotonic, when the answers were there.
        wall_ms: The same by the wall clock.
        asked: Address of the node that told of the cluster; empty if nobody answered.
        status: As `/admin/v1/cluster` tells it; None if nobody answered.
        urls: Where each node's HTTP listener is, as far as known.
        figures: Of the nodes that answered.
    """

    at_s: float
    wall_ms: int
    asked: str
    status: dict[str, Any] | None
    urls: dict[int, str]
    figures: dict[int, NodeFigures]


class Event(msgspec.Struct, frozen=True):
    """One entry of the time line."""

    wall_ms: int
    text: str


class NodeReading(msgspec.Struct, frozen=True, kw_only=True):
    """
    One node; None for what is not known.

    Attributes:
        role: As `cluster status` tells it.
        lag: How many committed entries it has not applied.
        disk: `ample`, `short` or `full`.
        fsync_s: Mean of the log's syncs since the sample before; the last one if there was none.
        messages_per_second: That its clients sent.
        commit_p50_s, commit_p99_s: Of its commands since the sample before, from their proposal until applied there.
        in_flight: Its commands without an outcome.
        snapshot_bytes_per_second: That it receives of a snapshot.
    """

    id: int
    url: str
    role: str
    reachable: bool
    term: int | None
    commit_index: int | None
    applied_index: int | None
    lag: int | None
    disk: str | None
    disk_room_bytes: int | None
    fsync_s: float | None
    connections: int | None
    messages_per_second: float | None
    commit_p50_s: float | None
    commit_p99_s: float | None
    in_flight: int | None
    snapshot_bytes_per_second: float | None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster at one moment; sums and quantiles are over the nodes that answered."""

    wall_ms: int
    asked: str
    leader: int | None
    term: int | None
    commit_index: int | None
    messages_per_second: float | None
    commit_p50_s: float | None
    commit_p99_s: float | None
    in_flight: int | None
    nodes: list[NodeReading]
    events: list[Event]


class History:
    """Takes samples one after another, and tells what they mean."""

    def __init__(self) -> None:
        self._before: Sample | None = None
        self._events: deque[Event] = deque(maxlen=EVENT_COUNT_MAX)
        self._heard: dict[str, Any] | None = None

    def add(self, sample: Sample) -> Reading:
        """Take a sample and return the reading; without one before there are no rates."""
        self._tell(sample)
        before = self._before
        self._before = sample
        return _read(before, sample, list(self._events))

    def _tell(self, sample: Sample) -> None:
        """Put what changed into the time line."""
        if sample.status is None:
            if self._before is None or self._before.status is not None:
                self._events.append(Event(sample.wall_ms, "no node answers"))
            return
        if self._before is not None and self._before.status is None:
            self._events.append(Event(sample.wall_ms, f"{sample.asked} answers"))
        elif self._before is not None and self._before.asked != sample.asked:
            self._events.append(Event(sample.wall_ms, f"{self._before.asked} is silent: {sample.asked} is asked"))
        for text in describe_changes(self._heard, sample.status):
            self._events.append(Event(sample.wall_ms, text))
        self._heard = sample.status


def describe_changes(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> Iterable[str]:
    """
    Yield what changed between two states of the cluster, in words.

    Args:
        before, now: As `/admin/v1/cluster` tells them.
    """
    leader, term = now["leader"], now["term"]
    leads = f"term {term}: " + ("no leader" if leader is None else f"node {leader} leads")
    if before is None:
        yield leads
        return
    if (before["leader"], before["term"]) != (leader, term):
        yield leads + (" again" if leader is not None and leader == before["leader"] else "")
    old = {node["id"]: node for node in before["nodes"]}
    new = {node["id"]: node for node in now["nodes"]}
    for node_id in sorted(old.keys() | new.keys()):
        if node_id not in new:
            yield f"node {node_id} belongs to the cluster no more"
        elif node_id not in old:
            yield f"node {node_id} belongs to the cluster now"
        elif old[node_id]["reachable"] != new[node_id]["reachable"]:
            yield f"node {node_id} " + ("is back" if new[node_id]["reachable"] else "is gone")
        elif (
            "recovering" in (old[node_id]["role"], new[node_id]["role"])
            and old[node_id]["role"] != new[node_id]["role"]
        ):
            yield f"node {node_id} " + ("is whole" if old[node_id]["role"] == "recovering" else "repairs what it lost")
        elif old[node_id]["role"] == "learner" and new[node_id]["role"] != "learner":
            yield f"node {node_id} votes"


def _read(before: Sample | None, now: Sample, events: list[Event]) -> Reading:
    status = now.status or {"leader": None, "term": None, "commit_index": None, "nodes": []}
    seconds = now.at_s - before.at_s if before is not None else 0.0
    ids = {node["id"]: node for node in status["nodes"]}
    commit_index = status["commit_index"]
    nodes, merged = [], Counter[float]()
    for node_id in sorted(ids.keys() | now.urls.keys()):
        old = None if before is None else before.figures.get(node_id)
        figures = now.figures.get(node_id)
        buckets = {} if old is None or figures is None else bucket_increase(old.commit_buckets, figures.commit_buckets)
        merged.update(buckets)
        url = now.urls.get(node_id, "")
        nodes.append(_read_node(node_id, url, ids.get(node_id), commit_index, old, figures, seconds, buckets))
    return Reading(
        wall_ms=now.wall_ms,
        asked=now.asked,
        leader=status["leader"],
        term=status["term"],
        commit_index=commit_index,
        messages_per_second=_sum(node.messages_per_second for node in nodes),
        commit_p50_s=quantile(0.5, merged),
        commit_p99_s=quantile(0.99, merged),
        in_flight=_whole(_sum(node.in_flight for node in nodes)),
        nodes=nodes,
        events=events,
    )


def _read_node(
    node_id: int,
    url: str,
    told: Mapping[str, Any] | None,
    commit_index: int | None,
    before: NodeFigures | None,
    figures: NodeFigures | None,
    seconds: float,
    buckets: Mapping[float, float],
) -> NodeReading:
    now = figures or NodeFigures()
    old = before or NodeFigures()
    applied = told["applied_index"] if told is not None else _whole(now.applied_index)
    return NodeReading(
        id=node_id,
        url=url,
        role="unknown" if told is None else told["role"],
        reachable=figures is not None or (told is not None and told["reachable"]),
        term=_whole(now.term),
        commit_index=_whole(now.commit_index),
        applied_index=applied,
        lag=None if applied is None or commit_index is None else max(0, commit_index - applied),
        disk=None if now.disk_state is None else DISK_STATES[int(now.disk_state)],
        disk_room_bytes=_whole(now.disk_room_bytes),
        fsync_s=_mean_sync(old, now),
        connections=_whole(now.connection_count),
        messages_per_second=_rate(old.message_count, now.message_count, seconds),
        commit_p50_s=quantile(0.5, buckets),
        commit_p99_s=quantile(0.99, buckets),
        in_flight=_whole(now.pending),
        snapshot_bytes_per_second=_rate(old.snapshot_received_bytes, now.snapshot_received_bytes, seconds),
    )


def _mean_sync(before: NodeFigures, now: NodeFigures) -> float | None:
    count = increase(before.sync_count, now.sync_count)
    total = increase(before.sync_seconds, now.sync_seconds)
    if not count or total is None:
        return now.sync_last_seconds
    return total / count


def _rate(before: float | None, now: float | None, seconds: float) -> float | None:
    grown = increase(before, now)
    return None if grown is None or seconds <= 0 else grown / seconds


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
