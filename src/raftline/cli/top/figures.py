"""What one node's `/metrics` say, as far as `raftline top` shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

_CLUSTER: Final = "raftline_cluster_"
_GATEWAY: Final = "raftline_gateway_"
_COMMIT_BUCKET: Final = f"{_CLUSTER}commit_seconds_bucket"

METRICS: Final = MappingProxyType(
    {
        "term": f"{_CLUSTER}term",
        "commit_index": f"{_CLUSTER}commit_index",
        "applied_index": f"{_CLUSTER}applied_index",
        "pending": f"{_CLUSTER}pending_commands",
        "sync_count": f"{_CLUSTER}log_syncs_total",
        "sync_seconds": f"{_CLUSTER}log_sync_seconds_total",
        "sync_last_seconds": f"{_CLUSTER}log_sync_last_seconds",
        "disk_state": f"{_CLUSTER}disk_state",
        "disk_room_bytes": f"{_CLUSTER}disk_room_bytes",
        "snapshot_received_bytes": f"{_CLUSTER}snapshot_received_bytes_total",
        "connection_count": f"{_GATEWAY}connections",
        "message_count": f"{_GATEWAY}messages_total",
    }
)
"""Fields of `NodeFigures` and the metrics that they come from."""

DISK_STATES: Final = ("ample", "short", "full")
"""By the value of the metric; from `short` on, the node takes no new commands."""


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """
    Figures of one node at one moment; None for what its release does not tell.

    Attributes:
        sync_count, sync_seconds: Syncs of the log since the process began, and what they took together.
        commit_buckets: Of commit latency: how many commands took at most so many seconds, since the process began.
    """

    term: float | None = None
    commit_index: float | None = None
    applied_index: float | None = None
    pending: float | None = None
    sync_count: float | None = None
    sync_seconds: float | None = None
    sync_last_seconds: float | None = None
    disk_state: float | None = None
    disk_room_bytes: float | None = None
    snapshot_received_bytes: float | None = None
    connection_count: float | None = None
    message_count: float | None = None
    commit_buckets: Mapping[float, float] = field(default_factory=dict)


def parse_figures(text: str) -> NodeFigures:
    """
    Read the text of `/metrics`.

    Raises:
        ValueError: It is in another form.
    """
    values: dict[str, float] = {}
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _COMMIT_BUCKET:
                buckets[float(sample.labels["le"])] = sample.value
            elif not sample.labels:
                values[sample.name] = sample.value
    found = {name: values[metric] for name, metric in METRICS.items() if metric in values}
    return NodeFigures(**found, commit_buckets=buckets)


def increase(before: float | None, now: float | None) -> float | None:
    """Return by how much a counter grew; a process that began anew began at 0. None if either is not known."""
    if before is None or now is None:
        return None
    return now - before if now >= before else now


def bucket_increase(before: Mapping[float, float], now: Mapping[float, float]) -> dict[float, float]:
    """Return what came into each class of a histogram, cumulative as its classes are; empty if it is not known."""
    if not now or (before and before.keys() != now.keys()):
        return {}
    restarted = any(now[bound] < count for bound, count in before.items())
    return {bound: count if restarted else count - before.get(bound, 0.0) for bound, count in now.items()}
