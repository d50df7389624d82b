"""Settings of the consensus core and the relations they must keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from raftline.base.errors import ConfigError

MILLISECOND_NS: Final = 1_000_000
MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class RaftConfig:
    """
    Times, windows and bounds of one consensus core. All nodes of a cluster should use the same.

    Attributes:
        election_timeout_min_ns: Shortest silence of the leader before a follower asks for a pre-vote; also how long a
            node that heard its leader ignores other candidates (thesis sections 3.4 and 4.2.3).
        election_timeout_max_ns: Longest such silence; also how long a leader goes without a quorum before it steps
            down (thesis section 6.2).
        heartbeat_ns: Time between two heartbeats of a leader.
        append_bytes_max: Payload bytes of one append; a larger single entry travels alone.
        inflight_appends_max: Appends under way to one follower before the leader waits for an answer.
        uncommitted_bytes_max: Payload bytes proposed and not yet committed before proposals are refused.
        connection_loss_jitter_ns_max: Longest wait between the loss of the leader's connection and the pre-vote.

    Raises:
        ConfigError: The values contradict each other.
    """

    election_timeout_min_ns: int = 150 * MILLISECOND_NS
    election_timeout_max_ns: int = 300 * MILLISECOND_NS
    heartbeat_ns: int = 40 * MILLISECOND_NS
    append_bytes_max: int = MEBIBYTE
    inflight_appends_max: int = 2
    uncommitted_bytes_max: int = 64 * MEBIBYTE
    connection_loss_jitter_ns_max: int = 10 * MILLISECOND_NS

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ConfigError(f"raft.{name}", "must be greater than zero")
        if self.election_timeout_max_ns <= self.election_timeout_min_ns:
            # Without a spread, candidates tie for ever (thesis section 9.3).
            raise ConfigError("raft.election_timeout_max_ns", "must be greater than election_timeout_min_ns")
        if self.heartbeat_ns * 2 > self.election_timeout_min_ns:
            # One heartbeat may be late or lost without an election.
            raise ConfigError("raft.heartbeat_ns", "must be at most half of election_timeout_min_ns")
        if self.connection_loss_jitter_ns_max > self.election_timeout_min_ns:
            raise ConfigError("raft.connection_loss_jitter_ns_max", "must be at most election_timeout_min_ns")
        if self.append_bytes_max > self.uncommitted_bytes_max:
            raise ConfigError("raft.append_bytes_max", "must be at most uncommitted_bytes_max")
