"""
What the consensus core stores and what cores say to each other, as values.

Entries carry opaque bytes: to the core a batch of commands is one payload, encoded once by whoever proposes and kept
as the same bytes on the wire and on disk.

A message is an array whose first element is its tag; `msgspec.msgpack.Decoder(Message)` reads any of them. Fields are
only ever added at the end, with a default. `term` is the sender's current term, except where a class says otherwise.

    tag  message             answered by         leaves
      1  PreVoteRequest      PreVoteReply        at once
      2  PreVoteReply                            at once (it promises nothing)
      3  VoteRequest         VoteReply           when the candidate's own vote is durable
      4  VoteReply                               when the vote is durable
      5  Append              AppendReply         at once, beside the leader's own write
      6  AppendReply                             when the acknowledged entries and the term are durable
      7  Heartbeat           HeartbeatReply      at once
      8  HeartbeatReply                          when the term is durable
      9  CommitNotice                            at once
     10  ReadIndexRequest    ReadIndexReply      at once
     11  ReadIndexReply                          when a quorum confirmed the leader
     12  TimeoutNow                              at once
     13  InstallSnapshot     InstallSnapshotReply  at once
     14  InstallSnapshotReply                    when what it acknowledges and the term are durable

Joint consensus needs no message of its own: memberships travel as entries of kind MEMBERSHIP. Snapshots travel beside
these messages, which carry only what a snapshot is (thesis chapter 5).
"""

from __future__ import annotations

import enum
from typing import Protocol

import msgspec

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.membership import Membership


class EntryKind(enum.IntEnum):
    """What the payload of an entry means to the core."""

    NOOP = 0
    """The first entry of a leader's term (Raft thesis section 6.4); empty payload."""

    DATA = 1
    """A payload for the state machine."""

    MEMBERSHIP = 2
    """A cluster configuration (Raft thesis chapter 4): an encoded `Membership`."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of the log."""

    index: LogIndex
    term: Term
    kind: EntryKind
    payload: bytes


class HardState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What must be durable before a reply leaves: the term, and whom this node voted for in it (thesis fig. 3.1)."""

    term: Term
    vote: NodeId | None


class LogReader(Protocol):
    """
    The durable part of the log, as the core reads it. Entries not yet durable live in the core itself.

    Implemented by `raftline.wal` and, in memory, by simulations. Calls are synchronous and must not block on a slow
    disk for long: recent entries come from memory.
    """

    @property
    def first_index(self) -> LogIndex:
        """Index of the first entry kept; `last_index + 1` when none is."""

    @property
    def last_index(self) -> LogIndex:
        """Index of the last durable entry; 0 when there never was one."""

    def term_at(self, index: LogIndex) -> Term | None:
        """
        Term of the entry at `index`; None if it is not kept.

        Also known for the index before the first one kept: 0 with term 0 in a log that is kept from its start.
        """

    def memberships(self) -> list[tuple[LogIndex, bytes]]:
        """
        Index and payload of the durable MEMBERSHIP entries, in order.

        The first is the one in force where the kept log begins, which may be older than the first entry kept; none at
        all in a log that never held one.
        """

    def entries(self, low: LogIndex, high: LogIndex, bytes_max: int) -> list[Entry]:
        """
        Entries `low` to `high`, both included, cut after `bytes_max` payload bytes but never before the first one.

        Raises:
            StorageCorrupt: An entry that was durable cannot be read back.
        """


class PreVoteRequest(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """
    Would you vote for me in the term after `term`? (thesis section 9.6)

    Attributes:
        last_index: Index of the sender's last entry.
        last_term: Term of that entry.
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    last_index: LogIndex
    last_term: Term


class PreVoteReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Answer to PreVoteRequest. `term` is the greater of the sender's term and the term of the request."""

    sender: NodeId
    receiver: NodeId
    term: Term
    granted: bool


class VoteRequest(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """
    RequestVote (thesis section 3.4).

    Attributes:
        last_index: Index of the sender's last entry.
        last_term: Term of that entry.
        transfer: The old leader asked for this election, so nobody shields it (thesis section 4.2.3).
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    last_index: LogIndex
    last_term: Term
    transfer: bool


class VoteReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """Answer to VoteRequest."""

    sender: NodeId
    receiver: NodeId
    term: Term
    granted: bool


class Append(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """
    AppendEntries (thesis section 3.5).

    Attributes:
        prev_index: Index of the entry before `entries`.
        prev_term: Term of that entry in the leader's log.
        commit_index: The leader's commit index.
        entries: Contiguous from `prev_index + 1`. One list may be shared by the messages to several receivers.
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    prev_index: LogIndex
    prev_term: Term
    commit_index: LogIndex
    entries: list[Entry]


class AppendReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """
    Answer to Append.

    Attributes:
        prev_index: As in the request.
        success: The entry at `prev_index` matched and the entries are durable.
        match_index: On success, the last index that is durable and known to equal the leader's log; else 0.
        conflict_index: On failure, the last index up to `prev_index` that may still match; else 0.
        conflict_term: Term of the entry at `conflict_index`.
        recovery_id: As in HeartbeatReply.
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    prev_index: LogIndex
    success: bool
    match_index: LogIndex
    conflict_index: LogIndex
    conflict_term: Term
    recovery_id: int = 0


class Heartbeat(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """
    The leader is alive, and asks who still follows it.

    Attributes:
        round: Grows with each broadcast of a leader, never used twice in a term.
        commit_index: The leader's commit index.
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    round: int
    commit_index: LogIndex


class HeartbeatReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """
    Answer to Heartbeat; also repairs what loss did to replication.

    Attributes:
        round: As in the request.
        accepted_index: Last index known to equal the leader's log, durable or not: tells a lost append from a slow
            disk. Never counted for commits.
        match_index: The durable part of `accepted_index`, as in AppendReply.
        recovery_id: Not 0: the sender has lost what it had acknowledged before: nothing it stores may be counted for a
            commit until it says that it has it again (`raftline.raft.recovery`).
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    round: int
    accepted_index: LogIndex
    match_index: LogIndex
    recovery_id: int = 0


class CommitNotice(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """The commit index moved and no append is due that would carry it. Not answered."""

    sender: NodeId
    receiver: NodeId
    term: Term
    commit_index: LogIndex


class ReadIndexRequest(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """
    A follower asks for a read index on behalf of its waiting reads (thesis section 6.4).

    Attributes:
        context: Names this request; never used twice by its sender, not even after a restart.
        recovery_id: As in HeartbeatReply; counts before the index is read.
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    context: int
    recovery_id: int = 0


class ReadIndexReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """
    Answer to ReadIndexRequest.

    Attributes:
        context: As in the request.
        index: The read may be served when this index is applied; None if the sender does not lead (any more).
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    context: int
    index: LogIndex | None


class TimeoutNow(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """The leader asks the receiver to take over at once (thesis section 3.10)."""

    sender: NodeId
    receiver: NodeId
    term: Term


class SnapshotMeta(msgspec.Struct, frozen=True, array_like=True):
    """
    What a snapshot is, without its content.

    Attributes:
        node_id: The node that took it and hands it out.
        snapshot_id: Its name there; another snapshot never has the same.
        index: Last entry it contains.
        term: Term of that entry.
        membership: In force at that entry.
    """

    node_id: NodeId
    snapshot_id: str
    index: LogIndex
    term: Term
    membership: Membership


class InstallSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """
    The log no longer holds what the receiver needs; a snapshot does (InstallSnapshot, thesis figure 5.3).

    Sent again with each heartbeat round until the receiver has caught up by this or other means.
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    snapshot: SnapshotMeta


class InstallSnapshotReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=14):
    """
    Answer to InstallSnapshot: the receiver does not need the snapshot (any more).

    Attributes:
        match_index: The last index that is durable and known to equal the leader's log, as in AppendReply.
        recovery_id: As in HeartbeatReply.
    """

    sender: NodeId
    receiver: NodeId
    term: Term
    match_index: LogIndex
    recovery_id: int = 0


Message = (
    PreVoteRequest
    | PreVoteReply
    | VoteRequest
    | VoteReply
    | Append
    | AppendReply
    | Heartbeat
    | HeartbeatReply
    | CommitNotice
    | ReadIndexRequest
    | ReadIndexReply
    | TimeoutNow
    | InstallSnapshot
    | InstallSnapshotReply
)
"""Anything one core says to another."""
