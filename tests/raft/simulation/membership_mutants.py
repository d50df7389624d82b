"""Cores that make one famous mistake about memberships, compaction or snapshots; see `raft.simulation.mutants`."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from raft.simulation.disk import SimulatedDisk
from raftline.base.errors import Busy
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft import confchange
from raftline.raft.election import Election
from raftline.raft.follower import Follower
from raftline.raft.leader import Leader
from raftline.raft.log import RaftLog
from raftline.raft.membership import Membership
from raftline.raft.membership_log import MembershipLog
from raftline.raft.messages import Append, AppendReply, SnapshotMeta, VoteReply, VoteRequest
from raftline.raft.progress import Progress
from raftline.raft.quorum import JointQuorum, MajorityQuorum


def changes_before_its_term_commits(patch: pytest.MonkeyPatch) -> None:
    """M1: a new leader begins a change although nothing of its own term is committed."""

    def require(self: Leader) -> None:
        if self._memberships.index > self._log.commit_index or self._memberships.current.is_joint:
            raise Busy("another change is under way")

    patch.setattr(Leader, "_require_settled", require)


def begins_a_second_change(patch: pytest.MonkeyPatch) -> None:
    """M8: a change begins while the last one is not committed."""

    def require(self: Leader) -> None:
        if self._log.commit_index < self._term_start:
            raise Busy("no entry of this term is committed yet")

    patch.setattr(Leader, "_require_settled", require)


def changes_voters_in_one_step(patch: pytest.MonkeyPatch) -> None:
    """No joint membership: any number of voters changes at once."""
    original = confchange.begin

    def begin(current: Membership, change: confchange.MembershipChange) -> Membership:
        begun = original(current, change)
        return confchange.leave(begun) if begun.is_joint else begun

    patch.setattr(confchange, "begin", begin)


def joint_asks_the_new_majority_alone(patch: pytest.MonkeyPatch) -> None:
    """A joint membership in name only."""
    patch.setattr(JointQuorum, "reached", lambda self, values: self.incoming.reached(values))
    patch.setattr(JointQuorum, "won", lambda self, granted: self.incoming.won(granted))


def refuses_to_vote_as_a_learner(patch: pytest.MonkeyPatch) -> None:
    """M2: a node that does not know that it was made a voter refuses."""
    original = Election.vote_requested

    def requested(self: Election, request: VoteRequest, now_ns: int) -> None:
        if self._node_id in self._memberships.current.deciders:
            original(self, request, now_ns)
        else:
            self._outbox.send_after_term(VoteReply(self._node_id, request.sender, self.term, granted=False))

    patch.setattr(Election, "vote_requested", requested)


def keeps_a_membership_that_was_cut(patch: pytest.MonkeyPatch) -> None:
    """M5: what an entry brought stays in force when the entry is gone."""

    def cut(self: MembershipLog, index: LogIndex) -> None:
        kept = self.current
        while len(self._history) > 1 and self._history[-1][0] >= index:
            self._history.pop()
        self._settle()
        self._history[-1] = (self._history[-1][0], kept)
        self._settle()

    patch.setattr(MembershipLog, "cut_from", cut)


def counts_whoever_stores(patch: pytest.MonkeyPatch) -> None:
    """M6: learners, and a leader that is being removed, are counted like voters."""

    def reached(self: MajorityQuorum, values: Mapping[NodeId, int]) -> int:
        ordered = sorted(values.values(), reverse=True)
        return ordered[self.majority - 1] if len(ordered) >= self.majority else 0

    patch.setattr(MajorityQuorum, "reached", reached)


def leads_on_after_its_removal(patch: pytest.MonkeyPatch) -> None:
    """M6: a removed leader does not step down."""
    patch.setattr(Leader, "is_removed", property(lambda _: False))


def removed_nodes_never_stand(patch: pytest.MonkeyPatch) -> None:
    """Thesis section 4.2.2: who alone has the membership without itself is needed once more."""
    patch.setattr(Election, "may_stand", property(lambda self: self._node_id in self._memberships.current.deciders))


def learners_stand(patch: pytest.MonkeyPatch) -> None:
    """E12: whoever is asked to take over does."""
    patch.setattr(Election, "may_stand", property(lambda _: True))


def promotes_at_once(patch: pytest.MonkeyPatch) -> None:
    """M4: nobody waits for a learner to catch up."""
    patch.setattr(Progress, "has_caught_up", lambda *_: True)


def stays_joint(patch: pytest.MonkeyPatch) -> None:
    """Nobody ends a joint membership."""
    patch.setattr(Leader, "_leave_joint", lambda _: None)


def forgets_the_membership_with_its_entry(patch: pytest.MonkeyPatch) -> None:
    """R6: the log on disk forgets what was in force before the first entry it keeps."""
    original = SimulatedDisk.trim

    def trim(self: SimulatedDisk, upto: int) -> None:
        original(self, upto)
        self.base_memberships = []

    patch.setattr(SimulatedDisk, "trim", trim)


def snapshot_without_its_membership(patch: pytest.MonkeyPatch) -> None:
    """R6: who installs a snapshot keeps its old membership."""

    def installed(self: MembershipLog, base_index: LogIndex, _: Membership) -> None:
        self._history = [(base_index, self.current)]

    patch.setattr(MembershipLog, "installed", installed)


def takes_what_was_compacted_for_a_conflict(patch: pytest.MonkeyPatch) -> None:
    """R8: an append behind an entry that is gone here is refused."""
    original = Follower.append

    def append(self: Follower, request: Append) -> None:
        if self._log.term_at(request.prev_index) is None and request.prev_index <= self._log.commit_index:
            self._refuse(request)
        else:
            original(self, request)

    patch.setattr(Follower, "append", append)


def acknowledges_what_it_dropped(patch: pytest.MonkeyPatch) -> None:
    """R8: an append that reaches into the compacted part is acknowledged, but its entries are dropped."""
    original = Follower.append

    def append(self: Follower, request: Append) -> None:
        if request.prev_index < self._log.base_index:
            nothing = LogIndex(0)
            self._outbox.send_after_term(
                AppendReply(
                    self._node_id, request.sender, request.term, request.prev_index, True,
                    LogIndex(request.prev_index + len(request.entries)), nothing, Term(0),
                )
            )  # fmt: skip
        else:
            original(self, request)

    patch.setattr(Follower, "append", append)


def offers_no_snapshot(patch: pytest.MonkeyPatch) -> None:
    """R9: a follower that fell behind compaction is left alone."""
    patch.setattr(Leader, "snapshot_wanted", property(lambda _: ()))


def forgets_the_offer_when_it_is_lost(patch: pytest.MonkeyPatch) -> None:
    """R9: a snapshot is announced once, and a lost announcement is not repeated."""
    announced: set[tuple[int, str]] = set()
    original = Leader._send_offer

    def send(self: Leader, progress: Progress) -> None:
        if self._offer is not None and (progress.node_id, self._offer.snapshot_id) not in announced:
            announced.add((progress.node_id, self._offer.snapshot_id))
            original(self, progress)

    patch.setattr(Leader, "_send_offer", send)


def installs_whatever_was_fetched(patch: pytest.MonkeyPatch) -> None:
    """R5: a snapshot replaces a log that has come further meanwhile."""

    def install(self: RaftLog, snapshot: SnapshotMeta) -> None:
        self._tail.clear()
        self._tail_first = self._unwritten = snapshot.index + 1
        self.base_index = self.last_index = self.durable_index = self.commit_index = snapshot.index
        self._delivered = snapshot.index
        self.base_term = self.last_term = snapshot.term
        self.memberships.installed(snapshot.index, snapshot.membership)
        self._installed = snapshot

    def installed(self: Follower, snapshot: SnapshotMeta, leader_id: NodeId | None, term: Term) -> bool:
        self._wanted = self._install = None
        self._log.install(snapshot)
        return True

    patch.setattr(RaftLog, "install", install)
    patch.setattr(Follower, "installed", installed)


def old_writes_count_behind_a_snapshot(patch: pytest.MonkeyPatch) -> None:
    """D5: a write under way when a snapshot is installed makes entries durable that came after it."""
    original = RaftLog.install

    def install(self: RaftLog, snapshot: SnapshotMeta) -> None:
        writes = [list(write) for write in self._writes]
        original(self, snapshot)
        self._writes.clear()
        self._writes.extend([sequence, last_index + 100] for sequence, last_index in writes)

    patch.setattr(RaftLog, "install", install)


def compacts_past_the_offer(patch: pytest.MonkeyPatch) -> None:
    """The log behind a snapshot is forgotten while a follower is being sent it: it needs the next, and so on."""
    patch.setattr(Leader, "compaction_bound", lambda _, index, __: index)


def removes_whoever_is_needed(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks whether the voters to be are alive."""
    patch.setattr(Leader, "_would_commit", lambda *_: True)
