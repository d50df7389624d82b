"""
Where the durable entries are.

Entries are found by record, not one by one: two arrays hold the first index of each batch and its place on disk, and
terms are kept as runs, since they hardly ever change. Sixteen bytes a batch are kept in memory, and the newest
entries whole, up to a bound, because nearly every read asks for those.

A truncation is followed by the batches that replace what it cut, in later records: places grow with the index, and a
batch counts only up to the first index of the next one.

Used by the thread that writes the log and by those that read it: every public method holds the lock for short.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.ids import LogIndex, Term
from raftline.raft.messages import EntryKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raftline.raft.messages import Entry

StoredMembership = tuple[LogIndex, bytes]
"""Index and payload of an entry of kind MEMBERSHIP."""

OFFSET_BITS: Final = 32


class Batch(NamedTuple):
    """Entries that follow one another, in the record at `offset` of segment `sequence`."""

    entries: Sequence[Entry]
    sequence: int
    offset: int


class Truncation(NamedTuple):
    """The log ends at `last_index`, whose term is `last_term`."""

    last_index: LogIndex
    last_term: Term


class SnapshotMark(NamedTuple):
    """The log begins anew after `last_index`, whose term is `last_term`; `membership` is in force there, encoded."""

    last_index: LogIndex
    last_term: Term
    membership: bytes


class Place(NamedTuple):
    """Where a batch is: its record's segment and offset, and which of its entries count."""

    sequence: int
    offset: int
    first_index: LogIndex
    last_index: LogIndex


class EntryIndex:
    """Indexes, terms and places of the durable entries, and the newest entries themselves."""

    def __init__(
        self,
        base_index: LogIndex,
        base_term: Term,
        *,
        recent_bytes_max: int,
        memberships: Sequence[StoredMembership] = (),
    ) -> None:
        self._lock = threading.Lock()
        self._base_index = base_index
        self._base_term = base_term
        self._last_index = base_index
        self._batch_firsts = array("Q")
        self._batch_places = array("Q")
        self._run_firsts: list[int] = []
        self._run_terms: list[Term] = []
        self._recent: dict[int, Entry] = {}
        self._recent_first = base_index + 1
        self._recent_bytes = 0
        self._recent_bytes_max = recent_bytes_max
        self._memberships: list[StoredMembership] = list(memberships)

    @property
    def base_index(self) -> LogIndex:
        """The index before the first entry kept."""
        return self._base_index

    @property
    def first_index(self) -> LogIndex:
        """The index of the first entry kept; `last_index + 1` when none is."""
        return LogIndex(self._base_index + 1)

    @property
    def last_index(self) -> LogIndex:
        """The index of the last durable entry; the base where none is kept."""
        return self._last_index

    def term_at(self, index: LogIndex) -> Term | None:
        """Return the term of the entry at `index`, the one before the first kept included; None if unknown."""
        with self._lock:
            return self._term_at(index)

    def _term_at(self, index: LogIndex) -> Term | None:
        if index == self._base_index:
            return self._base_term
        if not self._base_index < index <= self._last_index:
            return None
        return self._run_terms[bisect_right(self._run_firsts, index) - 1]

    def add(
        self,
        first_index: LogIndex,
        terms: Sequence[Term],
        sequence: int,
        offset: int,
        memberships: Sequence[StoredMembership] = (),
    ) -> None:
        """Add the batch of the record at `offset` of segment `sequence`, found on disk when the log is opened."""
        with self._lock:
            self._append(first_index, terms, sequence, offset)
            self._recent_first = self._last_index + 1
            self._memberships += memberships

    def truncate(self, last_index: LogIndex, last_term: Term) -> None:
        """Forget the entries after `last_index`, whose term is `last_term`; found on disk when the log is opened."""
        with self._lock:
            self._truncate(last_index, last_term)

    def install(self, mark: SnapshotMark) -> None:
        """Forget all entries and begin anew behind a snapshot; found on disk when the log is opened."""
        with self._lock:
            self._install(mark)

    def publish(self, changes: Sequence[Batch | Truncation | SnapshotMark]) -> None:
        """Take over what has just become durable, in order and for readers at once."""
        with self._lock:
            for change in changes:
                if isinstance(change, Truncation):
                    self._truncate(change.last_index, change.last_term)
                elif isinstance(change, SnapshotMark):
                    self._install(change)
                else:
                    self._append_recent(change)

    def _append_recent(self, batch: Batch) -> None:
        entries = batch.entries
        self._append(entries[0].index, [entry.term for entry in entries], batch.sequence, batch.offset)
        recent = self._recent
        for entry in entries:
            recent[entry.index] = entry
            self._recent_bytes += len(entry.payload)
            if entry.kind is EntryKind.MEMBERSHIP:
                self._memberships.append((entry.index, entry.payload))
        while self._recent_bytes > self._recent_bytes_max:
            self._recent_bytes -= len(recent.pop(self._recent_first).payload)
            self._recent_first += 1

    def _append(self, first_index: LogIndex, terms: Sequence[Term], sequence: int, offset: int) -> None:
        assert first_index == self._last_index + 1, (first_index, self._last_index)
        self._batch_firsts.append(first_index)
        self._batch_places.append(sequence << OFFSET_BITS | offset)
        last_term = self._run_terms[-1] if self._run_terms else None
        for index, term in enumerate(terms, first_index):
            if term != last_term:
                self._run_firsts.append(index)
                self._run_terms.append(term)
                last_term = term
        self._last_index = LogIndex(first_index + len(terms) - 1)

    def _truncate(self, last_index: LogIndex, last_term: Term) -> None:
        """
        Forget the entries after `last_index`.

        Below the base, which happens only while a log with removed segments is read, the base moves down: the entries
        between are replaced by what follows.
        """
        for index in range(max(last_index + 1, self._recent_first), self._last_index + 1):
            self._recent_bytes -= len(self._recent.pop(index).payload)
        self._recent_first = min(self._recent_first, last_index + 1)
        keep = bisect_right(self._batch_firsts, last_index)
        del self._batch_firsts[keep:], self._batch_places[keep:]
        keep = bisect_right(self._run_firsts, last_index)
        del self._run_firsts[keep:], self._run_terms[keep:]
        self._last_index = last_index
        while self._memberships and self._memberships[-1][0] > last_index:
            self._memberships.pop()
        if last_index <= self._base_index:
            self._base_index, self._base_term = last_index, last_term

    def _install(self, mark: SnapshotMark) -> None:
        del self._batch_firsts[:], self._batch_places[:]
        self._run_firsts.clear()
        self._run_terms.clear()
        self._recent.clear()
        self._recent_first = mark.last_index + 1
        self._recent_bytes = 0
        self._base_index = self._last_index = mark.last_index
        self._base_term = mark.last_term
        self._memberships = [(mark.last_index, mark.membership)]

    def trim(self, sequence: int) -> None:
        """Forget the entries whose records are in segments before `sequence`."""
        with self._lock:
            drop = bisect_left(self._batch_places, sequence << OFFSET_BITS)
            base = LogIndex(self._batch_firsts[drop] - 1 if drop < len(self._batch_firsts) else self._last_index)
            base_term = self._term_at(base)
            assert base_term is not None, base
            del self._batch_firsts[:drop], self._batch_places[:drop]
            drop = bisect_right(self._run_firsts, base)
            if drop and (drop == len(self._run_firsts) or self._run_firsts[drop] > base + 1):
                drop -= 1
            del self._run_firsts[:drop], self._run_terms[:drop]
            for index in range(self._recent_first, base + 1):
                self._recent_bytes -= len(self._recent.pop(index).payload)
            self._recent_first = max(self._recent_first, base + 1)
            self._base_index, self._base_term = base, base_term
            while len(self._memberships) > 1 and self._memberships[1][0] <= base:
                del self._memberships[0]

    def memberships(self) -> list[StoredMembership]:
        """Return the memberships of the entries kept, after the one in force before them."""
        with self._lock:
            return list(self._memberships)

    def recent(self, low: LogIndex, high: LogIndex, bytes_max: int) -> list[Entry] | None:
        """
        Return entries `low` to `high` from memory, cut after `bytes_max` payload bytes but never before the first.

        None if memory does not hold the one at `low`.
        """
        with self._lock:
            if not self._recent_first <= low <= high <= self._last_index:
                return None
            entries: list[Entry] = []
            payload_bytes = 0
            for index in range(low, high + 1):
                entry = self._recent[index]
                payload_bytes += len(entry.payload)
                if payload_bytes > bytes_max and entries:
                    break
                entries.append(entry)
            return entries

    def place_of(self, index: LogIndex) -> Place | None:
        """Return the place of the batch that holds the entry at `index`; None if it is not kept."""
        with self._lock:
            if not self._base_index < index <= self._last_index:
                return None
            batch = bisect_right(self._batch_firsts, index) - 1
            place = self._batch_places[batch]
            is_last = batch + 1 == len(self._batch_firsts)
            last_index = self._last_index if is_last else LogIndex(self._batch_firsts[batch + 1] - 1)
            first_index = LogIndex(self._batch_firsts[batch])
            return Place(place >> OFFSET_BITS, place & (1 << OFFSET_BITS) - 1, first_index, last_index)
