"""
The log as the core sees it: a durable part behind `LogReader` and a tail in memory.

    base_index ........ durable_index ........ last_index
             |-- LogReader --|
                       |------- tail ----------|        tail_first <= durable_index + 1
                              |-- unwritten ---|        not yet handed to I/O

Cursors and what holds at all times:

    base_index <= delivered_index <= commit_index <= last_index
    base_index <= delivered_index <= durable_index <= last_index
    every index above min(durable_index, delivered_index) is in the tail

`durable_index` only counts entries that are part of the log now. When a suffix is cut while its write is under way, the
write still completes; its completion must not make the entries that took its place durable, even if they have the same
index and length (the ABA case). So each write under way remembers the last index it still stands for, and cutting a
suffix lowers that number; comparing terms at completion would be a weaker form of the same thing.

The reader is asked only for indexes up to `durable_index`: above it, it may show a write that was cut meanwhile.
Entries that are durable but not yet delivered stay in the tail, so that the usual entry is never read back.

Entries up to `base_index` are gone: compacted, or replaced by a snapshot. Its term alone is still known. The reader may
keep more for a while; it is not asked for that, so it may forget at its own pace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from raftline.base.errors import StorageCorrupt
from raftline.base.ids import LogIndex, Term
from raftline.raft.invariants import ensure
from raftline.raft.membership import NOBODY, Membership
from raftline.raft.membership_log import MembershipLog
from raftline.raft.messages import Entry, LogReader, SnapshotMeta


class RaftLog:
    """Durable log and tail as one sequence, with the cursors of this node."""

    __slots__ = (
        "_delivered",
        "_installed",
        "_reader",
        "_tail",
        "_tail_first",
        "_unwritten",
        "_writes",
        "base_index",
        "base_term",
        "commit_index",
        "durable_index",
        "last_index",
        "last_term",
        "memberships",
    )

    def __init__(self, reader: LogReader, applied_index: LogIndex, initial: Membership = NOBODY) -> None:
        """
        Take the log over as it was recovered; `initial` is the membership before the first one it holds.

        Raises:
            StorageCorrupt: The log ends below what was applied, or begins above it, or its last entry cannot be found,
                or a membership in it cannot be read.
        """
        last_index = reader.last_index
        if applied_index > last_index:
            raise StorageCorrupt(f"the log ends at {last_index}, but {applied_index} was applied")
        last_term = reader.term_at(last_index)
        if last_term is None:
            raise StorageCorrupt(f"the log does not know the term of its last entry {last_index}")
        base_index = LogIndex(reader.first_index - 1)
        if applied_index < base_index:
            raise StorageCorrupt(f"the log begins after {base_index}, but only {applied_index} was applied")
        base_term = reader.term_at(base_index)
        if base_term is None:
            raise StorageCorrupt(f"the log does not know the term of the entry before its first, {base_index}")
        try:
            self.memberships = MembershipLog(initial, reader.memberships())
        except ValueError as error:
            raise StorageCorrupt(f"the log holds {error}") from error
        self._reader = reader
        self.base_index = base_index
        self.base_term = base_term
        self.last_index = last_index
        self.last_term = last_term
        self.durable_index = last_index
        self.commit_index = applied_index
        self._delivered = applied_index
        self._tail: list[Entry] = []
        self._tail_first = last_index + 1
        self._unwritten = last_index + 1
        self._writes: deque[list[int]] = deque()
        """[sequence, last index the write still stands for], oldest first."""
        self._installed: SnapshotMeta | None = None
        """A snapshot that the log on disk has yet to be told of."""

    @property
    def delivered_index(self) -> LogIndex:
        """Index of the last entry handed out to be applied."""
        return self._delivered

    @property
    def has_undelivered(self) -> bool:
        """Whether an entry waits to be applied."""
        return self._delivered < self.commit_index and self._delivered < self.durable_index

    def term_at(self, index: LogIndex) -> Term | None:
        """Return the term of the entry at `index`, that at `base_index` included; None if it is not in the log."""
        if index <= self.base_index:
            return self.base_term if index == self.base_index else None
        place = index - self._tail_first
        if place >= 0:
            return self._tail[place].term if place < len(self._tail) else None
        return self._reader.term_at(index)

    def entries(self, low: LogIndex, high: LogIndex, bytes_max: int) -> list[Entry]:
        """
        Return entries from `low`, at most up to `high`, cut after `bytes_max` payload bytes but never before the first.

        `base_index < low <= high <= last_index` is required.
        """
        ensure(self.base_index < low <= high <= self.last_index, "entries outside the log", low, high, self.last_index)
        if low >= self._tail_first:
            return self._tail_entries(low, high, bytes_max)
        border = LogIndex(self._tail_first - 1)
        stored = self._reader.entries(low, min(high, border), bytes_max)
        left = bytes_max - sum(len(entry.payload) for entry in stored)
        if high <= border or stored[-1].index < border or len(self._tail[0].payload) > left:
            return stored
        return stored + self._tail_entries(LogIndex(self._tail_first), high, left)

    def _tail_entries(self, low: LogIndex, high: LogIndex, bytes_max: int) -> list[Entry]:
        begin = low - self._tail_first
        end = high - self._tail_first + 1
        size = 0
        for place in range(begin, end):
            size += len(self._tail[place].payload)
            if size > bytes_max and place > begin:
                return self._tail[begin:place]
        return self._tail[begin:end]

    def payload_bytes(self, low: LogIndex, high: LogIndex) -> int:
        """Return the payload bytes of entries `low` to `high` as far as they are in the tail."""
        begin = max(low - self._tail_first, 0)
        return sum(len(entry.payload) for entry in self._tail[begin : high - self._tail_first + 1])

    def append(self, entries: list[Entry]) -> None:
        """Add entries behind the last one."""
        last = entries[-1]
        ensure(entries[0].index == self.last_index + 1, "append leaves a gap", entries[0].index, self.last_index)
        self._tail += entries
        self.memberships.appended(entries)
        self.last_index = last.index
        self.last_term = last.term

    def cut_from(self, index: LogIndex) -> None:
        """Forget the entries from `index` on; others must follow, and with their write the disk cuts too."""
        ensure(index > self.commit_index, "a committed entry would be cut", index, self.commit_index)
        term = self.term_at(LogIndex(index - 1))
        ensure(term is not None, "the log would be cut below what it keeps", index)
        assert term is not None
        if index >= self._tail_first:
            del self._tail[index - self._tail_first :]
        else:
            self._tail.clear()
            self._tail_first = index
        self.last_index = LogIndex(index - 1)
        self.last_term = term
        self.durable_index = LogIndex(min(self.durable_index, index - 1))
        self._unwritten = min(self._unwritten, index)
        for write in self._writes:
            write[1] = min(write[1], index - 1)
        self.memberships.cut_from(index)

    def compact(self, index: LogIndex) -> None:
        """Forget the entries up to `index`, all of which were delivered."""
        ensure(index <= self._delivered, "an entry that was not delivered would be compacted", index, self._delivered)
        if index <= self.base_index:
            return
        term = self.term_at(index)
        assert term is not None, index
        self.base_index, self.base_term = index, term
        self.memberships.compacted(index)

    def install(self, snapshot: SnapshotMeta) -> None:
        """
        Let the log begin, and for now end, behind a snapshot that is durable itself.

        Nothing of the log may be worth keeping: it does not hold the last entry of the snapshot.
        """
        index, term = snapshot.index, snapshot.term
        ensure(index > self.commit_index, "a snapshot of what is committed here", index, self.commit_index)
        ensure(self.term_at(index) != term, "a snapshot of what the log holds", index, term)
        self._tail.clear()
        self._tail_first = self._unwritten = index + 1
        for write in self._writes:
            write[1] = 0
        self.base_index = self.last_index = self.durable_index = self.commit_index = self._delivered = index
        self.base_term = self.last_term = term
        self.memberships.installed(index, snapshot.membership)
        self._installed = snapshot

    def take_installed(self) -> SnapshotMeta | None:
        """Return the snapshot that the next log write must tell of; once."""
        installed, self._installed = self._installed, None
        return installed

    def take_unwritten(self) -> list[Entry]:
        """Return the entries that are to be written next; `write_issued` must follow if there are any."""
        return self._tail[self._unwritten - self._tail_first :]

    def write_issued(self, sequence: int) -> None:
        """Remember that everything up to the last entry is being written by job `sequence`."""
        self._writes.append([sequence, self.last_index])
        self._unwritten = self.last_index + 1

    def io_completed(self, sequence: int) -> bool:
        """Note that all jobs up to `sequence` are durable; say whether `durable_index` moved."""
        durable = self.durable_index
        while self._writes and self._writes[0][0] <= sequence:
            durable = LogIndex(max(durable, self._writes.popleft()[1]))
        if durable == self.durable_index:
            return False
        self.durable_index = durable
        self._drop_head()
        return True

    def commit_to(self, index: LogIndex) -> None:
        """Raise the commit index; it never goes back."""
        ensure(self.commit_index <= index <= self.last_index, "commit index", self.commit_index, index, self.last_index)
        self.commit_index = index

    def take_committed(self, bytes_max: int) -> list[Entry]:
        """Return the next entries to apply, cut after `bytes_max` payload bytes; each is handed out once."""
        high = LogIndex(min(self.commit_index, self.durable_index))
        if high <= self._delivered:
            return []
        entries = self.entries(LogIndex(self._delivered + 1), high, bytes_max)
        ensure(entries[0].index == self._delivered + 1, "the log reader skipped entries", entries[0].index)
        self._delivered = entries[-1].index
        self._drop_head()
        return entries

    def is_up_to_date(self, last_index: LogIndex, last_term: Term) -> bool:
        """Say whether a log that ends like this is at least as complete as ours (thesis section 3.6.1)."""
        return last_term > self.last_term or (last_term == self.last_term and last_index >= self.last_index)

    def last_index_up_to_term(self, high: LogIndex, term: Term) -> LogIndex:
        """
        Return the last index up to `high` whose term is at most `term`.

        Terms never fall along a log, so this is a bisection, however long a term was. Indexes below the kept part
        count as matching: they are committed, and a committed entry is in every leader's log.
        """
        return LogIndex(self._bisect(min(high, self.last_index), lambda found: found is None or found <= term))

    def _bisect(self, high: int, fits: Callable[[Term | None], bool]) -> int:
        low = 0
        while low < high:
            middle = (low + high + 1) // 2
            if fits(self.term_at(LogIndex(middle))):
                low = middle
            else:
                high = middle - 1
        return low

    def _drop_head(self) -> None:
        """Let go of tail entries that are durable and delivered."""
        count = min(self.durable_index, self._delivered) - self._tail_first + 1
        if count > 0:
            del self._tail[:count]
            self._tail_first += count
