"""What a node's metrics are called: figures of the floors below, in names that Prometheus' users expect."""

from __future__ import annotations

from collections.abc import Mapping

from raftline.base.ids import NodeId
from raftline.cluster.metrics import ClusterMetrics, UpkeepMetrics
from raftline.gateway.server import GatewayFigures
from raftline.server.telemetry import ByLabel

ROLES = ("leader", "follower", "candidate", "pre-candidate")


def cluster_figures(metrics: ClusterMetrics) -> dict[str, object]:
    """
    Name the figures of consensus, log and state machine.

    Names that end in `_total` are counters since the start of the process.
    """
    return {
        **_upkeep_figures(metrics.upkeep),
        "role": ByLabel("role", {role: int(metrics.role == role) for role in ROLES}),
        "term": metrics.term,
        "leader_known": int(metrics.leader_id is not None),
        "commit_index": metrics.commit_index,
        "applied_index": metrics.applied_index,
        "durable_index": metrics.durable_index,
        "elections_total": metrics.election_count,
        "pending_commands": metrics.pending_count,
        "pending_bytes": metrics.pending_bytes,
        "queued_commands": metrics.queue_count,
        "entries_proposed_total": metrics.entry_count,
        "commands_proposed_total": metrics.entry_command_count,
        "commands_applied_total": metrics.applied_command_count,
        "apply_seconds_total": metrics.apply_seconds,
        "apply_queue_bytes": metrics.apply_queue_bytes,
        "log_syncs_total": metrics.sync_count,
        "log_sync_seconds_total": metrics.sync_seconds,
        "log_sync_last_seconds": metrics.sync_last_seconds,
        "log_out_of_space": int(metrics.is_out_of_space),
        "disk_state": metrics.disk_state,
        "disk_ballast_releases_total": metrics.ballast_release_count,
        "handovers_total": metrics.handover_count,
        "step_downs_total": metrics.step_down_count,
        "comparisons_total": metrics.comparison_count,
        "replicas_differ": int(metrics.are_replicas_different),
        "clock_lead_seconds": metrics.clock_lead_seconds,
        "pauses_total": metrics.pause_count,
        "pause_seconds_total": metrics.pause_seconds,
        "links_refused_total": metrics.refused_link_count,
        "off_log_waiting": metrics.off_log_waiting_count,
        "off_log_dropped_total": metrics.off_log_dropped_count,
        "link_up": _by_node({link.node_id: int(link.is_up) for link in metrics.links}),
        "link_connects_total": _by_node({link.node_id: link.connect_count for link in metrics.links}),
        "link_dropped_frames_total": _by_node({link.node_id: link.dropped_frame_count for link in metrics.links}),
        "link_queued_bytes": _by_node({link.node_id: link.queued_bytes for link in metrics.links}),
    }


def _upkeep_figures(upkeep: UpkeepMetrics) -> dict[str, object]:
    return {
        "recovering": int(upkeep.is_recovering),
        "repairs_total": upkeep.repair_count,
        "log_compactions_total": upkeep.compaction_count,
        "snapshots_taken_total": upkeep.snapshot_taken_count,
        "snapshots_installed_total": upkeep.snapshot_installed_count,
        "snapshot_sent_bytes_total": upkeep.snapshot_sent_bytes,
        "snapshot_received_bytes_total": upkeep.snapshot_received_bytes,
        "snapshot_failures_total": upkeep.snapshot_failure_count,
        "snapshots_damaged_total": upkeep.snapshot_damaged_count,
        "voters": upkeep.voter_count,
        "members": upkeep.member_count,
        "machine_version": upkeep.machine_version,
    }


def gateway_figures(figures: GatewayFigures) -> dict[str, object]:
    """Name the figures of client connections."""
    return {
        "connections": figures.connection_count,
        "accepted_total": figures.accepted_total,
        "bound_total": figures.bound_total,
        "resumed_total": figures.resumed_total,
        "submitted_total": figures.submitted_total,
        "messages_total": figures.message_total,
        "received_bytes_total": figures.received_bytes_total,
        "sent_bytes_total": figures.sent_bytes_total,
        "streams_ended_total": ByLabel("condition", figures.stream_end_total),
    }


def _by_node(values: Mapping[NodeId, float]) -> ByLabel:
    return ByLabel("node", {str(node_id): value for node_id, value in values.items()})
