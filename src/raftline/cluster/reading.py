"""What a node tells of itself to whoever watches the cluster: values that travel over links. Pure."""

from __future__ import annotations

import msgspec

from raftline.base.ids import LogIndex, NodeId, Term

STANDS = "stands"
LEADS = "leads"
LOST = "lost"


class LeadershipChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Something that a node saw of elections.

    Attributes:
        time_ms: By that node's wall clock.
        kind: `stands` for an election, `leads`, or is `lost` as the leader.
        node_id: Of whom.
    """

    time_ms: int
    term: Term
    kind: str
    node_id: NodeId


class EdgeFigures(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    What only the edges of a node know.

    Attributes:
        message_count: Messages that clients of this node sent since it started.
    """

    connection_count: int = 0
    message_count: int = 0


class Reading(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    A node's figures of now; counters are since the start of its process.

    Attributes:
        started_ms: Wall clock at the start of the process: other counters when it differs.
        elapsed_ns: Time since then, by a clock that never goes back.
        last_index: End of its log, which may not be durable yet.
        disk_state: 0 ample, 1 short, 2 out.
        disk_room_bytes: What may still be written; None where nobody looks.
        sync_count, sync_seconds: Syncs of the log, and how long they took together.
        in_flight_count: Commands of this node without an outcome.
        latencies: How many of its commands took how long, by classes (latency.py); empty where it is not told.
        changes: The last elections it saw, oldest first.
    """

    release: str
    machine_version: int
    started_ms: int
    elapsed_ns: int
    term: Term
    last_index: LogIndex
    commit_index: LogIndex
    is_drained: bool
    disk_state: int
    disk_room_bytes: int | None
    sync_count: int
    sync_seconds: float
    in_flight_count: int
    edges: EdgeFigures
    latencies: tuple[int, ...]
    changes: tuple[LeadershipChange, ...]
