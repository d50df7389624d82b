"""
What the page shows of the cluster, as values, and what it makes of two of them in a row: rates. Pure.

A node tells counters since its start. The difference of two readings, by the node's own clock, is a rate; none if it
started anew in between, or if nobody watched for a while.
"""

from __future__ import annotations

from typing import Final

import msgspec

GAP_NS_MAX: Final = 5_000_000_000
"""Readings further apart make no rate: it would be an average of a time that the page did not show."""


class NodeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a node tells of itself; counters since `started_ms`, the time since then is `elapsed_ns`.

    Attributes:
        disk_state: `ample`, `short` (takes no new commands) or `out` (applies nothing).
        disk_room_bytes: What may still be written; None where nobody looks.
        in_flight_count: Commands of this node without an outcome.
    """

    release: str
    machine_version: int
    started_ms: int
    elapsed_ns: int
    term: int
    last_index: int
    commit_index: int
    is_drained: bool
    disk_state: str
    disk_room_bytes: int | None
    sync_count: int
    sync_seconds: float
    in_flight_count: int
    connection_count: int
    message_count: int


class NodeReading(msgspec.Struct, frozen=True, kw_only=True):
    """
    One node; `figures` is None for one that cannot be reached, or is of a release that does not tell.

    Attributes:
        role: As in `GET /admin/v1/cluster`.
        http_url, address: Where browsers and where peers reach it; empty for not known.
        match_index: Up to where its log agrees with the leader's, as the leader says; None without a leader.
    """

    id: int
    role: str
    is_reachable: bool
    http_url: str
    address: str
    applied_index: int | None
    match_index: int | None
    figures: NodeFigures | None = None


class Change(msgspec.Struct, frozen=True):
    """Something of the time line: a node `stands` for an election, `leads`, or is `lost` as the leader."""

    time_ms: int
    term: int
    kind: str
    node: int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """
    The cluster, as one node sees it and the others tell.

    Attributes:
        node: Who tells.
        commit_p50_ms, commit_p99_ms: How long commands took lately, from the proposal to their outcome, over all
            nodes; None when there were none.
    """

    time_ms: int
    node: int
    leader: int | None
    term: int
    commit_index: int
    commit_p50_ms: float | None
    commit_p99_ms: float | None
    nodes: tuple[NodeReading, ...]
    changes: tuple[Change, ...] = ()


class NodeRates(msgspec.Struct, frozen=True):
    """Of one node: messages of its clients per second, and the mean time of a sync of its log; None for unknown."""

    messages: float | None = None
    sync_ms: float | None = None


class Frame(msgspec.Struct, frozen=True):
    """What the page gets each second; the time line goes apart, when there is news."""

    reading: Reading
    in_flight: int
    messages: float | None
    rates: dict[str, NodeRates]


def make_frame(reading: Reading, before: Reading | None) -> Frame:
    """
    Add what the figures mean.

    Args:
        before: An earlier reading, perhaps by another node; None for none.
    """
    earlier = {} if before is None else {node.id: node.figures for node in before.nodes}
    rates = {str(node.id): _rates(node.figures, earlier.get(node.id)) for node in reading.nodes}
    told = [rate.messages for rate in rates.values() if rate.messages is not None]
    return Frame(
        reading=msgspec.structs.replace(reading, changes=()),
        in_flight=sum(node.figures.in_flight_count for node in reading.nodes if node.figures is not None),
        messages=sum(told) if told else None,
        rates=rates,
    )


def _rates(now: NodeFigures | None, before: NodeFigures | None) -> NodeRates:
    if now is None or before is None or now.started_ms != before.started_ms:
        return NodeRates()
    gap_ns = now.elapsed_ns - before.elapsed_ns
    if not 0 < gap_ns <= GAP_NS_MAX:
        return NodeRates()
    syncs = now.sync_count - before.sync_count
    return NodeRates(
        messages=(now.message_count - before.message_count) / (gap_ns / 1e9),
        sync_ms=(now.sync_seconds - before.sync_seconds) / syncs * 1e3 if syncs else None,
    )
