"""
The consensus core of one node: messages, time and completions in; messages, log writes and committed entries out.

Nothing here does I/O, reads a clock or draws chance of its own: the same calls give the same output. The parts:

    election   role, term, vote, timers            log        durable part and tail, cursors
    leader     replication, commit, liveness       outbox     what may leave when
    follower   the leader's messages               reads      read index, on the leader and forwarded
    confchange from one membership to the next     membership_log   the membership in force
    recovery   a node that has lost what it had acknowledged

How a driver uses it (one thread, calls never nested):

1. Call `step`, `tick`, `propose`, `read_index`, `peer_disconnected`, `transfer_leadership` or `io_completed`, as often
   as there is cause.
2. Call `ready` once: send `messages`; hand each of `io` to the log in order; apply `committed`; answer reads.
3. When the log reports a write durable: `io_completed(sequence)`, send that write's messages, and `ready` again.
4. Arrange for `tick` at `deadline_ns`, which any call may have moved.

Compaction and snapshots, beside that:

5. When the state machine is durable up to an index: `compact`, and trim the log on disk up to what it returns.
6. Where `snapshot_wanted` names followers: take a snapshot, or use one at hand, and `offer_snapshot`. Keep it and hand
   it out to whoever asks for it by its name, until another is on offer.
7. When `install` names a snapshot: fetch it from its node, verify it, make it durable under a name that a restart
   finds, then `snapshot_installed`. If that is True, apply nothing before the state machine is replaced by the
   snapshot; the log is told by the next write. A restart that finds such a snapshot finishes the replacement before
   it opens the log, and tells the log of it.

Times are nanoseconds of one monotonic clock. An `InvariantViolated` or `StorageCorrupt` out of any call means that the
node must stop. A `RemoteProtocolError` out of `step` means that the message was not taken and its link must be dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from raftline.base.errors import LocalProtocolError, NotLeader, RemoteProtocolError, StorageCorrupt
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.confchange import MembershipChange
from raftline.raft.config import RaftConfig
from raftline.raft.election import Election, RandomSource
from raftline.raft.follower import Follower
from raftline.raft.leader import Leader
from raftline.raft.log import RaftLog
from raftline.raft.membership import NOBODY, Membership, membership_of_voters
from raftline.raft.messages import (
    Append,
    AppendReply,
    CommitNotice,
    HardState,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    InstallSnapshotReply,
    LogReader,
    Message,
    PreVoteReply,
    PreVoteRequest,
    ReadIndexReply,
    ReadIndexRequest,
    SnapshotMeta,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from raftline.raft.outbox import Outbox
from raftline.raft.reads import FORWARD_CONTEXT_BASE_MAX, ForwardedReads, RemoteRead
from raftline.raft.ready import FollowerStatus, LogWrite, Ready, Role
from raftline.raft.recovery import READ_ID, RECOVERY_ID_MAX, Recovery
from raftline.raft.view import CoreView

__all__ = ["FollowerStatus", "LogWrite", "Raft", "RaftConfig", "Ready", "Role"]

COMMITTED_BYTES_MAX = 4 << 20
"""Payload bytes of committed entries in one `Ready`."""


class Raft(CoreView):
    """One member of a cluster. See the head of this module for the order of calls."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        log: LogReader,
        hard_state: HardState,
        applied_index: LogIndex,
        config: RaftConfig,
        random: RandomSource,
        now_ns: int,
        voters: frozenset[NodeId] | None = None,
        membership: Membership = NOBODY,
        is_recovering: bool = False,
    ) -> None:
        """
        Start from what is durable, as a follower; a single voter stands for election at once.

        Args:
            node_id: This node.
            log: The durable log, as recovered.
            hard_state: Term and vote, as recovered; term 0 on an empty disk.
            applied_index: Index of the last entry applied; it counts as committed.
            config: Times and bounds.
            random: A `random.Random`, seeded differently for each life of each node.
            now_ns: The time.
            voters: Short for a `membership` of these nodes, without addresses; this node is one of them.
            membership: What the cluster was begun with, the same on each node that began it. It counts until the log
                holds a membership. A node that joins a cluster leaves it out and waits for what its leader sends.
            is_recovering: The log lacks what an earlier life had acknowledged; so until `Ready.recovered`. Term and
                vote are complete.

        Raises:
            LocalProtocolError: `node_id` is not among `voters`.
            StorageCorrupt: What was recovered contradicts itself.
        """
        if voters is not None:
            if node_id not in voters:
                raise LocalProtocolError(f"node {node_id} is no voter")
            membership = membership_of_voters(voters)
        self._node_id = node_id
        self._config = config
        self._log = RaftLog(log, applied_index, membership)
        self._memberships = self._log.memberships
        self._membership_reported = self._memberships.current
        if self._log.last_term > hard_state.term:
            raise StorageCorrupt(f"the log holds term {self._log.last_term}, but the term is {hard_state.term}")
        self._outbox = Outbox()
        self._recovery = Recovery(random.randrange(1, RECOVERY_ID_MAX) if is_recovering else 0)
        self._follower = Follower(node_id, self._log, self._outbox, self._recovery)
        self._leader: Leader | None = None
        self._forwarded = ForwardedReads(random.randrange(0, FORWARD_CONTEXT_BASE_MAX))
        self._reads: list[tuple[int, LogIndex]] = []
        self._reads_failed: list[int] = []
        self._now_ns = now_ns
        self._delivery_is_held = False
        self._election = Election(
            node_id=node_id,
            log=self._log,
            outbox=self._outbox,
            recovery=self._recovery,
            config=config,
            random=random,
            hard_state=hard_state,
            now_ns=now_ns,
            on_transition=self._role_entered,
        )
        self._followed = (hard_state.term, self._election.leader_id)
        self._reported = (self.role, self.term, self.leader_id)
        if self._memberships.quorum.won({node_id}):
            self._election.timeout(now_ns)

    def step(self, message: Message, now_ns: int) -> None:
        """
        Take a message from another node.

        Raises:
            RemoteProtocolError: It is not for this node, or contradicts itself.

        Who may be a member of the cluster at all is for the driver to know; a node that is behind has not heard of all.
        """
        sender = message.sender
        if message.receiver != self._node_id or sender == self._node_id:
            raise RemoteProtocolError(f"message from node {sender} to node {message.receiver} at {self._node_id}")
        self._now_ns = now_ns
        if self._leader and self._has_overslept(self._leader, now_ns):
            # What it is about to read are answers from before, which tell nothing of a quorum.
            self._election.step_down(now_ns)
        if message.term != self._election.term and not self._settle_term(message, now_ns):
            return
        if isinstance(message, Append):
            self._election.leader_heard(sender, now_ns)
            self._follower.append(message)
        elif isinstance(message, AppendReply):
            if self._leader:
                self._leader.append_answered(message, now_ns)
        elif isinstance(message, CommitNotice):
            self._election.leader_heard(sender, now_ns)
            self._follower.commit_noticed(message)
        elif isinstance(message, Heartbeat):
            self._election.leader_heard(sender, now_ns)
            self._follower.heartbeat(message)
            expiry_ns = now_ns - 2 * self._config.election_timeout_max_ns
            self._fail_reads(self._forwarded.expire(expiry_ns))
        elif isinstance(message, HeartbeatReply):
            if self._leader:
                self._leader.heartbeat_answered(message, now_ns)
                self._finish_reads(self._leader)
        else:
            self._step_rare(message, now_ns)

    def tick(self, now_ns: int) -> None:
        """Act on the time; to be called when `deadline_ns` has passed. Calling it early does no harm."""
        self._now_ns = now_ns
        if self._leader:
            is_due = now_ns >= self._leader.deadline_ns
            if is_due and (self._has_overslept(self._leader, now_ns) or not self._leader.tick(now_ns)):
                self._election.step_down(now_ns)
        elif now_ns >= self._election.deadline_ns:
            self._election.timeout(now_ns)

    def deadline_ns(self) -> int:
        """
        Return when `tick` and `ready` are due next.

        That is now if committed entries wait for a `ready`, unless the last one left them on purpose: then it is the
        timer alone, and whoever holds delivery back calls `ready` when it wants more.
        """
        if self._log.has_undelivered and not self._delivery_is_held:
            return self._now_ns
        return self._leader.deadline_ns if self._leader else self._election.deadline_ns

    def propose(self, payloads: Sequence[bytes], now_ns: int) -> tuple[LogIndex, Term]:
        """
        Append one entry per payload, contiguously, and return the index of the first and the term.

        Each is committed when the entry delivered at its index has that term; if another entry is delivered there, it
        never will be.

        Raises:
            NotLeader: Nothing was appended.
            Busy: Nothing was appended: too much waits to be committed, or the leadership is being handed over.
            LocalProtocolError: There is no payload.
        """
        self._now_ns = now_ns
        return self._leading().propose(payloads), self._election.term

    def propose_membership(self, change: MembershipChange, now_ns: int) -> tuple[LogIndex, Term]:
        """
        Begin a change of the membership and return index and term of its first entry.

        It is in force at once, and done when a membership that is not joint is committed; a joint one is left by
        itself. If this node is no voter then, it hands the leadership over.

        Raises:
            NotLeader: Nothing was appended.
            Busy: Nothing was appended: no entry of this term is committed yet, another change is under way, a node to
                be promoted has not caught up, the voters to be do not answer, or the leadership is being handed over.
            LocalProtocolError: The change does not fit the membership.
        """
        self._now_ns = now_ns
        return self._leading().propose_membership(change, now_ns), self._election.term

    def compact(self, index: LogIndex, now_ns: int) -> LogIndex:
        """
        Forget entries, all of which are in a durable state machine, up to `index` at most; return up to where.

        The log on disk may be trimmed that far from now on. It is less than `index` while a follower is being sent a
        snapshot that ends before; call again later.

        Raises:
            LocalProtocolError: An entry up to `index` was not even delivered.
        """
        self._now_ns = now_ns
        if index > self._log.delivered_index:
            raise LocalProtocolError(f"entry {index} was not delivered yet")
        if self._leader:
            index = self._leader.compaction_bound(index, now_ns)
        self._log.compact(index)
        return self._log.base_index

    def offer_snapshot(self, snapshot: SnapshotMeta | None, now_ns: int) -> None:
        """
        Tell the followers that need one of a snapshot, in the place of the last one; None takes that back.

        Does nothing if this node does not lead. A snapshot that ends before `base_index` helps nobody: another one
        is wanted then.
        """
        self._now_ns = now_ns
        if self._leader:
            self._leader.offer_snapshot(snapshot)

    def snapshot_installed(self, snapshot: SnapshotMeta, now_ns: int) -> bool:
        """
        Note that a snapshot is verified and durable here.

        Returns: True if the log goes on behind it: the state machine must be replaced before anything is applied. False
            if it is needless, because the log has come as far meanwhile.
        """
        self._now_ns = now_ns
        return self._follower.installed(snapshot, self._election.leader_id, self._election.term)

    def snapshot_failed(self, snapshot_id: str) -> None:
        """Note that a snapshot could not be fetched; if it is announced again, it is asked for again."""
        self._follower.install_failed(snapshot_id)

    def read_index(self, request_id: int, now_ns: int) -> None:
        """
        Ask for a linearizable read; the answer comes in `Ready.reads` or `Ready.reads_failed`.

        Args:
            request_id: Names the read in the answer. The caller never uses one twice.
            now_ns: The time.
        """
        self._now_ns = now_ns
        if self._leader:
            self._leader.reads.add(request_id)
        elif self._election.leader_id is not None:
            self._forwarded.add(request_id)
        else:
            self._reads_failed.append(request_id)

    def peer_disconnected(self, node_id: NodeId, now_ns: int) -> None:
        """Note that the link from a node dropped. If it leads, a pre-vote follows within milliseconds."""
        self._now_ns = now_ns
        if self._leader:
            self._leader.disconnected(node_id)
        elif self._election.role is Role.FOLLOWER and self._election.leader_id == node_id:
            self._election.leader_disconnected(now_ns)

    def transfer_leadership(self, target: NodeId, now_ns: int) -> None:
        """
        Hand the leadership over once `target` has caught up; proposals meet Busy until then.

        Given up after the longest election timeout. A transfer to this node does nothing.

        Raises:
            NotLeader: This node has no leadership to hand over.
            LocalProtocolError: The target is no voter.
        """
        self._now_ns = now_ns
        self._leading().transfer(target, now_ns)

    def step_down(self, now_ns: int) -> None:
        """Stop leading, if this node does: whoever drives it knows that it should not. The others elect."""
        self._now_ns = now_ns
        if self._leader:
            self._election.step_down(now_ns)

    def io_completed(self, sequence: int, now_ns: int) -> None:
        """Note that all log writes up to `sequence` are durable and readable through the log reader."""
        self._now_ns = now_ns
        if not self._outbox.io_completed(sequence):
            return
        moved = self._log.io_completed(sequence)
        if self._leader:
            if moved:
                self._leader.disk_advanced()
        elif self._outbox.term_is_durable:
            self._election.hard_state_durable(now_ns)

    def ready(self, *, deliver: bool = True) -> Ready:
        """
        Return all output since the last call; see the head of this module for what to do with it.

        Args:
            deliver: False leaves committed entries for a later call, for a driver that has enough to apply already.
        """
        self._delivery_is_held = not deliver
        snapshot_wanted: tuple[NodeId, ...] = ()
        if self._leader:
            self._leader.flush()
            self._finish_reads(self._leader)
            snapshot_wanted = self._leader.snapshot_wanted
            if self._leader.is_removed:
                self._leader.hand_over()
                self._election.step_down(self._now_ns)
        else:
            self._forward_reads()
        recovered = self._recovery.is_on and self._recovery.stored(
            LogIndex(min(self._follower.accepted_index, self._log.durable_index))
        )
        installed = self._log.take_installed()
        write = self._outbox.take_write(self._election.hard_state, self._log.take_unwritten(), installed)
        if write is not None and write.entries:
            self._log.write_issued(write.sequence)
        report = (self._election.role, self._election.term, self._election.leader_id)
        role_changed = report != self._reported
        self._reported = report
        membership, reported = self._memberships.current, self._membership_reported
        membership_changed = membership is not reported and membership != reported
        self._membership_reported = membership
        reads, self._reads = self._reads, []
        reads_failed, self._reads_failed = self._reads_failed, []
        return Ready(
            messages=self._outbox.take_messages(),
            io=[] if write is None else [write],
            committed=self._log.take_committed(COMMITTED_BYTES_MAX) if deliver else [],
            reads=reads,
            reads_failed=reads_failed,
            role_changed=role_changed,
            membership_changed=membership_changed,
            snapshot_wanted=snapshot_wanted,
            install=self._follower.take_install(),
            recovered=recovered,
        )

    def _has_overslept(self, leader: Leader, now_ns: int) -> bool:
        """Whether this node was away so long that others lead by now, if anybody else has a say."""
        late_ns = now_ns - leader.deadline_ns
        return late_ns >= self._config.election_timeout_max_ns and not self._memberships.quorum.won({self._node_id})

    def _settle_term(self, message: Message, now_ns: int) -> bool:
        """Compare a message's term with ours, which differs; False if that ends the matter."""
        if message.term < self._election.term:
            self._answer_old_term(message, now_ns)
            return False
        if isinstance(message, PreVoteRequest):
            return True
        if isinstance(message, VoteRequest) and not message.transfer and self._is_shielded(now_ns):
            return False
        self._election.term_seen(message.term, now_ns)
        return True

    def _answer_old_term(self, message: Message, now_ns: int) -> None:
        """Tell senders of an older term about ours, if they wait for an answer."""
        term = self._election.term
        if isinstance(message, Append):
            reply = AppendReply(
                sender=self._node_id,
                receiver=message.sender,
                term=term,
                prev_index=message.prev_index,
                success=False,
                match_index=LogIndex(0),
                conflict_index=LogIndex(0),
                conflict_term=Term(0),
            )
            self._outbox.send_after_term(reply)
        elif isinstance(message, Heartbeat):
            nothing = LogIndex(0)
            self._outbox.send_after_term(
                HeartbeatReply(self._node_id, message.sender, term, message.round, nothing, nothing)
            )
        elif isinstance(message, InstallSnapshot):
            self._outbox.send_after_term(InstallSnapshotReply(self._node_id, message.sender, term, LogIndex(0)))
        elif isinstance(message, PreVoteRequest):
            self._election.pre_vote_requested(message, shielded=True)
        elif isinstance(message, VoteRequest):
            self._election.vote_requested(message, now_ns)
        elif isinstance(message, ReadIndexRequest):
            self._outbox.send(ReadIndexReply(self._node_id, message.sender, term, message.context, None))

    def _step_rare(self, message: Message, now_ns: int) -> None:
        if isinstance(message, PreVoteRequest):
            self._election.pre_vote_requested(message, shielded=self._is_shielded(now_ns))
        elif isinstance(message, PreVoteReply):
            self._election.pre_vote_answered(message, now_ns)
        elif isinstance(message, VoteRequest):
            self._election.vote_requested(message, now_ns)
        elif isinstance(message, VoteReply):
            self._election.vote_answered(message, now_ns)
        elif isinstance(message, TimeoutNow):
            self._election.takeover_asked(message, now_ns)
        elif isinstance(message, InstallSnapshot):
            self._election.leader_heard(message.sender, now_ns)
            self._follower.snapshot_announced(message)
        elif isinstance(message, InstallSnapshotReply):
            if self._leader:
                self._leader.snapshot_answered(message, now_ns)
        elif isinstance(message, ReadIndexRequest):
            if self._leader:
                self._leader.read_asked(message.sender, message.context, message.recovery_id)
            else:
                self._outbox.send(
                    ReadIndexReply(self._node_id, message.sender, self._election.term, message.context, None)
                )
        elif isinstance(message, ReadIndexReply):
            request_ids = self._forwarded.answered(message.context)
            if message.index is None:
                self._fail_reads(request_ids)
            else:
                index = message.index
                if READ_ID in request_ids:
                    self._recovery.answered(index)
                self._reads += [(request_id, index) for request_id in request_ids if request_id != READ_ID]

    def _is_shielded(self, now_ns: int) -> bool:
        """Whether a working leader is known, so that nobody else need be helped to an election."""
        if self._leader:
            return self._leader.has_quorum(now_ns, self._config.election_timeout_min_ns)
        return self._election.hears_leader(now_ns)

    def _leading(self) -> Leader:
        if self._leader is None:
            raise NotLeader(self._election.leader_id)
        return self._leader

    def _role_entered(self, now_ns: int) -> None:
        """Let the other parts follow what `Election` decided."""
        election = self._election
        term, leader_id = election.term, election.leader_id
        if term != self._followed[0]:
            self._follower.reset()
        if (term, leader_id) != self._followed:
            self._fail_reads(self._forwarded.abandon())
            self._followed = (term, leader_id)
        if self._leader and election.role is not Role.LEADER:
            self._abandon_reads(self._leader)
            self._leader = None
        elif self._leader is None and election.role is Role.LEADER:
            self._leader = Leader(
                node_id=self._node_id,
                term=term,
                log=self._log,
                outbox=self._outbox,
                config=self._config,
                now_ns=now_ns,
            )

    def _finish_reads(self, leader: Leader) -> None:
        for read, index in leader.confirmed_reads():
            if isinstance(read, RemoteRead):
                self._outbox.send(ReadIndexReply(self._node_id, read.sender, self._election.term, read.context, index))
            else:
                self._reads.append((read, index))

    def _abandon_reads(self, leader: Leader) -> None:
        for read in leader.reads.abandon():
            if isinstance(read, RemoteRead):
                self._outbox.send(ReadIndexReply(self._node_id, read.sender, self._election.term, read.context, None))
            else:
                self._reads_failed.append(read)

    def _fail_reads(self, request_ids: list[int]) -> None:
        """Note that reads got no answer, this node's own among them."""
        if READ_ID in request_ids:
            self._recovery.failed()
        self._reads_failed += [request_id for request_id in request_ids if request_id != READ_ID]

    def _forward_reads(self) -> None:
        leader_id = self._election.leader_id
        if leader_id is None:
            return
        if self._recovery.take_request():
            self._forwarded.add(READ_ID)
        context = self._forwarded.take_request(self._now_ns)
        if context is not None:
            term, recovery_id = self._election.term, self._recovery.id
            self._outbox.send(ReadIndexRequest(self._node_id, leader_id, term, context, recovery_id))
