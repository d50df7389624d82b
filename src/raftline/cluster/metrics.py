"""Figures of a node's part in the cluster, as plain values for whoever publishes them."""

from __future__ import annotations

from dataclasses import dataclass

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.apply_loop import ApplyLoop
from raftline.cluster.comparison import Comparison
from raftline.cluster.forwarding import Forwarding
from raftline.cluster.latency import CommitLatency, LatencyFigures
from raftline.cluster.links import PeerLinks
from raftline.cluster.off_log import OffLogInbox
from raftline.cluster.pause_watch import PauseWatch
from raftline.cluster.storage_watch import StorageWatch
from raftline.cluster.succession import Succession
from raftline.raft.node import Raft, Role
from raftline.wal.writer import SyncLatency


@dataclass(frozen=True, slots=True)
class LinkMetrics:
    """The link to one node."""

    node_id: NodeId
    is_up: bool
    connect_count: int
    dropped_frame_count: int
    queued_bytes: int


@dataclass(frozen=True, slots=True)
class UpkeepMetrics:
    """
    What keeps a cluster going beside its messages.

    Attributes:
        is_recovering: This node lost what it had acknowledged, and has not got it back yet.
        repair_count: Repairs that ended well.
        compaction_count: How often the beginning of the log was forgotten.
        snapshot_taken_count, snapshot_installed_count: Made here, and put in the place of the database here.
        snapshot_failure_count: Transfers to this node that brought no snapshot.
        snapshot_damaged_count: Snapshots that this node's disk altered before they could be handed out.
        machine_version: Version of apply's behaviour that the cluster has agreed on.
    """

    is_recovering: bool = False
    repair_count: int = 0
    compaction_count: int = 0
    snapshot_taken_count: int = 0
    snapshot_installed_count: int = 0
    snapshot_sent_bytes: int = 0
    snapshot_received_bytes: int = 0
    snapshot_failure_count: int = 0
    snapshot_damaged_count: int = 0
    voter_count: int = 0
    member_count: int = 0
    machine_version: int = 0


@dataclass(frozen=True, slots=True)
class ClusterMetrics:
    """
    Gauges and counters since the start of the process.

    Attributes:
        election_count: Changes of leader or term this node saw.
        pending_count: Commands of this node without an outcome.
        queue_count: Commands a leader holds that are in no entry yet.
        entry_count, entry_command_count: Entries this node proposed as leader, and the commands in them.
        apply_seconds: Time spent in applying.
        apply_queue_bytes: Committed entries that wait to be applied.
        sync_count, sync_seconds, sync_last_seconds: Syncs of the log and how long they took.
        is_out_of_space: New commands are refused for want of space on the disk.
        disk_state: 0 ample, 1 short (no new commands), 2 out (nothing is applied).
        ballast_release_count: How often the reserve of last resort had to go.
        handover_count: Leaderships this node began to hand over.
        step_down_count: Leaderships this node gave up because its disk hung.
        comparison_count: How often this node, as leader, compared the state hashes of nodes.
        are_replicas_different: The last comparison found different ones.
        clock_lead_seconds: How far this node's clock was ahead of the voters' median, when it last looked as leader.
        pause_count, pause_seconds: How often this process did not run, by half an election timeout or more.
        refused_link_count: Peer connections dropped for what they said.
        disk_room_bytes: What the disk takes before the node is out of space; 0 where nobody looks at it.
        commit_latency: Of this node's commands, from their proposal until they were applied here.
        off_log_waiting_count, off_log_dropped_count: Off-log stanzas from other nodes.
    """

    role: str
    term: Term
    leader_id: NodeId | None
    commit_index: LogIndex
    applied_index: LogIndex
    durable_index: LogIndex
    election_count: int
    pending_count: int
    pending_bytes: int
    queue_count: int
    entry_count: int
    entry_command_count: int
    applied_command_count: int
    apply_seconds: float
    apply_queue_bytes: int
    sync_count: int
    sync_seconds: float
    sync_last_seconds: float
    is_out_of_space: bool
    disk_state: int
    ballast_release_count: int
    handover_count: int
    step_down_count: int
    comparison_count: int
    are_replicas_different: bool
    clock_lead_seconds: float
    pause_count: int
    pause_seconds: float
    refused_link_count: int
    off_log_waiting_count: int
    off_log_dropped_count: int
    disk_room_bytes: int
    commit_latency: LatencyFigures
    links: tuple[LinkMetrics, ...]
    upkeep: UpkeepMetrics


def initial_metrics(durable_index: LogIndex, applied_index: LogIndex) -> ClusterMetrics:
    """Return the figures of a node that has not started: what its disk holds, and zeros."""
    return ClusterMetrics(
        role=Role.FOLLOWER.value,
        term=Term(0),
        leader_id=None,
        commit_index=applied_index,
        applied_index=applied_index,
        durable_index=durable_index,
        election_count=0,
        pending_count=0,
        pending_bytes=0,
        queue_count=0,
        entry_count=0,
        entry_command_count=0,
        applied_command_count=0,
        apply_seconds=0.0,
        apply_queue_bytes=0,
        sync_count=0,
        sync_seconds=0.0,
        sync_last_seconds=0.0,
        is_out_of_space=False,
        disk_state=0,
        ballast_release_count=0,
        handover_count=0,
        step_down_count=0,
        comparison_count=0,
        are_replicas_different=False,
        clock_lead_seconds=0.0,
        pause_count=0,
        pause_seconds=0.0,
        refused_link_count=0,
        off_log_waiting_count=0,
        off_log_dropped_count=0,
        disk_room_bytes=0,
        commit_latency=CommitLatency().figures(),
        links=(),
        upkeep=UpkeepMetrics(),
    )


def collect_metrics(
    raft: Raft,
    forwarding: Forwarding,
    apply: ApplyLoop,
    links: PeerLinks,
    off_log: OffLogInbox,
    syncs: SyncLatency,
    commits: CommitLatency,
    *,
    storage: StorageWatch,
    succession: Succession,
    comparison: Comparison,
    pauses: PauseWatch,
    upkeep: UpkeepMetrics,
    election_count: int,
) -> ClusterMetrics:
    """Gather the figures of a driver's parts."""
    return ClusterMetrics(
        role=raft.role.value,
        term=raft.term,
        leader_id=raft.leader_id,
        commit_index=raft.commit_index,
        applied_index=apply.applied_index,
        durable_index=raft.durable_index,
        election_count=election_count,
        pending_count=len(forwarding.pending),
        pending_bytes=forwarding.pending.byte_count,
        queue_count=len(forwarding.queue),
        entry_count=forwarding.entry_count,
        entry_command_count=forwarding.entry_command_count,
        applied_command_count=apply.command_count,
        apply_seconds=apply.apply_ns / 1e9,
        apply_queue_bytes=apply.queue_bytes,
        sync_count=syncs.count,
        sync_seconds=syncs.total_seconds,
        sync_last_seconds=syncs.last_seconds,
        is_out_of_space=not storage.has_space,
        disk_state=int(storage.state),
        ballast_release_count=storage.release_count,
        handover_count=succession.handover_count,
        step_down_count=succession.step_down_count,
        comparison_count=comparison.count,
        are_replicas_different=comparison.are_different,
        clock_lead_seconds=comparison.clock_lead_ms / 1e3,
        pause_count=pauses.count,
        pause_seconds=pauses.total_ns / 1e9,
        refused_link_count=links.refused_count,
        off_log_waiting_count=off_log.waiting_count,
        off_log_dropped_count=off_log.dropped_count,
        disk_room_bytes=storage.room_bytes,
        commit_latency=commits.figures(),
        links=tuple(
            LinkMetrics(
                node_id=link.node_id,
                is_up=link.is_up,
                connect_count=link.connect_count,
                dropped_frame_count=link.dropped_count,
                queued_bytes=link.queued_bytes,
            )
            for link in links.links
        ),
        upkeep=upkeep,
    )
