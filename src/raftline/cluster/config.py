"""Settings of a node's part in the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from raftline.base.errors import ConfigError
from raftline.base.ids import NodeId
from raftline.machine.entry import ENTRY_COMMAND_COUNT_MAX
from raftline.machine.versions import VERSION_MAX
from raftline.raft.config import RaftConfig

MILLISECOND_NS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Clocks:
    """
    Where time comes from.

    Attributes:
        monotonic_ns: Nanoseconds that never go back; for timers and ages.
        wall_ms: Milliseconds since 1970, UTC; goes into entries as the leader's time.
    """

    monotonic_ns: Callable[[], int]
    wall_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Peer:
    """
    Where a node listens for peers and which key it has.

    Attributes:
        fingerprint: SHA-256 of its public key (SubjectPublicKeyInfo, DER), in lower-case hexadecimal digits.
    """

    host: str
    port: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ClusterTiming:
    """
    How long things may take.

    Attributes:
        bury_after_ns: A node without a sign of life for so long is declared dead, and its sessions end.
        isolated_after_ns: Without contact to a leader for so long, a node closes its clients' streams.
        wait_ns: Longest wait of a barrier or of a command without a session.
        status_ns: Longest wait for the others' part of a status.
        dial_retry_min_ns: First pause before a lost link is dialled again; doubles up to `dial_retry_max_ns`.
        dial_timeout_ns: Longest wait for a connection, its TLS handshake and its hello.
        refused_pause_ns: Pause before commands a busy leader refused are sent again.
        stalled_after_ns: Commands under way for so long without any outcome are sent again.
    """

    bury_after_ns: int = 1_500 * MILLISECOND_NS
    isolated_after_ns: int = 10_000 * MILLISECOND_NS
    wait_ns: int = 5_000 * MILLISECOND_NS
    status_ns: int = 1_000 * MILLISECOND_NS
    dial_retry_min_ns: int = 20 * MILLISECOND_NS
    dial_retry_max_ns: int = 1_000 * MILLISECOND_NS
    dial_timeout_ns: int = 3_000 * MILLISECOND_NS
    refused_pause_ns: int = 20 * MILLISECOND_NS
    stalled_after_ns: int = 5_000 * MILLISECOND_NS


@dataclass(frozen=True, slots=True)
class ClusterLimits:
    """
    Bounds of everything that could grow.

    Attributes:
        pending_count_max, pending_bytes_max: Commands of this node that have no outcome yet.
        queue_count_max, queue_bytes_max: Commands a leader holds that are in no entry yet.
        entry_commands_max: Commands of one entry. One entry is applied in one go on the event loop, so it must stay
            short beside the election timeout: 512 commands take about 20 ms.
        entry_bytes_max: Bytes of one entry; a single larger command travels alone.
        entries_in_flight_max: Entries a leader has under way that are not committed. What arrives meanwhile makes
            the next one.
        link_bytes_max: Bytes waiting to be sent on one peer link.
        off_log_count_max: Off-log stanzas of one peer that wait for this node to catch up.
    """

    pending_count_max: int = 8_192
    pending_bytes_max: int = 32 << 20
    queue_count_max: int = 16_384
    queue_bytes_max: int = 32 << 20
    entry_commands_max: int = 512
    entry_bytes_max: int = 1 << 20
    entries_in_flight_max: int = 2
    link_bytes_max: int = 16 << 20
    off_log_count_max: int = 4_096


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """
    One node's view of its cluster.

    Attributes:
        cluster_id: Names the cluster; nodes of another are refused.
        peers: All nodes that the cluster was founded with, this one included; or, for a node that joins, those that
            it was told of, and itself.
        contacts: Whom it knew last; matters if its log does not tell any more.
        is_founder: The cluster was founded with this node.
        data_id: Names this node's data directory; empty where nobody is to know it.
        http_url, xmpp_address: Where clients find this node; empty for not at all.
        machine_version_max: The latest version of the state machine that this node understands.
        listen_host, listen_port: Where this node takes peer links; port 0 takes a free one.

    Raises:
        ConfigError: The settings contradict each other.
    """

    cluster_id: str
    node_id: NodeId
    peers: Mapping[NodeId, Peer]
    listen_host: str
    listen_port: int
    contacts: Mapping[NodeId, Peer] = field(default_factory=dict)
    is_founder: bool = True
    data_id: bytes = b""
    http_url: str = ""
    xmpp_address: str = ""
    machine_version_max: int = VERSION_MAX
    raft: RaftConfig = field(default_factory=RaftConfig)
    timing: ClusterTiming = field(default_factory=ClusterTiming)
    limits: ClusterLimits = field(default_factory=ClusterLimits)

    def __post_init__(self) -> None:
        if self.node_id not in self.peers:
            raise ConfigError("cluster.peers", f"does not name this node, {self.node_id}")
        if not 1 <= self.limits.entry_commands_max <= ENTRY_COMMAND_COUNT_MAX:
            raise ConfigError("cluster.entry_commands_max", f"must be 1 to {ENTRY_COMMAND_COUNT_MAX}")
        if self.timing.bury_after_ns < 2 * self.raft.election_timeout_max_ns:
            # A leader that is itself about to lose its quorum must not bury the majority that lives on without it.
            raise ConfigError("cluster.bury_after", "must be at least twice the greatest election timeout")
