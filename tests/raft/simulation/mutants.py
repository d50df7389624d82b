"""
Cores broken on purpose, one famous mistake each. A test suite that lets one live does not test that rule.

Each mutant is a function that breaks the core through `monkeypatch`, which mends it after the test.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.election import Election
from raftline.raft.follower import Follower
from raftline.raft.leader import Leader
from raftline.raft.log import RaftLog
from raftline.raft.messages import Append, AppendReply, Entry, HardState, TimeoutNow, VoteReply, VoteRequest
from raftline.raft.node import Raft
from raftline.raft.outbox import Outbox
from raftline.raft.progress import Progress
from raftline.raft.quorum import MajorityQuorum
from raftline.raft.reads import ForwardedReads


class Mutant(Protocol):
    __name__: str

    def __call__(self, patch: pytest.MonkeyPatch) -> None: ...


def promises_before_durable(patch: pytest.MonkeyPatch) -> None:
    """D1: votes and acknowledgements leave at once."""
    patch.setattr(Outbox, "send_after_log", Outbox.send)


def repeated_append_is_acknowledged_from_memory(patch: pytest.MonkeyPatch) -> None:
    """D2: with nothing new to write, replies leave although an earlier write is under way."""

    def release(self: Outbox) -> None:
        self._now += self._after_log
        self._after_log.clear()

    patch.setattr(Outbox, "_release_or_hold", release)


def leader_counts_itself_before_durable(patch: pytest.MonkeyPatch) -> None:
    """D1: the leader's own log counts up to its last entry."""
    original = Leader._count_commit

    def count(self: Leader) -> None:
        durable, self._log.durable_index = self._log.durable_index, self._log.last_index
        original(self)
        self._log.durable_index = durable

    flush = Leader.flush

    def count_and_flush(self: Leader) -> None:
        self._count_commit()
        flush(self)

    patch.setattr(Leader, "_count_commit", count)
    patch.setattr(Leader, "flush", count_and_flush)


def vote_is_not_written(patch: pytest.MonkeyPatch) -> None:
    """D3: a restart forgets the vote."""
    patch.setattr(Election, "hard_state", property(lambda self: HardState(self.term, None)))


def term_is_not_written(patch: pytest.MonkeyPatch) -> None:
    """D3: a restart forgets the term unless a vote came with it."""

    def rose(self: Outbox) -> None:
        self._after_log.clear()
        self._held.clear()

    patch.setattr(Outbox, "term_rose", rose)


def votes_twice_in_a_term(patch: pytest.MonkeyPatch) -> None:
    """An earlier vote of the term is forgotten."""
    original = Election.vote_requested

    def requested(self: Election, request: VoteRequest, now_ns: int) -> None:
        if request.term == self.term:
            self.vote = None
        original(self, request, now_ns)

    patch.setattr(Election, "vote_requested", requested)


def votes_for_any_log(patch: pytest.MonkeyPatch) -> None:
    """Nobody compares logs."""
    patch.setattr(RaftLog, "is_up_to_date", lambda *_: True)


def compares_logs_by_length_first(patch: pytest.MonkeyPatch) -> None:
    """E4: both index and term must be at least ours, or the longer log wins."""
    patch.setattr(RaftLog, "is_up_to_date", lambda self, last_index, _: last_index >= self.last_index)


def cuts_matching_entries(patch: pytest.MonkeyPatch) -> None:
    """E3: an append replaces everything behind its previous entry."""

    def take(self: Follower, entries: list[Entry]) -> None:
        entries = [entry for entry in entries if entry.index > self._log.commit_index]
        if entries:
            if entries[0].index <= self._log.last_index:
                self._log.cut_from(entries[0].index)
            self._log.append(entries)
            self.accepted_index = LogIndex(min(self.accepted_index, self._log.last_index))

    patch.setattr(Follower, "_take", take)


def acknowledges_its_last_index(patch: pytest.MonkeyPatch) -> None:
    """E2: a stale tail counts as stored."""
    original = Follower.append

    def append(self: Follower, request: Append) -> None:
        places = len(self._outbox._now), len(self._outbox._after_log)
        original(self, request)
        for messages, place in zip((self._outbox._now, self._outbox._after_log), places, strict=True):
            for number, reply in enumerate(messages[place:], start=place):
                if isinstance(reply, AppendReply) and reply.success:
                    messages[number] = AppendReply(
                        reply.sender, reply.receiver, reply.term, reply.prev_index, True, self._log.last_index,
                        LogIndex(0), Term(0),
                    )  # fmt: skip

    patch.setattr(Follower, "append", append)


def commits_old_terms_by_counting(patch: pytest.MonkeyPatch) -> None:
    """E1: the situation of Raft thesis figure 3.7 (figure 8 of the paper)."""
    original = Leader._count_commit

    def count(self: Leader) -> None:
        start, self._term_start = self._term_start, LogIndex(0)
        original(self)
        self._term_start = start

    patch.setattr(Leader, "_count_commit", count)


def old_write_makes_new_entries_durable(patch: pytest.MonkeyPatch) -> None:
    """D5: writes under way still count for entries cut meanwhile."""
    original = RaftLog.cut_from

    def cut(self: RaftLog, index: LogIndex) -> None:
        writes = [list(write) for write in self._writes]
        original(self, index)
        self._writes.clear()
        self._writes.extend(writes)

    def completed(self: RaftLog, sequence: int) -> bool:
        before = self.durable_index
        while self._writes and self._writes[0][0] <= sequence:
            durable = min(self._writes.popleft()[1], self.last_index)
            self.durable_index = LogIndex(max(self.durable_index, durable))
        return self.durable_index != before

    patch.setattr(RaftLog, "cut_from", cut)
    patch.setattr(RaftLog, "io_completed", completed)


def reads_before_own_term_commits(patch: pytest.MonkeyPatch) -> None:
    """S1: a new leader answers from a commit index that may be old."""
    original = Leader.flush

    def flush(self: Leader) -> None:
        if self.reads.wants_round:
            self._start_round(may_read=True)
        original(self)

    patch.setattr(Leader, "flush", flush)


def reads_without_a_round(patch: pytest.MonkeyPatch) -> None:
    """A leader trusts that it still leads."""
    patch.setattr(Leader, "confirmed_reads", lambda self: self.reads.confirmed(self._round))


def read_contexts_start_anew(patch: pytest.MonkeyPatch) -> None:
    """S2: a restarted node names its requests as it did before."""
    original = ForwardedReads.__init__
    patch.setattr(ForwardedReads, "__init__", lambda self, _: original(self, 0))


def believes_commits_beyond_the_match(patch: pytest.MonkeyPatch) -> None:
    """A follower commits up to its last entry, whether or not it is the leader's."""

    def learned(self: Follower, commit_index: LogIndex) -> None:
        reachable = min(commit_index, self._log.last_index)
        if reachable > self._log.commit_index:
            self._log.commit_to(LogIndex(reachable))

    patch.setattr(Follower, "commit_learned", learned)


def keeps_the_match_of_an_old_term(patch: pytest.MonkeyPatch) -> None:
    """What matched the old leader's log is taken to match the new one's."""
    patch.setattr(Follower, "reset", lambda _: None)


def half_is_a_majority(patch: pytest.MonkeyPatch) -> None:
    """E5: one voter too few."""
    original = MajorityQuorum.__init__

    def start(self: MajorityQuorum, voters: frozenset[NodeId]) -> None:
        original(self, voters)
        self.majority = len(voters) // 2

    patch.setattr(MajorityQuorum, "__init__", start)


def stands_before_its_vote_is_durable(patch: pytest.MonkeyPatch) -> None:
    """Vote requests leave at once, and a crash lets the candidate stand in the same term again."""

    def send(self: Outbox, message: object) -> None:
        if isinstance(message, VoteRequest):
            self._now.append(message)
        else:
            self._after_log.append(message)  # type: ignore[arg-type]

    patch.setattr(Outbox, "send_after_log", send)


def skips_the_check_of_the_previous_entry(patch: pytest.MonkeyPatch) -> None:
    """Entries are appended wherever the log reaches that far."""
    original = Follower.append

    def append(self: Follower, request: Append) -> None:
        term = self._log.term_at(request.prev_index)
        if term is not None:
            request = Append(
                request.sender, request.receiver, request.term, request.prev_index, term, request.commit_index,
                [entry for entry in request.entries if entry.term >= term],
            )  # fmt: skip
        original(self, request)

    patch.setattr(Follower, "append", append)


def never_sends_again(patch: pytest.MonkeyPatch) -> None:
    """L3: a lost append blocks its follower for ever."""

    def answered(self: Progress, round_number: int, accepted_index: LogIndex) -> None:
        self.link_is_down = False
        self.round_acked = max(self.round_acked, round_number)

    patch.setattr(Progress, "heartbeat_answered", answered)


def counts_refusals_as_votes(patch: pytest.MonkeyPatch) -> None:
    """A candidate counts every answer of its term, whatever it says."""

    def answered(self: Election, reply: VoteReply, now_ns: int) -> None:
        if self.role.value == "candidate":
            self._count_vote(reply.sender, now_ns)

    patch.setattr(Election, "vote_answered", answered)


def sends_the_transfer_too_early(patch: pytest.MonkeyPatch) -> None:
    """E12: the target is asked to take over before it has caught up."""

    def flush(self: Leader) -> None:
        if self._transfer_target is not None and not self._transfer_sent:
            self._outbox.send(TimeoutNow(self._node_id, self._transfer_target, self._term))
            self._transfer_sent = True

    patch.setattr(Leader, "_flush_transfer", flush)


def leads_without_a_quorum(patch: pytest.MonkeyPatch) -> None:
    """E9: no CheckQuorum."""
    patch.setattr(Leader, "has_quorum", lambda *_: True)


def shields_no_leader(patch: pytest.MonkeyPatch) -> None:
    """E8: pre-votes and votes are granted although a leader works."""
    patch.setattr(Raft, "_is_shielded", lambda *_: False)


def searches_one_entry_at_a_time(patch: pytest.MonkeyPatch) -> None:
    """E7: no conflict hints."""
    patch.setattr(RaftLog, "last_index_up_to_term", lambda _, high, __: LogIndex(max(high - 1, 0)))


def keeps_silent_towards_old_terms(patch: pytest.MonkeyPatch) -> None:
    """E10: a leader never learns that a node has a higher term."""
    patch.setattr(Raft, "_answer_old_term", lambda *_: None)


def keeps_promises_of_older_terms(patch: pytest.MonkeyPatch) -> None:
    """Acknowledgements survive the fall of the term they were made in. Harmless as far as known, but a rule."""
    patch.setattr(Outbox, "term_rose", Outbox.hard_state_changed)


def takes_itself_for_punctual(patch: pytest.MonkeyPatch) -> None:
    """L5: whoever slept takes its leader for dead before it has read what the leader sent."""
    original = Election.timeout

    def timeout(self: Election, now_ns: int) -> None:
        self._contact_ns = now_ns - self._timeout_ns
        original(self, now_ns)

    patch.setattr(Election, "timeout", timeout)


def leads_on_after_any_sleep(patch: pytest.MonkeyPatch) -> None:
    """L5: a leader that wakes takes old answers for a quorum."""
    patch.setattr(Raft, "_has_overslept", lambda *_: False)
