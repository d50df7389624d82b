"""
What a node does while it leads; one object per leadership, gone when it ends.

- **Commit** (thesis section 3.6.2): an index is committed when a majority of the voters has it durable and its entry is
  of this term; earlier entries are committed with it, never by counting alone. Entries of this term start at the no-op
  appended on election, so one comparison decides. The leader's own log counts like any other: when it is durable. It
  may well be the last one.
- **Output is lazy**: proposals and acknowledgements only change state; `flush` forms the appends once per `ready`, so
  what arrived together travels together. A follower with nothing to receive but a new commit index gets a CommitNotice.
- **Liveness**: a heartbeat round goes out every `heartbeat_ns` and whenever reads need one. A leader that has had no
  answer from a majority for the longest election timeout steps down (thesis section 6.2).
- **Transfer** (thesis section 3.10): proposals are refused until the target, once caught up, has taken over or an
  election timeout has passed.
- **Membership** (thesis chapter 4): one change at a time, and none before an entry of this term is committed. A joint
  membership is left as soon as it is committed. A leader that is no voter any more goes on, without counting itself,
  until the membership without it is committed; then it hands over and steps down.
- **Snapshots** (thesis chapter 5): a follower whose entries are gone is told of the snapshot on offer in each heartbeat
  round. The log is not compacted past that snapshot while such a follower answers; it would only need the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from raftline.base.errors import Busy, LocalProtocolError, RemoteProtocolError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft import confchange
from raftline.raft.config import RaftConfig
from raftline.raft.log import RaftLog
from raftline.raft.membership import Membership, encode_membership
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
    TimeoutNow,
)
from raftline.raft.outbox import Outbox
from raftline.raft.progress import Progress, ProgressState
from raftline.raft.quorum import Quorum, quorum_of
from raftline.raft.reads import LeaderReads, RemoteRead


class Leader:
    """The leader's side of replication, liveness and reads."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        term: Term,
        log: RaftLog,
        outbox: Outbox,
        config: RaftConfig,
        now_ns: int,
    ) -> None:
        """Start to lead `term`: append its no-op and let a heartbeat announce it at once."""
        self._node_id = node_id
        self._term = term
        self._log = log
        self._memberships = log.memberships
        self._outbox = outbox
        self._config = config
        next_index = LogIndex(log.last_index + 1)
        self._progress: dict[NodeId, Progress] = {}
        self._matches: dict[NodeId, int] = {}
        """Durable index of each member, this node included, as far as it was counted."""
        self._followers: tuple[Progress, ...] = ()
        self._offer: SnapshotMeta | None = None
        self._follow_membership(next_index, now_ns)
        self._term_start = next_index
        self._round = 0
        self._round_is_due = True
        self._round_confirmed = 0
        self._uncommitted_bytes = 0
        self._transfer_target: NodeId | None = None
        self._transfer_deadline_ns = 0
        self._transfer_sent = False
        self.reads = LeaderReads()
        self.deadline_ns = now_ns + config.heartbeat_ns
        log.append([Entry(next_index, term, EntryKind.NOOP, b"")])

    @property
    def transfer_target(self) -> NodeId | None:
        """Who is to take over, while a transfer is under way."""
        return self._transfer_target

    @property
    def followers(self) -> Iterable[Progress]:
        """How far each follower is."""
        return self._followers

    def progress_of(self, node_id: NodeId) -> Progress | None:
        """How far one follower is; None if it is no voter, or this node."""
        return self._progress.get(node_id)

    def has_quorum(self, now_ns: int, window_ns: int) -> bool:
        """Whether a quorum, this node included if it votes, answered within the last `window_ns`."""
        contacts = {progress.node_id: progress.contact_ns for progress in self._followers}
        contacts[self._node_id] = now_ns
        return now_ns - self._memberships.quorum.reached(contacts) < window_ns

    def _would_commit(self, quorum: Quorum, now_ns: int) -> bool:
        """Whether enough nodes of another membership answer, and may be counted, for it to commit anything."""
        window_ns = self._config.election_timeout_max_ns
        contacts = {progress.node_id: progress.contact_ns for progress in self._followers if not progress.is_recovering}
        contacts[self._node_id] = now_ns
        return now_ns - quorum.reached(contacts) < window_ns

    def propose(self, payloads: Sequence[bytes]) -> LogIndex:
        """
        Append one entry per payload and return the index of the first.

        Raises:
            Busy: Too many bytes wait to be committed, or the leadership is being handed over.
            LocalProtocolError: There is no payload.
        """
        if not payloads:
            raise LocalProtocolError("a proposal needs a payload")
        if self._transfer_target is not None:
            raise Busy("leadership is being handed over")
        size = sum(map(len, payloads))
        if self._uncommitted_bytes and self._uncommitted_bytes + size > self._config.uncommitted_bytes_max:
            raise Busy("too much waits to be committed")
        first_index = LogIndex(self._log.last_index + 1)
        term = self._term
        self._log.append(
            [
                Entry(LogIndex(index), term, EntryKind.DATA, payload)
                for index, payload in enumerate(payloads, start=first_index)
            ]
        )
        self._uncommitted_bytes += size
        return first_index

    def append_answered(self, reply: AppendReply, now_ns: int) -> None:
        """
        Move a follower forward, or search further back.

        Raises:
            RemoteProtocolError: The follower claims entries this leader does not have.
        """
        progress = self._progress.get(reply.sender)
        if progress is None:
            return
        progress.contact_ns = now_ns
        progress.link_is_down = False
        self._note_recovery(progress, reply.recovery_id)
        if reply.success:
            self._stored(progress, reply.match_index, now_ns)
        elif not progress.is_stale_rejection(reply.prev_index):
            # Our last entry whose term is not above the follower's: one round trip per term that differs.
            hint = self._log.last_index_up_to_term(reply.conflict_index, reply.conflict_term)
            progress.probe_from(LogIndex(min(hint, reply.prev_index - 1) + 1))

    def heartbeat_answered(self, reply: HeartbeatReply, now_ns: int) -> None:
        """
        Note that a follower is there; repair what a lost message did.

        Raises:
            RemoteProtocolError: The follower claims entries this leader does not have.
        """
        progress = self._progress.get(reply.sender)
        if progress is None:
            return
        progress.contact_ns = now_ns
        self._note_recovery(progress, reply.recovery_id)
        self._stored(progress, reply.match_index, now_ns)
        progress.heartbeat_answered(reply.round, reply.accepted_index)

    def snapshot_answered(self, reply: InstallSnapshotReply, now_ns: int) -> None:
        """
        Go on replicating behind what the follower stores.

        Raises:
            RemoteProtocolError: The follower claims entries this leader does not have.
        """
        progress = self._progress.get(reply.sender)
        if progress is None:
            return
        progress.contact_ns = now_ns
        progress.link_is_down = False
        self._note_recovery(progress, reply.recovery_id)
        self._stored(progress, reply.match_index, now_ns)

    def read_asked(self, sender: NodeId, context: int, recovery_id: int) -> None:
        """Let a follower's read wait; one that has lost its log is counted no more from before the read on."""
        progress = self._progress.get(sender)
        if progress is not None and recovery_id:
            self._note_recovery(progress, recovery_id)
        self.reads.add(RemoteRead(sender, context))

    def _note_recovery(self, progress: Progress, recovery_id: int) -> None:
        if progress.recovers(recovery_id):
            self._matches[progress.node_id] = 0 if recovery_id else progress.match_index
            self._count_commit()

    def disk_advanced(self) -> None:
        """Count this node's own log anew: more of it is durable."""
        self._count_commit()

    def disconnected(self, node_id: NodeId) -> None:
        """Send a follower no appends until it is heard again."""
        progress = self._progress.get(node_id)
        if progress is not None:
            progress.disconnected()

    def tick(self, now_ns: int) -> bool:
        """Act on a passed deadline; False if the quorum is lost and the node must step down."""
        if not self.has_quorum(now_ns, self._config.election_timeout_max_ns):
            return False
        if self._transfer_target is not None:
            self._transfer_sent = False
            if now_ns >= self._transfer_deadline_ns:
                self._transfer_target = None
        self._round_is_due = True
        self.deadline_ns = now_ns + self._config.heartbeat_ns
        return True

    def transfer(self, target: NodeId, now_ns: int) -> None:
        """
        Hand the leadership to `target` as soon as it has caught up.

        Raises:
            LocalProtocolError: The target is no voter, or is to be one no more.
        """
        if target == self._node_id:
            return
        if target not in self._memberships.current.voters:
            raise LocalProtocolError(f"node {target} is no voter")
        self._transfer_target = target
        self._transfer_sent = False
        self._transfer_deadline_ns = now_ns + self._config.election_timeout_max_ns

    def confirmed_reads(self) -> list[tuple[int | RemoteRead, LogIndex]]:
        """Return the reads that a majority's answers to heartbeats confirm by now."""
        if not self.reads.is_waiting:
            return []
        acked = {progress.node_id: progress.round_acked for progress in self._followers}
        acked[self._node_id] = self._round
        return self.reads.confirmed(self._memberships.quorum.reached(acked))

    def flush(self) -> None:
        """Form what is due: the end of a joint membership, a heartbeat round, appends, commit notices, the transfer."""
        self._leave_joint()
        may_read = self._log.commit_index >= self._term_start
        if self._round_is_due or (may_read and self.reads.wants_round):
            self._start_round(may_read)
        last_index, commit_index = self._log.last_index, self._log.commit_index
        shared: dict[LogIndex, list[Entry]] = {}
        for progress in self._followers:
            while progress.next_index <= last_index and progress.window_is_open:
                self._send_entries(progress, last_index, shared)
            if commit_index > progress.commit_sent and progress.window_is_open:
                self._outbox.send(CommitNotice(self._node_id, progress.node_id, self._term, commit_index))
                progress.commit_sent = commit_index
        self._flush_transfer()

    def _start_round(self, may_read: bool) -> None:
        self._round += 1
        self._round_is_due = False
        commit_index = self._log.commit_index
        if may_read:
            self.reads.round_started(self._round, commit_index)
        for progress in self._followers:
            self._outbox.send(Heartbeat(self._node_id, progress.node_id, self._term, self._round, commit_index))
            progress.commit_sent = commit_index
            self._send_offer(progress)

    def _send_offer(self, progress: Progress) -> None:
        if progress.state is ProgressState.SNAPSHOT and self._offer is not None and self._offer_helps:
            self._outbox.send(InstallSnapshot(self._node_id, progress.node_id, self._term, self._offer))

    def _send_entries(self, progress: Progress, last_index: LogIndex, shared: dict[LogIndex, list[Entry]]) -> None:
        """Send one append; `shared` holds the slices already cut for other followers in this flush."""
        next_index = progress.next_index
        prev_index = LogIndex(next_index - 1)
        prev_term = self._log.term_at(prev_index)
        if prev_term is None:
            progress.needs_snapshot()
            self._send_offer(progress)
            return
        entries = shared.get(next_index)
        if entries is None:
            entries = self._log.entries(next_index, last_index, self._config.append_bytes_max)
            shared[next_index] = entries
        commit_index = self._log.commit_index
        self._outbox.send(
            Append(self._node_id, progress.node_id, self._term, prev_index, prev_term, commit_index, entries)
        )
        progress.commit_sent = commit_index
        progress.sent(entries[-1].index, self._round)

    def _stored(self, progress: Progress, match_index: LogIndex, now_ns: int) -> None:
        if match_index > self._log.last_index:
            raise RemoteProtocolError(f"node {progress.node_id} claims entry {match_index}, which was never sent")
        is_news = progress.acknowledged(match_index)
        self._matches[progress.node_id] = 0 if progress.is_recovering else progress.match_index
        if progress.is_learner:
            progress.follow_round(self._log.last_index, now_ns, self._config.election_timeout_min_ns)
        elif is_news and match_index > self._log.commit_index:
            self._count_commit()

    def _count_commit(self) -> None:
        self._matches[self._node_id] = self._log.durable_index
        reached = LogIndex(self._memberships.quorum.reached(self._matches))
        committed = self._log.commit_index
        if reached <= committed or reached < self._term_start:
            return
        first = max(LogIndex(committed + 1), self._term_start)
        self._uncommitted_bytes -= self._log.payload_bytes(first, reached)
        self._log.commit_to(reached)

    def _flush_transfer(self) -> None:
        if self._transfer_target is None or self._transfer_sent:
            return
        progress = self._progress[self._transfer_target]
        if progress.match_index == self._log.last_index and not progress.is_recovering:
            self._outbox.send(TimeoutNow(self._node_id, self._transfer_target, self._term))
            self._transfer_sent = True

    # Membership

    def propose_membership(self, change: confchange.MembershipChange, now_ns: int) -> LogIndex:
        """
        Begin a change and return the index of its entry; the rest follows by itself.

        Raises:
            Busy: Not now: nothing of this term is committed yet, another change is under way, a node to be promoted has
                not caught up, the voters to be would not be enough to go on, or the leadership is being handed over.
            LocalProtocolError: The change does not fit the membership.
        """
        memberships = self._memberships
        self._require_settled()
        begun = confchange.begin(memberships.current, change)
        timeout_ns = self._config.election_timeout_min_ns
        for node_id in change.promote:
            progress = self._progress.get(node_id)
            if progress is None or not progress.has_caught_up(now_ns, timeout_ns):
                raise Busy(f"node {node_id} has not caught up")
        if not self._would_commit(quorum_of(begun), now_ns):
            raise Busy("no majority of the voters to be answers")
        index = self._append_membership(begun)
        self._follow_membership(index, now_ns)
        return index

    def _require_settled(self) -> None:
        """Refuse a change unless what it starts from is committed, and by an entry of this term (thesis chapter 4)."""
        commit_index = self._log.commit_index
        if self._transfer_target is not None:
            raise Busy("leadership is being handed over")
        if commit_index < self._term_start:
            raise Busy("no entry of this term is committed yet")
        if self._memberships.index > commit_index or self._memberships.is_joint:
            raise Busy("another change is under way")

    def _append_membership(self, membership: Membership) -> LogIndex:
        payload = encode_membership(membership)
        index = LogIndex(self._log.last_index + 1)
        self._log.append([Entry(index, self._term, EntryKind.MEMBERSHIP, payload)])
        self._uncommitted_bytes += len(payload)
        return index

    def _leave_joint(self) -> None:
        memberships = self._memberships
        commit_index = self._log.commit_index
        if not memberships.is_joint or self._transfer_target is not None:
            return
        if memberships.index <= commit_index and self._term_start <= commit_index:
            self._append_membership(confchange.leave(memberships.current))
            self._dismiss()

    def _follow_membership(self, next_index: LogIndex, now_ns: int) -> None:
        """Replicate to exactly the members of the membership in force; to new ones from `next_index`, which is next."""
        for member in self._memberships.current.members:
            if member.node_id != self._node_id and member.node_id not in self._progress:
                self._progress[member.node_id] = Progress(
                    member.node_id, next_index, self._config.inflight_appends_max, now_ns
                )
        self._dismiss()

    def _dismiss(self) -> None:
        """Let go of followers that are members no more, and note who learns."""
        current = self._memberships.current
        deciders = current.deciders
        kept = [member.node_id for member in current.members if member.node_id != self._node_id]
        self._progress = {node_id: self._progress[node_id] for node_id in kept}
        self._followers = tuple(self._progress.values())
        self._matches = {
            progress.node_id: 0 if progress.is_recovering else progress.match_index for progress in self._followers
        }
        for progress in self._followers:
            progress.is_learner = progress.node_id not in deciders

    @property
    def is_removed(self) -> bool:
        """Whether this node is a voter no more, and that is committed."""
        memberships = self._memberships
        return memberships.index <= self._log.commit_index and self._node_id not in memberships.deciders

    def hand_over(self) -> None:
        """Ask the voter that stores most to stand at once; for a leader that is about to step down."""
        voters = [self._progress[voter] for voter in self._memberships.current.voters if voter in self._progress]
        heir = max(voters, key=lambda progress: (not progress.is_recovering, progress.match_index))
        self._outbox.send(TimeoutNow(self._node_id, heir.node_id, self._term))

    def is_caught_up(self, progress: Progress, now_ns: int) -> bool:
        """Say whether a learner may be promoted; of a voter, always."""
        return not progress.is_learner or progress.has_caught_up(now_ns, self._config.election_timeout_min_ns)

    # Snapshots

    @property
    def _offer_helps(self) -> bool:
        """Whether what follows the snapshot on offer is still in the log."""
        return self._offer is not None and self._offer.index >= self._log.base_index

    @property
    def snapshot_wanted(self) -> tuple[NodeId, ...]:
        """Followers that wait for a snapshot while none on offer would help."""
        for progress in self._followers:
            if progress.state is ProgressState.SNAPSHOT:
                break
        else:
            return ()
        if self._offer_helps:
            return ()
        return tuple(progress.node_id for progress in self._followers if progress.state is ProgressState.SNAPSHOT)

    def offer_snapshot(self, snapshot: SnapshotMeta | None) -> None:
        """Tell the followers that wait of a snapshot; None takes the one on offer back."""
        self._offer = snapshot
        for progress in self._followers:
            self._send_offer(progress)

    def compaction_bound(self, index: LogIndex, now_ns: int) -> LogIndex:
        """Return up to where the log may be compacted, at most `index`."""
        window_ns = 2 * self._config.election_timeout_max_ns
        if self._offer is None or not self._offer_helps:
            return index
        for progress in self._followers:
            if progress.state is ProgressState.SNAPSHOT and now_ns - progress.contact_ns < window_ns:
                return min(index, self._offer.index)
        return index
