"""
What must hold between the nodes of a whole cluster; checked as it happens.

    election safety       at most one leader per term, over the real cores
    log matching          what is committed at an index is one entry, on every node, for ever
    commit                an entry is handed to a state machine only when a majority has it durable
    leader completeness   who becomes leader has every entry that was committed in an earlier term
    cursors               term and commit index never fall in one life; entries are delivered once, in order
    replicas              after the same entry, state hash and entry chain are the same on every node
    reads                 a barrier that was passed covers every entry that any node had delivered before it was asked

What is durable where is learned from the logs' writers and, at the start of a life, from the log itself. The disks of
simulated nodes lose, tear and forget; so these checks see through a driver that acknowledges too early. A node that
lost everything counts with what it had: its acknowledgements may still be under way. If it comes back, it must have
again what was committed with its help before it calls itself repaired.

Entries are known by their term, kind and a CRC of the payload.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from raft.simulation.checkers import decides
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.membership import Membership, decode_membership
from raftline.raft.messages import Entry, EntryKind
from raftline.raft.node import Raft, Role
from raftline.wal.log import WriteAheadLog
from raftline.wal.rounds import WriteJob
from sim.scheduler import Scheduler

LED_BY_COUNT: Final = 4
"""Memberships that leaders had last; two of them may take turns, and a change has two steps."""


class Committed(NamedTuple):
    """One committed entry."""

    term: Term
    kind: int
    crc: int


class DurableLog:
    """
    Terms of the entries that one node has durably, as far as anybody was told, in a life that begins with this log.

    Opening the log has made durable what it holds.
    """

    def __init__(self, log: WriteAheadLog) -> None:
        self.base_index = log.first_index - 1
        terms = [log.term_at(LogIndex(index)) for index in range(log.first_index, log.last_index + 1)]
        self._terms: list[Term] = [term for term in terms if term is not None]

    def wrote(self, jobs: Sequence[WriteJob]) -> None:
        """These jobs are durable."""
        for job in jobs:
            if job.snapshot is not None:
                self.base_index = job.snapshot.last_index
                self._terms.clear()
            if job.entries:
                del self._terms[job.entries[0].index - 1 - self.base_index :]
                self._terms += [entry.term for entry in job.entries]

    def holds(self, index: LogIndex, term: Term) -> bool:
        """Whether an entry, or a snapshot that contains it, is there."""
        place = index - 1 - self.base_index
        return place < 0 or (place < len(self._terms) and self._terms[place] == term)

    @property
    def last_index(self) -> int:
        """The last entry."""
        return self.base_index + len(self._terms)


class Checkers:
    """
    Sees what every node does.

    Attributes:
        committed: By index, from 1.
        delivered_max: The last entry that any node was given to apply.
        election_count: Leaders that were seen.
        membership: The last that is committed; None while it is the first one.
        membership_count: How many there were.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.committed: list[Committed] = []
        self.delivered_max = LogIndex(0)
        self.election_count = 0
        self.membership: Membership | None = None
        self.membership_count = 0
        self._led_by: deque[Membership] = deque(maxlen=LED_BY_COUNT)
        self.logs: dict[NodeId, DurableLog] = {}
        self._lost: dict[NodeId, list[DurableLog]] = {}
        """What damaged nodes had, until they are repaired."""
        self._owed: dict[NodeId, list[tuple[LogIndex, Term]]] = {}
        """Which of that was committed by a majority that needed them."""
        self._leaders: dict[Term, NodeId] = {}
        self._commit_terms: list[Term] = []
        self._states: dict[LogIndex, tuple[bytes, bytes]] = {}
        self._cursors: dict[NodeId, tuple[Term, LogIndex]] = {}
        self._next_index: dict[NodeId, LogIndex] = {}

    def demand(self, condition: bool, text: str, *values: object) -> None:
        """Fail the world unless this holds."""
        if not condition:
            self._scheduler.fail(text, *values)

    # Lives

    def life_began(
        self, node_id: NodeId, log: WriteAheadLog, applied_index: LogIndex, *, is_recovering: bool = False
    ) -> None:
        """A node has opened what is on its disk, or has begun anew because that was damaged."""
        if is_recovering and node_id in self.logs:
            self._lost.setdefault(node_id, []).append(self.logs[node_id])
        self.logs[node_id] = DurableLog(log)
        self._cursors[node_id] = (Term(0), LogIndex(0))
        self._next_index[node_id] = LogIndex(applied_index + 1)
        self.demand(applied_index <= len(self.committed), "applied what was never committed", node_id, applied_index)

    def repaired(self, node_id: NodeId) -> None:
        """A node says that it has back whatever it may have acknowledged."""
        self._lost.pop(node_id, None)
        for index, term in self._owed.pop(node_id, ()):
            self.demand(self.logs[node_id].holds(index, term), "repaired without an entry", node_id, index, term)

    def wrote(self, node_id: NodeId, jobs: Sequence[WriteJob]) -> None:
        """A node's disk has taken these jobs."""
        self.logs[node_id].wrote(jobs)

    def replaced(self, node_id: NodeId, applied_index: LogIndex) -> None:
        """A snapshot has taken the place of a node's database."""
        self._next_index[node_id] = LogIndex(applied_index + 1)
        self.demand(applied_index <= len(self.committed), "a snapshot of what is not committed", node_id)

    # Cores

    def stepped(self, node_id: NodeId, raft: Raft) -> None:
        """A core has taken a turn."""
        term, commit_index = self._cursors[node_id]
        self.demand(raft.term >= term, "the term fell", node_id, term, raft.term)
        self.demand(raft.commit_index >= commit_index, "the commit index fell", node_id, raft.commit_index)
        self._cursors[node_id] = (raft.term, raft.commit_index)
        if raft.role is Role.LEADER:
            if self._leaders.get(raft.term) != node_id:
                self._elected(node_id, raft)
            if not self._led_by or self._led_by[-1] is not raft.membership:
                self._led_by.append(raft.membership)

    def _elected(self, node_id: NodeId, raft: Raft) -> None:
        known = self._leaders.setdefault(raft.term, node_id)
        self.demand(known == node_id, "two leaders in a term", raft.term, known, node_id)
        self.election_count += 1
        self._scheduler.note("elected", node_id, raft.term)
        for index in range(max(raft.base_index, 1), len(self.committed) + 1):
            if self._commit_terms[index - 1] >= raft.term:
                break  # a late leader of an old term owes nothing that a younger one committed
            found = raft.term_at(LogIndex(index))
            due = self.committed[index - 1].term
            self.demand(found == due, "a leader lacks a committed entry", node_id, raft.term, index, found, due)

    def delivered(self, node_id: NodeId, raft: Raft, entries: Sequence[Entry]) -> None:
        """A core has given entries to the state machine."""
        for entry in entries:
            due = self._next_index[node_id]
            self.demand(entry.index == due, "delivered out of order", node_id, due, entry.index)
            self._next_index[node_id] = LogIndex(entry.index + 1)
            self._committed(node_id, raft, entry)

    def _committed(self, node_id: NodeId, raft: Raft, entry: Entry) -> None:
        seen = Committed(entry.term, int(entry.kind), zlib.crc32(entry.payload))
        own = self.logs[node_id].holds(entry.index, entry.term)
        self.demand(own, "delivered before it was durable here", node_id, entry.index)
        if entry.index <= len(self.committed):
            known = self.committed[entry.index - 1]
            self.demand(known == seen, "a committed entry is not the same everywhere", node_id, entry.index, known)
            return
        self.demand(entry.index == len(self.committed) + 1, "commits leave a gap", node_id, entry.index)
        # The leader counted by the membership it had: that at the entry, or a later one that nobody else has yet.
        memberships = (raft.membership_at(entry.index), raft.membership, *self._led_by)

        def decide(holders: frozenset[NodeId]) -> bool:
            return any(decides(holders, each.voters, each.outgoing) for each in memberships)

        holders = frozenset(number for number in self.logs if self._has_held(number, entry))
        self.demand(decide(holders), "committed without a durable majority", node_id, entry.index, entry.term, holders)
        for number in self._lost.keys() & holders:
            if not decide(holders - {number}):
                self._owed.setdefault(number, []).append((entry.index, entry.term))
        if entry.kind is EntryKind.MEMBERSHIP:
            self.membership = decode_membership(entry.payload)
            self.membership_count += 1
        self.committed.append(seen)
        self._commit_terms.append(raft.term)
        self.delivered_max = entry.index

    def _has_held(self, node_id: NodeId, entry: Entry) -> bool:
        """Whether a node has an entry durably, or had it before its disk was damaged."""
        logs = (self.logs[node_id], *self._lost.get(node_id, ()))
        return any(log.holds(entry.index, entry.term) for log in logs)

    # State machines and reads

    def applied(self, node_id: NodeId, index: LogIndex, state_hash: bytes, entry_chain: bytes) -> None:
        """A state machine has applied an entry."""
        known = self._states.setdefault(index, (state_hash, entry_chain))
        self.demand(known == (state_hash, entry_chain), "replicas differ", node_id, index)

    def barrier_passed(self, node_id: NodeId, applied_index: LogIndex, floor: LogIndex) -> None:
        """A read barrier was passed; `floor` is `delivered_max` when it was asked for."""
        self.demand(applied_index >= floor, "a stale read", node_id, applied_index, floor)
