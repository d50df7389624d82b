"""
What must hold between the nodes of a cluster, checked after every event; all checks are incremental.

    election safety        at most one leader per term                        (Raft thesis figure 3.2)
    log matching           an (index, term) names one entry with one predecessor, in every log that ever held it
    leader completeness    who becomes leader has every entry that was committed in an earlier term
    commit                 an entry is committed only when a majority has it durable, and never changes afterwards
    promises               votes, acknowledgements and answers leave only when what they promise is durable; one vote
                           per term and node, across crashes
    cursors                term and commit index never fall in one life; entries are delivered once, in order
    reads                  a read index is at or above every entry delivered anywhere before the read was asked for
"""

from __future__ import annotations

import bisect

from raft.simulation.disk import SimulatedDisk
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import (
    AppendReply,
    Entry,
    HardState,
    HeartbeatReply,
    Message,
    VoteReply,
    VoteRequest,
)
from raftline.raft.node import LogWrite, Raft, Role


class Violation(AssertionError):
    """A promise of the protocol was broken."""


def demand(condition: bool, text: str, *values: object) -> None:
    if not condition:
        raise Violation(f"{text}: {values}")


class Checkers:
    """Sees every event of a cluster."""

    def __init__(self, disks: dict[NodeId, SimulatedDisk]) -> None:
        self._disks = disks
        self._majority = len(disks) // 2 + 1
        self._leaders: dict[Term, NodeId] = {}
        self._entries: dict[tuple[LogIndex, Term], tuple[Term, bytes]] = {}
        self._votes: dict[tuple[Term, NodeId], NodeId] = {}
        self._cursors: dict[NodeId, tuple[Term, LogIndex]] = {}
        self.committed: list[tuple[Term, bytes]] = []
        """By index, from 1."""
        self._commit_terms: list[Term] = []
        """Term of the leader that committed it, by index, from 1; never falls."""
        self.delivered_max = LogIndex(0)

    def restarted(self, node_id: NodeId, raft: Raft) -> None:
        self._cursors[node_id] = (raft.term, raft.commit_index)

    def log_written(self, raft: Raft, write: LogWrite) -> None:
        """A log write was issued: its entries must be those that bear these indexes and terms everywhere."""
        for entry in write.entries:
            prev_term = raft._log.term_at(LogIndex(entry.index - 1))
            demand(prev_term is not None, "an entry without a predecessor", entry)
            known = self._entries.setdefault((entry.index, entry.term), (prev_term, entry.payload))
            demand(known == (prev_term, entry.payload), "log matching", entry, known)
            demand(prev_term <= entry.term, "terms fall along the log", entry, prev_term)

    def message_left(self, message: Message, raft: Raft) -> None:
        """A message leaves its sender: what it promises must be durable on its disk."""
        disk = self._disks[message.sender]
        durable: HardState = disk.hard_state
        if isinstance(message, VoteRequest):
            self._voted(message.term, message.sender, message.sender)
        elif isinstance(message, VoteReply) and message.granted:
            self._voted(message.term, message.sender, message.receiver)
            demand(
                durable == HardState(message.term, message.receiver) or durable.term > message.term,
                "a vote left before it was durable",
                message,
                durable,
            )
        if isinstance(message, VoteRequest | VoteReply | AppendReply | HeartbeatReply):
            demand(durable.term >= message.term, "a term left before it was durable", message, durable)
        if isinstance(message, AppendReply | HeartbeatReply) and durable.term == message.term:
            stored = disk.term_at(message.match_index)
            demand(stored is not None, "acknowledged before durable", message)
            if raft.term == message.term:
                # In this term the acknowledged entry stays, so the disk must hold the very entry of the log.
                known = raft._log.term_at(message.match_index)
                demand(stored == known, "acknowledged before durable", message, stored, known)

    def stepped(self, node_id: NodeId, raft: Raft, was_leader: bool) -> None:
        """Something happened at a node."""
        term, commit_index = self._cursors[node_id]
        demand(raft.term >= term, "the term fell", node_id, term, raft.term)
        demand(raft.commit_index >= commit_index, "the commit index fell", node_id, commit_index, raft.commit_index)
        demand(
            raft.delivered_index <= min(raft.commit_index, raft.durable_index),
            "delivered before committed and durable",
            node_id,
        )
        self._cursors[node_id] = (raft.term, raft.commit_index)
        if raft.role is Role.LEADER and not was_leader:
            self._elected(node_id, raft)
        for index in range(commit_index + 1, raft.commit_index + 1):
            self._committed(node_id, raft, LogIndex(index))

    def delivered(self, node_id: NodeId, entries: list[Entry], after: LogIndex) -> None:
        """A node applies entries; `after` is the last index it applied before."""
        for entry in entries:
            demand(entry.index == after + 1, "delivered out of order", node_id, after, entry.index)
            after = entry.index
            demand(entry.index <= len(self.committed), "delivered but not committed", node_id, entry.index)
            known = self.committed[entry.index - 1]
            demand(known == (entry.term, entry.payload), "replicas differ", node_id, entry, known)
            stored = self._disks[node_id].term_at(entry.index)
            demand(stored == entry.term, "delivered before durable", node_id, entry, stored)
        self.delivered_max = max(self.delivered_max, after)

    def read_answered(self, node_id: NodeId, index: LogIndex, floor: LogIndex) -> None:
        """A read got `index`; `floor` is what had been delivered anywhere when it was asked for."""
        demand(index >= floor, "a stale read", node_id, index, floor)

    def _voted(self, term: Term, voter: NodeId, candidate: NodeId) -> None:
        known = self._votes.setdefault((term, voter), candidate)
        demand(known == candidate, "two votes in a term", term, voter, known, candidate)

    def _elected(self, node_id: NodeId, raft: Raft) -> None:
        known = self._leaders.setdefault(raft.term, node_id)
        demand(known == node_id, "two leaders in a term", raft.term, known, node_id)
        # A late leader of an old term owes nothing that a younger one committed meanwhile.
        owed = bisect.bisect_left(self._commit_terms, raft.term)
        for index, (term, _) in enumerate(self.committed[:owed], start=1):
            found = raft._log.term_at(LogIndex(index))
            demand(found == term, "a leader lacks a committed entry", node_id, raft.term, index, found, term)

    def _committed(self, node_id: NodeId, raft: Raft, index: LogIndex) -> None:
        term = raft._log.term_at(index)
        demand(term is not None, "committed but not in the log", node_id, index)
        assert term is not None
        if index <= len(self.committed):
            demand(self.committed[index - 1][0] == term, "a committed entry changed", node_id, index, term)
            return
        demand(index == len(self.committed) + 1, "commits leave a gap", node_id, index)
        holders = sum(disk.term_at(index) == term for disk in self._disks.values())
        demand(holders >= self._majority, "committed without a durable majority", node_id, index, term, holders)
        # A payload cannot be unknown here: the entry was written by a majority.
        self.committed.append((term, self._entries[index, term][1]))
        self._commit_terms.append(raft.term)
