"""
What must hold between the nodes of a cluster, checked after every event; all checks are incremental.

    election safety        at most one leader per term                        (Raft thesis figure 3.2)
    log matching           an (index, term) names one entry with one predecessor, in every log that ever held it
    leader completeness    who becomes leader has every entry that was committed in an earlier term
    commit                 an entry is committed only when a majority has it durable, and never changes afterwards; a
                           node that lost its log is counted as it was until it is repaired
    promises               votes, acknowledgements and answers leave only when what they promise is durable; one vote
                           per term and node, across crashes
    cursors                term and commit index never fall in one life; entries are delivered once, in order;
                           kept from <= checkpointed <= applied <= committed
    membership             what a node has in force is what its log says; any quorum of a membership meets any of the
                           next; a leader changes it only when the last one and an entry of its own term are committed
    state machines         after the same entries, by log or by snapshot, they are the same
    reads                  a read index is at or above every entry delivered anywhere before the read was asked for
"""

from __future__ import annotations

import bisect
import functools
import zlib

from raft.simulation.disk import SimulatedDisk
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.membership import Membership, decode_membership
from raftline.raft.messages import (
    AppendReply,
    Entry,
    EntryKind,
    HardState,
    HeartbeatReply,
    InstallSnapshotReply,
    Message,
    SnapshotMeta,
    VoteReply,
    VoteRequest,
)
from raftline.raft.node import LogWrite, Raft, Role

PROMISES = (VoteRequest, VoteReply, AppendReply, HeartbeatReply, InstallSnapshotReply)
ACKNOWLEDGEMENTS = (AppendReply, HeartbeatReply, InstallSnapshotReply)


class Violation(AssertionError):
    """A promise of the protocol was broken."""


def demand(condition: bool, text: str, *values: object) -> None:
    if not condition:
        raise Violation(f"{text}: {values}")


def next_state(state: int, term: Term, payload: bytes) -> int:
    """Apply an entry to a state machine that is a hash."""
    return zlib.crc32(payload, zlib.crc32(b"%d" % term, state))


def decides(nodes: frozenset[NodeId], voters: tuple[NodeId, ...], outgoing: tuple[NodeId, ...]) -> bool:
    """Whether some nodes are a quorum; said once more than in the core, and as plainly as possible."""
    return all(sum(voter in nodes for voter in side) * 2 > len(side) for side in (voters, outgoing) if side)


@functools.cache
def quorums_meet(one: tuple[tuple[NodeId, ...], ...], two: tuple[tuple[NodeId, ...], ...]) -> bool:
    """Whether every quorum of one (voters, outgoing) has a node in common with every quorum of the other."""
    everyone = sorted({node for side in (*one, *two) for node in side})
    for chosen in range(1 << len(everyone)):
        inside = frozenset(node for place, node in enumerate(everyone) if chosen >> place & 1)
        if decides(inside, *one) and decides(frozenset(everyone) - inside, *two):
            return False
    return True


class Checkers:
    """Sees every event of a cluster; `disks` is to hold that of every node."""

    def __init__(self, founding: Membership) -> None:
        self.disks: dict[NodeId, SimulatedDisk] = {}
        self.states = [0]
        """Of the state machine after each committed entry, by index."""
        self._in_force: dict[tuple[LogIndex, Term], tuple[LogIndex, Membership]] = {
            (LogIndex(0), Term(0)): (LogIndex(0), founding)
        }
        """Membership at each entry that was ever in a log, and the index of the entry that brought it."""
        self._leaders: dict[Term, NodeId] = {}
        self._entries: dict[tuple[LogIndex, Term], tuple[Term, bytes]] = {}
        self._votes: dict[tuple[Term, NodeId], NodeId] = {}
        self._cursors: dict[NodeId, tuple[Term, LogIndex]] = {}
        self.committed: list[tuple[Term, bytes]] = []
        """By index, from 1."""
        self._terms: list[Term] = []
        """Their terms alone."""
        self._commit_terms: list[Term] = []
        """Term of the leader that committed it, by index, from 1; never falls."""
        self.delivered_max = LogIndex(0)
        self._lost: dict[NodeId, set[tuple[LogIndex, Term]]] = {}
        """What damaged disks had held, until they are repaired; who leads may not have heard of it."""
        self._owed: dict[NodeId, list[tuple[LogIndex, Term]]] = {}
        """Which of that was committed by a majority that counted them."""

    def damaged(self, node_id: NodeId) -> None:
        """A disk is about to lose its log."""
        disk = self.disks[node_id]
        lost = self._lost.setdefault(node_id, set())
        lost.update((entry.index, entry.term) for entry in disk.log)
        kept = max(disk.base_index, disk.fetched.index if disk.fetched else 0)
        lost.update((LogIndex(index), self.committed[index - 1][0]) for index in range(1, kept + 1))

    def repaired(self, node_id: NodeId) -> None:
        """A node has back what it may have acknowledged, as far as it was committed."""
        disk = self.disks[node_id]
        del self._lost[node_id]
        for index, term in self._owed.pop(node_id, ()):
            demand(disk.holds(index, term), "repaired without an entry", node_id, index, term)

    def membership_of(self, raft: Raft | None, disk: SimulatedDisk) -> Membership:
        """Return what a node has in force, or would have if it started now."""
        if raft is not None:
            return raft.membership
        if disk.fetched is not None:
            return disk.fetched.membership
        last = disk.last_index, disk.term_at(disk.last_index)
        return self._in_force[last][1]  # type: ignore[index]

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
            if (entry.index, entry.term) not in self._in_force:
                self._membership_follows(raft, entry, prev_term)

    def _membership_follows(self, raft: Raft, entry: Entry, prev_term: Term) -> None:
        since, before = self._in_force[LogIndex(entry.index - 1), prev_term]
        if entry.kind is not EntryKind.MEMBERSHIP:
            self._in_force[entry.index, entry.term] = since, before
            return
        after = decode_membership(entry.payload)
        self._in_force[entry.index, entry.term] = entry.index, after
        meet = quorums_meet((before.voters, before.outgoing), (after.voters, after.outgoing))
        demand(meet, "quorums of consecutive memberships need not meet", before, after)
        demand(raft.role is Role.LEADER and raft.term == entry.term, "who does not lead changed the membership", entry)
        demand(since <= len(self.committed), "a change began before the last one was committed", raft.node_id, entry)
        # Of its own term, that is; a late leader that has done so may begin one while a younger one commits others.
        place = bisect.bisect_left(self._terms, raft.term)
        own = place < len(self._terms) and self._terms[place] == raft.term
        demand(own, "a change began before the leader committed anything", raft.node_id, entry)

    def snapshot_taken(self, snapshot: SnapshotMeta) -> None:
        """A node took a snapshot: it says what is committed."""
        _, known = self._in_force[snapshot.index, snapshot.term]
        demand(snapshot.membership == known, "a snapshot with another membership", snapshot, known)

    def state_reached(self, node_id: NodeId, index: LogIndex, state: int) -> None:
        """A state machine has applied everything up to `index`."""
        demand(index < len(self.states), "applied but not committed", node_id, index)
        demand(state == self.states[index], "state machines differ", node_id, index)
        self.delivered_max = max(self.delivered_max, index)

    def settled(self, raft: Raft, disk: SimulatedDisk, checkpoint_index: LogIndex, applied_index: LogIndex) -> None:
        """A node has dealt with an event."""
        log = raft._log
        last = log.last_index, log.last_term
        known = self._in_force.get(last)
        membership = log.memberships.current
        if known is not None and membership is not known[1] and (known[0] > 0 or membership.members):
            # Who joins is told of what the cluster was founded with by a change, or by a snapshot.
            demand(membership == known[1], "another membership than the log has", raft.node_id, last, known)
        if log.base_index > log.delivered_index:
            raise Violation(f"compacted before delivered: {raft.node_id}")
        purged = disk.base_index if disk.fetched is None else LogIndex(0)
        if not purged <= checkpoint_index <= applied_index <= log.commit_index:
            where = raft.node_id, purged, checkpoint_index, applied_index
            raise Violation(f"cursors of log and state machine: {where}")

    def message_left(self, message: Message, raft: Raft) -> None:
        """A message leaves its sender: what it promises must be durable on its disk."""
        if not isinstance(message, PROMISES):
            return
        disk = self.disks[message.sender]
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
        demand(durable.term >= message.term, "a term left before it was durable", message, durable)
        if not isinstance(message, ACKNOWLEDGEMENTS):
            return
        kept_by_snapshot = max(disk.base_index, disk.fetched.index if disk.fetched else 0)
        if durable.term == message.term and message.match_index > kept_by_snapshot:
            stored = disk.term_at(message.match_index)
            demand(stored is not None, "acknowledged before durable", message)
            if raft.term == message.term:
                # In this term the acknowledged entry stays, so the disk must hold the very entry of the log.
                known = raft.term_at(message.match_index)
                demand(stored == known, "acknowledged before durable", message, stored, known)

    def stepped(self, node_id: NodeId, raft: Raft, was_leader: bool) -> None:
        """Something happened at a node."""
        cursors = self._cursors[node_id]
        log, election = raft._log, raft._election
        now = election.term, log.commit_index
        if log.delivered_index > now[1] or log.delivered_index > log.durable_index:
            raise Violation(f"delivered before committed and durable: {node_id}")
        if not was_leader and election.role is Role.LEADER:
            self._elected(node_id, raft)
        if now == cursors:
            return
        (term, commit_index), (new_term, new_commit_index) = cursors, now
        demand(new_term >= term, "the term fell", node_id, term, new_term)
        demand(new_commit_index >= commit_index, "the commit index fell", node_id, commit_index, new_commit_index)
        self._cursors[node_id] = now
        if log.base_index > commit_index:
            # A snapshot: what it contains was committed, and its last entry is the one that was.
            commit_index = raft.base_index
            known = self.committed[commit_index - 1][0] if commit_index <= len(self.committed) else None
            demand(raft.term_at(commit_index) == known, "a snapshot of what is not committed", node_id, commit_index)
        for index in range(commit_index + 1, new_commit_index + 1):
            self._committed(node_id, raft, LogIndex(index))

    def delivered(self, node_id: NodeId, entries: list[Entry], after: LogIndex) -> None:
        """A node applies entries; `after` is the last index it applied before."""
        for entry in entries:
            demand(entry.index == after + 1, "delivered out of order", node_id, after, entry.index)
            after = entry.index
            demand(entry.index <= len(self.committed), "delivered but not committed", node_id, entry.index)
            known = self.committed[entry.index - 1]
            demand(known == (entry.term, entry.payload), "replicas differ", node_id, entry, known)
            stored = self.disks[node_id].term_at(entry.index)
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
        base_index = raft.base_index
        if owed > base_index:
            demand(raft.last_index >= owed, "a leader lacks a committed entry", node_id, raft.term, owed)
            held = raft._log.entries(LogIndex(base_index + 1), LogIndex(owed), 1 << 62)
            terms = [entry.term for entry in held]
            demand(terms == self._terms[base_index:owed], "a leader lacks a committed entry", node_id, raft.term, terms)
        if 0 < base_index <= owed:
            found, known_term = raft.term_at(base_index), self._terms[base_index - 1]
            demand(found == known_term, "a leader lacks a committed entry", node_id, raft.term, found, known_term)

    def _committed(self, node_id: NodeId, raft: Raft, index: LogIndex) -> None:
        term = raft._log.term_at(index)
        demand(term is not None, "committed but not in the log", node_id, index)
        assert term is not None
        if index <= len(self.committed):
            demand(self.committed[index - 1][0] == term, "a committed entry changed", node_id, index, term)
            return
        demand(index == len(self.committed) + 1, "commits leave a gap", node_id, index)
        place = index, term
        holders = frozenset(
            number
            for number, disk in self.disks.items()
            if disk.holds(index, term) or place in self._lost.get(number, ())
        )
        counted = decides(holders, raft.membership.voters, raft.membership.outgoing)
        for number in self._lost:
            if place in self._lost[number] and not decides(
                holders - {number}, raft.membership.voters, raft.membership.outgoing
            ):
                self._owed.setdefault(number, []).append(place)
        demand(counted, "committed without a durable majority", node_id, index, term, holders, raft.membership)
        # A payload cannot be unknown here: the entry was written by a majority.
        self.committed.append((term, self._entries[index, term][1]))
        self._terms.append(term)
        self._commit_terms.append(raft.term)
        self.states.append(next_state(self.states[-1], *self.committed[-1]))
