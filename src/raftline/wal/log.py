"""
The write-ahead log: one stream of records that holds entries, term and vote, in order of writing.

An entry passes through two states. *Appended*: written to the segment, in the kernel's hands, gone with the power.
*Durable*: covered by a `sync` that returned. Readers see durable entries only; acknowledgements go out for nothing
else. What holds between calls:

- Segments before the last are durable to their end: a segment is begun after a sync of everything before it.
- The mark file names a durable record, never one that is only appended; term and vote are durable in both, or count for
  nothing.
- Every record tells the last record that was durable when it was written.
- A snapshot mark ends what was before it: the segments before are removed after the mark is durable, never sooner.
- After any error of the disk the log is failed and takes nothing more: what is on disk is then unknown until it is
  read back by a new start. Lack of space is found out before anything is written and is no such error.

One thread appends and syncs. Any thread reads.

Decided against: a separate file for term and vote (two files can disagree after a crash; one stream cannot), a
checksum of the whole file (a flipped bit would take the segment with it), and growing files (a sync of a file whose
size changed also writes its metadata).
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from raftline.base.errors import LocalProtocolError, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import HardState
from raftline.wal import segment as segments
from raftline.wal.corruption import corruption
from raftline.wal.directory import LogIdentity, LogSizes, OpenedDirectory, disk_errors, open_directory
from raftline.wal.draft import Draft, draft_entries, draft_hard_state, draft_snapshot_mark, draft_truncation
from raftline.wal.files import OperatingSystemFiles
from raftline.wal.index import Batch, SnapshotMark, StoredMembership, Truncation
from raftline.wal.mark import Mark
from raftline.wal.record import encode_record
from raftline.wal.recovery import lacks_snapshot
from raftline.wal.retention import LogExtent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from raftline.raft.messages import Entry
    from raftline.wal.files import FileSystem

SEGMENT_BYTES: Final = 64 << 20
RECENT_BYTES_MAX: Final = 32 << 20

MARK_SYNC_RECORDS: Final = 4096
"""The mark is synced at the latest after so many records, even if the log never rests."""


class WriteAheadLog:
    """
    The durable log of one node; a `LogReader` of its durable entries. See the head of this module.

    Made by `open`. Raises `StorageError` from every writing call once the disk has failed.
    """

    def __init__(self, opened: OpenedDirectory) -> None:
        recovered = opened.recovered
        self._files = opened.files
        self._directory = opened.path
        self._lock = opened.lock
        self._mark = opened.mark
        self._spares = opened.spares
        self._index = recovered.index
        self._segments = {segment.header.sequence: segment for segment in recovered.segments}
        self._active = recovered.segments[-1]
        self._segments_lock = threading.Lock()
        self._number = recovered.number
        self._chain = recovered.chain
        self._hard_state = recovered.hard_state
        self._last_index = recovered.index.last_index
        self._durable_number = recovered.number
        self._mark_hard_state = recovered.hard_state
        self._unpublished: list[Batch | Truncation | SnapshotMark] = []
        self._last_read: tuple[int, int, list[Entry]] | None = None
        self._mark_synced_number = recovered.number
        self._failure: BaseException | None = None
        self._is_closed = False
        self.recovered_cut_bytes = recovered.cut_bytes
        """Bytes of a torn tail that `open` overwrote; 0 after a clean stop."""

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        cluster_id: str,
        node_id: NodeId,
        applied_index: LogIndex,
        files: FileSystem | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        recent_bytes_max: int = RECENT_BYTES_MAX,
        snapshot: SnapshotMark | None = None,
        must_exist: bool = False,
    ) -> WriteAheadLog:
        """
        Open the log in `directory`, or begin one where there is none. What is returned is durable to its end.

        Args:
            directory: Its own directory; made if absent.
            cluster_id: Written into a new log, compared with an old one; at most 255 bytes of UTF-8.
            node_id: The same.
            applied_index: Last index that the database beside the log has applied; 0 for a new database. Never above
                what was durable here: whoever applies waits for this log as well as for the majority.
            files: The disk; the operating system's unless a test brings another.
            segment_bytes: Size of new segments.
            recent_bytes_max: Payload bytes of the newest entries to keep in memory.
            snapshot: Of which the database beside the log was made, if a crash may have come before the log was told:
                unless it knows already, it is told now.
            must_exist: A log was begun here before: none is begun now.

        Raises:
            StorageCorrupt: Something that was durable is damaged or gone: a record at or below the mark, the end of
                the log, a segment, the mark file, or an entry that the database has applied.
            StorageFull: No space for the first segment.
            StorageError: Another process uses the directory, it is another node's, or the disk failed.
        """
        identity = LogIdentity(cluster_id, node_id)
        sizes = LogSizes(segment_bytes, recent_bytes_max)
        files = OperatingSystemFiles() if files is None else files
        log = cls(open_directory(files, directory, identity, sizes, applied_index, snapshot, must_exist=must_exist))
        if snapshot is not None and lacks_snapshot(log._index, snapshot):
            try:
                log.install_snapshot(*snapshot)
            except BaseException:
                log.close()
                raise
        return log

    @property
    def hard_state(self) -> HardState:
        """Term and vote as last made durable; term 0 and no vote in a new log."""
        return self._mark_hard_state

    @property
    def first_index(self) -> LogIndex:
        """Index of the first entry kept; `last_index + 1` when none is."""
        return self._index.first_index

    @property
    def last_index(self) -> LogIndex:
        """Index of the last durable entry; 0 when there never was one."""
        return self._index.last_index

    @property
    def has_space(self) -> bool:
        """
        Whether the log can go on after the segment in use.

        False from a failed attempt to prepare a spare to the next that succeeds: new proposals should be refused, while
        the segment in use still takes what others replicate to this node.
        """
        return self._spares.has_space

    @property
    def has_spare(self) -> bool:
        """Whether a zero-filled file waits to be the next segment."""
        return self._spares.count > 0

    @property
    def is_mark_dirty(self) -> bool:
        """Whether a power failure now would leave an older mark."""
        return self._mark.is_dirty

    def term_at(self, index: LogIndex) -> Term | None:
        """
        Return the term of the entry at `index`; 0 for index 0; None if it is not kept.

        Also known for the index before the first one kept, where a follower's log has to match.
        """
        return self._index.term_at(index)

    def memberships(self) -> list[StoredMembership]:
        """
        Return index and payload of the durable MEMBERSHIP entries, in order.

        The first is the one in force where the kept log begins; it may be older than the first entry kept. None at all
        in a log that never held one.
        """
        return self._index.memberships()

    def extents(self) -> list[LogExtent]:
        """Return what each segment holds, oldest first; the last one is in use. From any thread."""
        with self._segments_lock:
            segments_in_order = [segment for _, segment in sorted(self._segments.items())]
        return [LogExtent(segment.last_index_max, segment.end - segments.HEADER_BYTES) for segment in segments_in_order]

    def entries(self, low: LogIndex, high: LogIndex, bytes_max: int) -> list[Entry]:
        """
        Return entries `low` to `high`, both included, cut after `bytes_max` payload bytes but never before the first.

        Raises:
            LocalProtocolError: The range is not within `first_index` to `last_index`.
            StorageCorrupt: An entry that was durable cannot be read back.

        Limits: from memory if recent; else one read of each batch touched, of which the last is kept for the next call.
        """
        if low < self.first_index or high > self.last_index:
            raise LocalProtocolError(f"entries {low} to {high} of a log from {self.first_index} to {self.last_index}")
        result: list[Entry] = []
        payload_bytes = 0
        index = low
        while index <= high:
            some = self._index.recent(index, high, bytes_max)
            if some is None:
                some = self._read_batch(index, high)
            for entry in some:
                payload_bytes += len(entry.payload)
                if payload_bytes > bytes_max and result:
                    return result
                result.append(entry)
            index = LogIndex(index + len(some))
        return result

    def _read_batch(self, low: LogIndex, high: LogIndex) -> list[Entry]:
        """Read the entries from `low` that one record holds, none above `high`."""
        with self._segments_lock:
            place = self._index.place_of(low)
            if place is None:
                raise LocalProtocolError(f"entry {low} is not kept any more")
            segment = self._segments[place.sequence]
            if self._last_read is None or self._last_read[:2] != (place.sequence, place.offset):
                try:
                    batch = segment.read_entries(place.offset)
                except OSError as error:
                    raise corruption(
                        segment.path, expected="a batch of entries", found=str(error), offset=place.offset
                    ) from error
                if batch[0].index != place.first_index or batch[-1].index < place.last_index:
                    found = f"entries {batch[0].index} to {batch[-1].index}"
                    raise corruption(segment.path, expected=f"entry {low}", found=found, offset=place.offset)
                self._last_read = (place.sequence, place.offset, batch)
            batch = self._last_read[2]
            return batch[low - place.first_index : min(high, place.last_index) - place.first_index + 1]

    def append(self, hard_state: HardState | None, entries: Sequence[Entry]) -> None:
        """
        Write a hard state and entries to the log; durable only after `sync`.

        Args:
            hard_state: Written before the entries; None if unchanged.
            entries: Each index follows the one before. The first is at most one above the last appended; where it is
                lower, the log is first cut to end before it.

        Raises:
            StorageFull: There is no space. Nothing was written and the log is as before: try again later.
            LocalProtocolError: A gap, an entry below the first one kept, or one too large for a segment; a term that
                goes back.
            StorageError: The disk failed, now or earlier; stop the process.

        Limits: no sync, except of the segment in use when it is full.
        Order: hard state, truncation and entries in this order, so a torn write never leaves entries without the
            term they came in.
        """
        self._check_usable()
        drafts = self._draft(hard_state, entries)
        if not drafts:
            return
        with disk_errors(self._directory):
            self._spares.prepare(self._spares_needed(drafts))
        with self._fails_for_good():
            self._write(drafts)
        if entries:
            self._last_index = entries[-1].index

    def _draft(self, hard_state: HardState | None, entries: Sequence[Entry]) -> list[Draft]:
        drafts: list[Draft] = []
        if hard_state is not None and hard_state != self._hard_state:
            if hard_state.term < self._hard_state.term:
                raise LocalProtocolError(f"term {hard_state.term} after term {self._hard_state.term}")
            drafts.append(draft_hard_state(hard_state))
        if not entries:
            return drafts
        first_index = entries[0].index
        if not self._index.first_index <= first_index <= self._last_index + 1:
            raise LocalProtocolError(f"entry {first_index} to a log of {self.first_index} to {self._last_index}")
        if first_index <= self._last_index:
            kept = LogIndex(first_index - 1)
            drafts.append(draft_truncation(Truncation(kept, self._appended_term_at(kept))))
        drafts.extend(draft_entries(entries, self._segment_room()))
        return drafts

    def _segment_room(self) -> int:
        """Bytes for records in an empty segment."""
        return self._spares.segment_bytes - segments.HEADER_BYTES

    def _spares_needed(self, drafts: list[Draft]) -> int:
        room = self._active.room
        count = 0
        for draft in drafts:
            if draft.size > room:
                count += 1
                room = self._segment_room()
            room -= draft.size
        return count

    def _appended_term_at(self, index: LogIndex) -> Term:
        """Return the term of an entry that may not be durable yet."""
        for change in reversed(self._unpublished):
            if isinstance(change, Batch) and change.entries[0].index <= index:
                return change.entries[index - change.entries[0].index].term
        term = self._index.term_at(index)
        assert term is not None, index
        return term

    def _write(self, drafts: list[Draft]) -> None:
        """Encode the drafts and write them, in one piece for each segment touched."""
        pieces: list[bytearray] = []
        start = end = self._active.end
        for draft in drafts:
            if end + draft.size > self._active.header.segment_bytes:
                self._write_pieces(pieces, start, end)
                self._roll()
                pieces = []
                start = end = self._active.end
            data, self._chain = encode_record(
                draft.kind,
                draft.body,
                number=self._number + 1,
                previous_chain=self._chain,
                durable_upto=self._durable_number,
                seed=self._active.seed,
            )
            self._number += 1
            pieces.append(data)
            if isinstance(draft.change, HardState):
                self._hard_state = draft.change
            elif isinstance(draft.change, Truncation):
                self._unpublished.append(draft.change)
            elif isinstance(draft.change, SnapshotMark):
                self._unpublished.append(draft.change)
                self._active.last_index_max = draft.change.last_index
            else:
                self._unpublished.append(Batch(draft.change, self._active.header.sequence, end))
                self._active.last_index_max = max(self._active.last_index_max, draft.change[-1].index)
            end += len(data)
        self._write_pieces(pieces, start, end)

    def _write_pieces(self, pieces: list[bytearray], start: int, end: int) -> None:
        if pieces:
            self._active.file.pwrite(pieces[0] if len(pieces) == 1 else b"".join(pieces), start)
            self._active.end = end

    def _roll(self) -> None:
        """Make everything so far durable and begin the next segment in a spare."""
        self._sync()
        self._sync_mark()
        spare, file = self._spares.take()
        last_index = self._index.last_index
        last_term = self._index.term_at(last_index)
        assert last_term is not None, last_index
        old = self._active.header
        header = segments.SegmentHeader(
            cluster_id=old.cluster_id,
            node_id=old.node_id,
            sequence=old.sequence + 1,
            first_number=self._number + 1,
            chain=self._chain,
            base_index=last_index,
            base_term=last_term,
            hard_state=self._hard_state,
            segment_bytes=self._spares.segment_bytes,
            memberships=tuple(self._index.memberships()[-segments.MEMBERSHIP_COUNT_MAX :]),
        )
        segment = segments.begin_segment(self._files, self._directory, spare, file, header)
        with self._segments_lock:
            self._segments[header.sequence] = segment
            self._active = segment

    def sync(self) -> None:
        """
        Make durable what was appended, show it to readers, then move the mark.

        Raises:
            StorageError: The disk failed, now or earlier. Nothing since the last sync may be acknowledged; stop the
                process, never try again.
        """
        self._check_usable()
        with self._fails_for_good():
            self._sync()

    def _sync(self) -> None:
        if self._durable_number == self._number:
            return
        self._active.file.fdatasync()
        self._index.publish(self._unpublished)
        self._unpublished = []
        self._durable_number = self._number
        self._mark.write(Mark(self._number, self._chain, self._index.last_index, self._hard_state))
        if self._hard_state != self._mark_hard_state or self._number - self._mark_synced_number >= MARK_SYNC_RECORDS:
            self._sync_mark()

    def _sync_mark(self) -> None:
        self._mark.sync()
        self._mark_synced_number = self._number
        self._mark_hard_state = self._hard_state

    def sync_mark(self) -> None:
        """
        Make the mark durable, for a moment when nothing else is to be done.

        Raises:
            StorageError: The disk failed, now or earlier; stop the process.
        """
        self._check_usable()
        with self._fails_for_good():
            self._sync_mark()

    def prepare_spare(self) -> None:
        """
        Zero-fill the next segment unless one waits. From any thread; takes as long as the disk needs for a segment.

        Raises:
            StorageFull: There is no space; `has_space` turns False until a later call succeeds.
            StorageError: The disk failed.
        """
        with disk_errors(self._directory):
            self._spares.prepare()

    def trim(self, upto: LogIndex, *, roll: bool = False) -> int:
        """
        Remove the oldest segments that hold no entry above `upto`; returns how many. On the thread that appends.

        Args:
            roll: Begin a new segment first, if the one in use holds anything and a spare waits, so that it will not
                stay for as long as nobody fills it.

        The caller promises that every entry up to `upto` is in a checkpointed and synced database of this node, with
        which it will be opened from now on, and that no entry up to `upto` will ever be cut. The segment in use stays.

        Raises:
            StorageError: The disk failed, now or earlier; stop the process.
        """
        self._check_usable()
        count = 0
        with self._fails_for_good():
            self._sync()
            self._sync_mark()
            if roll and self._active.end > segments.HEADER_BYTES and self.has_spare:
                self._roll()
            for sequence, segment in sorted(self._segments.items()):
                if segment is self._active or segment.last_index_max > upto:
                    break
                self._remove(sequence, segment)
                count += 1
        return count

    def _remove(self, sequence: int, segment: segments.Segment) -> None:
        """Remove the oldest segment; one at a time, since a crash must not leave a gap between segments."""
        with self._segments_lock:
            self._index.trim(sequence + 1)
            del self._segments[sequence]
            segment.file.close()
        self._files.unlink(segment.path)
        self._files.fsync_directory(self._directory)

    def install_snapshot(self, index: LogIndex, term: Term, membership: bytes) -> None:
        """
        Forget all entries and go on behind a snapshot, durably. On the thread that appends.

        Order: the caller has the snapshot durably, under a name that a restart finds, before this call, and keeps it
        so until the database made of it is durable and this has returned. A restart in between gives it to `open`.
        Inside, a crash leaves the old log or the new one: the snapshot mark is synced, then the mark file, and only
        then the segments before are removed, the oldest first.

        The hard state becomes that of `term`, without a vote, if it is of an older one.

        Args:
            index: Last entry of the snapshot; above the one before the first kept. What the log holds behind it is
                forgotten too: a log that has the very entry at `index` needs no snapshot.
            term: Term of that entry.
            membership: Payload in force there.

        Raises:
            StorageFull: There is no space. The log is as before: try again later.
            LocalProtocolError: The log begins behind `index` already, or the membership is too large.
            StorageError: The disk failed, now or earlier; stop the process.
        """
        self._check_usable()
        if index <= self._index.base_index:
            raise LocalProtocolError(f"a snapshot up to {index} for a log from {self.first_index}")
        drafts = [draft_snapshot_mark(SnapshotMark(index, term, membership))]
        if self._hard_state.term < term:
            # A crash may have taken the term but not the snapshot. No vote was given in it, or it would be known.
            drafts.insert(0, draft_hard_state(HardState(term, None)))
        with disk_errors(self._directory):
            self._spares.prepare(self._spares_needed(drafts))
        with self._fails_for_good():
            self._write(drafts)
            self._last_index = index
            self._sync()
            self._sync_mark()
            for sequence, segment in sorted(self._segments.items()):
                if segment is not self._active:
                    self._remove(sequence, segment)

    def close(self) -> None:
        """
        Make everything durable, unless the disk has failed, and give files and directory back. Once is enough.

        Raises:
            StorageError: The last sync failed; all is closed nevertheless.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._failure is None:
                with self._fails_for_good():
                    self._sync()
                    self._sync_mark()
        finally:
            with self._segments_lock:
                for segment in self._segments.values():
                    segment.file.close()
            self._spares.close()
            self._mark.close()
            self._lock.close()

    def _check_usable(self) -> None:
        if self._is_closed:
            raise LocalProtocolError("the log is closed")
        if self._failure is not None:
            raise StorageError(f"{self._directory}: the log failed before: {self._failure}") from self._failure

    @contextlib.contextmanager
    def _fails_for_good(self) -> Iterator[None]:
        """Fail the log for good when the block raises: what is on disk is unknown from then on."""
        try:
            with disk_errors(self._directory):
                yield
        except BaseException as error:
            self._failure = error
            raise
