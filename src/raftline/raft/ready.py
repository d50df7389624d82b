"""What the core hands to its driver: messages, log writes, committed entries, answers to reads."""

from __future__ import annotations

import enum

import msgspec

from raftline.base.ids import LogIndex, NodeId
from raftline.raft.messages import Entry, HardState, Message, SnapshotMeta
from raftline.raft.progress import ProgressState


class Role(enum.Enum):
    """What a node is at the moment; see `raftline.raft.election` for the transitions."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class LogWrite(msgspec.Struct, frozen=True, gc=False):
    """
    One job for the log. Jobs are written in order of `sequence`; a crash may keep any prefix of them.

    Attributes:
        sequence: Grows by one with each job of this core.
        hard_state: To be written before the entries of this job, if not None.
        entries: Contiguous. If `entries[0].index` is at or below the last index written, that suffix is cut first.
        messages: May leave only when this job is durable and `Raft.io_completed` was told so.
        snapshot: If not None, the log is to forget all its entries and go on after this snapshot: behind the hard
            state, before the entries of this job.
    """

    sequence: int
    hard_state: HardState | None
    entries: list[Entry]
    messages: list[Message]
    snapshot: SnapshotMeta | None = None


class Ready(msgspec.Struct, frozen=True, gc=False):
    """
    All output of the core since it was last asked.

    Attributes:
        messages: May be sent at once, in this order per receiver.
        io: Jobs for the log, in order.
        committed: Entries to apply: committed and durable here, each once, in order. Cut to a bounded size; while
            more is waiting, `Raft.deadline_ns` has passed already.
        reads: (request id, read index): the read may be answered once that index is applied here.
        reads_failed: Request ids whose read got no answer, because there is no leader or it changed.
        role_changed: Role, term or leader differ from the last time.
        membership_changed: `Raft.membership` differs from the last time.
        snapshot_wanted: Followers that need a snapshot while none is on offer that would help. As long as there are
            any, each `Ready` of a leader names them; the answer is `Raft.offer_snapshot`.
        install: A snapshot to fetch, verify and make durable; the answer is `Raft.snapshot_installed`, or
            `Raft.snapshot_failed`. It takes the place of an older one that is not answered yet.
        recovered: This node has back what it had lost; its next life need not be told any more that it is recovering.
    """

    messages: list[Message]
    io: list[LogWrite]
    committed: list[Entry]
    reads: list[tuple[int, LogIndex]]
    reads_failed: list[int]
    role_changed: bool
    membership_changed: bool = False
    snapshot_wanted: tuple[NodeId, ...] = ()
    install: SnapshotMeta | None = None
    recovered: bool = False


class FollowerStatus(msgspec.Struct, frozen=True, gc=False):
    """How far a follower is, as its leader knows. `contact_ns` is when it last answered."""

    node_id: NodeId
    state: ProgressState
    match_index: LogIndex
    next_index: LogIndex
    inflight_count: int
    contact_ns: int
    is_learner: bool = False
    is_caught_up: bool = True
    is_recovering: bool = False
