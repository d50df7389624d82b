"""
What a node does with the messages of its leader.

`accepted_index` is the last index known to equal the log of this term's leader. It starts at 0 with each term, only
grows within it, and bounds three things: how far the leader's commit index may be believed, what is acknowledged (never
more than previous index plus count of the append, since entries behind that may be left over from an older term), and
what may be cut (nothing at or below it). Entries that match are never cut, however old or repeated the append.

A snapshot is only *wanted* until the driver has it durably. What the leader, or the next one, replicates meanwhile is
taken as ever, so the snapshot may have become needless by then: `installed` decides. Snapshots hold what is committed,
hence one that a former leader announced is as good as any.
"""

from __future__ import annotations

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.invariants import ensure
from raftline.raft.log import RaftLog
from raftline.raft.membership import decode_membership
from raftline.raft.messages import (
    Append,
    AppendReply,
    CommitNotice,
    Entry,
    EntryKind,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    InstallSnapshotReply,
    SnapshotMeta,
)
from raftline.raft.outbox import Outbox
from raftline.raft.recovery import Recovery


class Follower:
    """The follower's side of replication; one object per node, reset with each term."""

    __slots__ = ("_commit_known", "_install", "_log", "_node_id", "_outbox", "_recovery", "_wanted", "accepted_index")

    def __init__(self, node_id: NodeId, log: RaftLog, outbox: Outbox, recovery: Recovery) -> None:
        self._node_id = node_id
        self._log = log
        self._outbox = outbox
        self._recovery = recovery
        self.accepted_index = LogIndex(0)
        self._commit_known = LogIndex(0)
        self._wanted: SnapshotMeta | None = None
        self._install: SnapshotMeta | None = None
        """As `_wanted`, until `take_install` has handed it out."""

    def reset(self) -> None:
        """Forget what was known of the log of an older term's leader."""
        self.accepted_index = LogIndex(0)
        self._commit_known = LogIndex(0)

    def append(self, request: Append) -> None:
        """
        Take entries over and answer (thesis section 3.5).

        Raises:
            RemoteProtocolError: The entries are not contiguous, or of a term above the leader's, or hold a membership
                that cannot be read.
        """
        last_index = request.prev_index + len(request.entries)
        _check_entries(request, last_index)
        log = self._log
        if request.prev_index > log.commit_index and log.term_at(request.prev_index) != request.prev_term:
            self._refuse(request)
            return
        self._take(request.entries)
        if last_index > self.accepted_index:
            self.accepted_index = LogIndex(last_index)
        self.commit_learned(request.commit_index)
        reply = AppendReply(
            sender=self._node_id,
            receiver=request.sender,
            term=request.term,
            prev_index=request.prev_index,
            success=True,
            match_index=LogIndex(last_index),
            conflict_index=LogIndex(0),
            conflict_term=Term(0),
            recovery_id=self._recovery.id,
        )
        if last_index <= log.durable_index:
            self._outbox.send_after_term(reply)
        else:
            self._outbox.send_after_log(reply)

    def snapshot_announced(self, request: InstallSnapshot) -> None:
        """Ask the driver for a snapshot, unless this node has, or comes to have, what it contains."""
        snapshot = request.snapshot
        if self._log.term_at(snapshot.index) == snapshot.term:
            # The log matches up to there, all of which is committed.
            self._accept(snapshot.index)
        if snapshot.index <= self._log.commit_index:
            self._has_snapshot(request.sender, request.term, snapshot.index)
        elif self._wanted is None or self._wanted.snapshot_id != snapshot.snapshot_id:
            self._wanted = self._install = snapshot

    def take_install(self) -> SnapshotMeta | None:
        """Return a snapshot the driver is to fetch; once."""
        install, self._install = self._install, None
        return install if install is not None and install.index > self._log.commit_index else None

    def installed(self, snapshot: SnapshotMeta, leader_id: NodeId | None, term: Term) -> bool:
        """Let the log go on behind a snapshot that is durable; False if the log has come as far by itself."""
        self._wanted = self._install = None
        log = self._log
        is_needed = snapshot.index > log.commit_index and log.term_at(snapshot.index) != snapshot.term
        if is_needed:
            log.install(snapshot)
        self._accept(snapshot.index)
        if leader_id is not None and leader_id != self._node_id:
            self._has_snapshot(leader_id, term, snapshot.index)
        return is_needed

    def install_failed(self, snapshot_id: str) -> None:
        """Forget a snapshot that could not be fetched; it is wanted again when it is announced again."""
        if self._wanted is not None and self._wanted.snapshot_id == snapshot_id:
            self._wanted = self._install = None

    def _accept(self, index: LogIndex) -> None:
        """Note that everything up to `index` is committed and equals the log of this and every later leader."""
        self.accepted_index = max(self.accepted_index, index)
        if index > self._log.commit_index:
            self._log.commit_to(index)

    def _has_snapshot(self, receiver: NodeId, term: Term, index: LogIndex) -> None:
        match_index = LogIndex(min(max(self.accepted_index, index), self._log.durable_index))
        self._outbox.send_after_log(InstallSnapshotReply(self._node_id, receiver, term, match_index, self._recovery.id))

    def heartbeat(self, request: Heartbeat) -> None:
        """Answer a heartbeat, and tell how far this log equals the leader's."""
        self.commit_learned(request.commit_index)
        accepted = self.accepted_index
        match_index = LogIndex(min(accepted, self._log.durable_index))
        self._outbox.send_after_term(
            HeartbeatReply(
                self._node_id,
                request.sender,
                request.term,
                request.round,
                accepted,
                match_index,
                self._recovery.id,
            )
        )

    def commit_noticed(self, notice: CommitNotice) -> None:
        """Learn the leader's commit index."""
        self.commit_learned(notice.commit_index)

    def commit_learned(self, commit_index: LogIndex) -> None:
        """Commit as far as the leader did and our log is known to equal its log."""
        self._commit_known = max(self._commit_known, commit_index)
        reachable = min(self._commit_known, self.accepted_index)
        if reachable > self._log.commit_index:
            self._log.commit_to(LogIndex(reachable))

    def _take(self, entries: list[Entry]) -> None:
        """Skip the entries we have, cut what conflicts, append the rest."""
        log = self._log
        for place, entry in enumerate(entries):
            if entry.index > log.last_index:
                log.append(entries[place:] if place else entries)
                return
            if entry.index <= self.accepted_index:
                continue
            known = log.term_at(entry.index)
            if known is None:
                ensure(entry.index <= log.commit_index, "the log has a hole", entry.index)
            elif known != entry.term:
                ensure(entry.index > log.commit_index, "a committed entry conflicts", entry.index, entry.term)
                log.cut_from(entry.index)
                log.append(entries[place:] if place else entries)
                return

    def _refuse(self, request: Append) -> None:
        """Tell where the logs may still agree: our last entry whose term is not above that of the leader's entry."""
        log = self._log
        hint = log.last_index_up_to_term(request.prev_index, request.prev_term)
        # What is committed is in every leader's log.
        hint = LogIndex(max(hint, log.commit_index))
        term = log.term_at(hint)
        self._outbox.send_after_term(
            AppendReply(
                sender=self._node_id,
                receiver=request.sender,
                term=request.term,
                prev_index=request.prev_index,
                success=False,
                match_index=LogIndex(0),
                conflict_index=hint,
                conflict_term=request.prev_term if term is None else term,
                recovery_id=self._recovery.id,
            )
        )


def _check_entries(request: Append, last_index: int) -> None:
    entries = request.entries
    if entries and (
        entries[0].index != request.prev_index + 1
        or entries[-1].index != last_index
        or entries[-1].term > request.term
        or entries[0].term < request.prev_term
    ):
        raise RemoteProtocolError(f"node {request.sender} sent entries that do not follow {request.prev_index}")
    for entry in entries:
        if entry.kind is EntryKind.MEMBERSHIP:
            try:
                decode_membership(entry.payload)
            except ValueError as error:
                raise RemoteProtocolError(f"node {request.sender} sent {error}") from error
