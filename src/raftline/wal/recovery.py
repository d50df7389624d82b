"""
Reading a log back after a stop of any kind.

The records are read in order as long as each one is whole and continues the chain. Where that ends, the question is
whether the log was ever longer. It was, and the node must stop, when any of these says so:

- another segment follows: it was begun only after everything before it was durable;
- the mark names that record or a later one;
- a later record is found behind the place that tells that record to have been durable when it was written;
- the database has applied an entry that the log does not hold.

Otherwise the place is the torn tail of a write that was never acknowledged: records behind it may be whole, because
a disk keeps unsynced sectors in any order, but nobody was told of them. The tail is overwritten with zeros, so that no
record of it can ever continue the chain again.

What is kept above the mark is written again and synced before it counts as durable. It may be in memory only: the
process was killed between write and sync, or a sync failed and the kernel calls the pages clean ever since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from raftline.base.errors import StorageError
from raftline.base.ids import LogIndex
from raftline.raft.messages import HardState
from raftline.wal import record as records
from raftline.wal import segment as segments
from raftline.wal.corruption import corruption
from raftline.wal.index import EntryIndex, SnapshotMark

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.base.ids import NodeId
    from raftline.wal.files import File, FileSystem
    from raftline.wal.mark import Mark


class RecoveredLog(msgspec.Struct):
    """
    What was read back; all of it durable.

    Attributes:
        segments: Oldest first; the last one is where the log goes on. Never empty.
        index: The entries.
        hard_state: Term and vote.
        number: Number of the last record.
        chain: Its chain value.
        cut_bytes: How much of a torn tail was overwritten; 0 for a clean end.
    """

    segments: list[segments.Segment]
    index: EntryIndex
    hard_state: HardState
    number: int
    chain: int
    cut_bytes: int = 0

    def close(self) -> None:
        """Close the segments."""
        for segment in self.segments:
            segment.file.close()


def lacks_snapshot(index: EntryIndex, snapshot: SnapshotMark) -> bool:
    """Say whether a log was not told of a snapshot yet: it neither begins behind it nor holds its last entry."""
    return index.base_index < snapshot.last_index and index.term_at(snapshot.last_index) != snapshot.last_term


class Recovery:
    """
    One pass over the segments of a directory.

    Args:
        files: The disk.
        directory: Where the segments are.
        cluster_id: The cluster this node belongs to.
        node_id: This node.
        mark: Lower bound of what was durable.
        applied_index: Last index that the database has applied; 0 for a new one; None leaves it out of the question.
        snapshot: Of which the database is made, if the log may not have been told of it yet; else None.
        recent_bytes_max: Payload bytes that the index may keep in memory.
    """

    def __init__(
        self,
        files: FileSystem,
        directory: Path,
        *,
        cluster_id: str,
        node_id: NodeId,
        mark: Mark,
        applied_index: LogIndex | None,
        recent_bytes_max: int,
        snapshot: SnapshotMark | None = None,
    ) -> None:
        self._files = files
        self._directory = directory
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._mark = mark
        self._applied_index = applied_index
        self._snapshot = snapshot
        self._recent_bytes_max = recent_bytes_max
        self._rewrite_from = segments.HEADER_BYTES
        self._log: RecoveredLog | None = None

    def run(self, names: list[str]) -> RecoveredLog:
        """
        Read the segments called `names`, repair a torn tail, and make durable what is kept.

        Raises:
            StorageCorrupt: Something that was durable is damaged or gone.
            StorageError: The directory is another node's, or was written by a later release.
            OSError: The disk failed.
        """
        data = b""
        stop = records.Damage("nothing")
        try:
            for name in sorted(names):
                segment = self._open_segment(name, stop)
                data = segment.file.pread(segment.header.segment_bytes, 0)
                stop = self._replay(segment, memoryview(data))
            log = self._recovered()
            self._check_tail(log, memoryview(data), stop)
            self._check_applied(log)
            self._settle_tail(log, data)
        except BaseException:
            if self._log is not None:
                self._log.close()
            raise
        return log

    def _recovered(self) -> RecoveredLog:
        assert self._log is not None, "no segment was read"
        return self._log

    def _open_segment(self, name: str, stop: records.Damage) -> segments.Segment:
        """Open the next segment; `stop` is why the one before ended."""
        path = self._directory / name
        file = self._files.open(path)
        try:
            header = self._read_header(path, file, stop)
        except BaseException:
            file.close()
            raise
        segment = segments.Segment(path, file, header)
        if self._log is None:
            index = EntryIndex(
                header.base_index,
                header.base_term,
                recent_bytes_max=self._recent_bytes_max,
                memberships=header.memberships,
            )
            self._log = RecoveredLog([], index, header.hard_state, header.first_number - 1, header.chain)
        self._log.segments.append(segment)
        self._check_mark(segment)
        return segment

    def _read_header(self, path: Path, file: File, stop: records.Damage) -> segments.SegmentHeader:
        header = segments.decode_header(file.pread(segments.HEADER_BYTES, 0))
        if isinstance(header, str):
            raise corruption(path, expected="the header of a segment", found=header, offset=0)
        self._check_header(path, header, stop)
        size = file.size()
        if size < header.segment_bytes:
            raise corruption(path, expected=f"a file of {header.segment_bytes} bytes", found=f"one of {size}")
        return header

    def _check_header(self, path: Path, header: segments.SegmentHeader, stop: records.Damage) -> None:
        if (header.cluster_id, header.node_id) != (self._cluster_id, self._node_id):
            raise StorageError(
                f"{path}: this log belongs to node {header.node_id} of cluster {header.cluster_id}, "
                f"this is node {self._node_id} of cluster {self._cluster_id}. Nothing was changed."
            )
        name = segments.segment_name(header.sequence, LogIndex(header.base_index + 1))
        if name != path.name:
            raise corruption(path, expected="the header of this segment", found=f"that of {name}", offset=0)
        if self._log is None:
            origin = records.origin_chain(self._cluster_id, self._node_id)
            if header.sequence == 1 and (header.chain, header.first_number) != (origin, 1):
                raise corruption(path, expected="the start of the chain", found="another chain value", offset=0)
            return
        last = self._log.segments[-1]
        if header.sequence != last.header.sequence + 1:
            expected = f"segment {last.header.sequence + 1} after {last.path.name}"
            raise corruption(path, expected=expected, found=f"segment {header.sequence}")
        if header.first_number != self._log.number + 1 or header.chain != self._log.chain:
            expected = f"record {self._log.number + 1}, since segment {header.sequence} follows"
            raise corruption(last.path, expected=expected, found=stop.reason, offset=last.end)

    def _replay(self, segment: segments.Segment, buffer: memoryview) -> records.Damage:
        """Take over the records of a segment; returns why it ended."""
        log = self._recovered()
        while True:
            record = records.decode_record(buffer, segment.end, segment.seed)
            if isinstance(record, records.Damage):
                return record
            if record.number != log.number + 1 or record.previous_chain != log.chain:
                return records.Damage(f"record {record.number}, which does not continue the chain")
            self._replay_record(log, segment, record)
            log.number, log.chain = record.number, record.chain
            segment.end += record.size
            self._check_mark(segment)

    def _replay_record(self, log: RecoveredLog, segment: segments.Segment, record: records.Record) -> None:
        try:
            misfit = self._replay_body(log, segment, record)
        except ValueError as error:
            misfit = str(error)
        if misfit:
            expected = f"a record that fits the log after record {log.number}"
            raise corruption(segment.path, expected=expected, found=misfit, offset=record.offset)

    def _replay_body(self, log: RecoveredLog, segment: segments.Segment, record: records.Record) -> str:
        """Take over one record; a string says why it cannot be."""
        if record.kind == records.RecordKind.ENTRIES:
            first_index, terms = records.decode_terms(record.body)
            if first_index != log.index.last_index + 1 or not terms:
                return f"{len(terms)} entries from {first_index} after entry {log.index.last_index}"
            memberships = records.decode_memberships(record.body)
            log.index.add(first_index, terms, segment.header.sequence, record.offset, memberships)
            segment.last_index_max = max(segment.last_index_max, log.index.last_index)
        elif record.kind == records.RecordKind.HARD_STATE:
            log.hard_state = records.decode_hard_state(record.body)
        elif record.kind == records.RecordKind.TRUNCATE:
            last_index, last_term = records.decode_truncate(record.body)
            if last_index >= log.index.last_index:
                return f"a truncation to {last_index} after entry {log.index.last_index}"
            log.index.truncate(last_index, last_term)
        elif record.kind == records.RecordKind.SNAPSHOT_MARK:
            mark = SnapshotMark(*records.decode_snapshot_mark(record.body))
            log.index.install(mark)
            # What earlier segments hold counts no more, however far it went.
            for earlier in log.segments:
                earlier.last_index_max = min(earlier.last_index_max, mark.last_index)
            segment.last_index_max = mark.last_index
        else:
            raise StorageError(
                f"{segment.path}, offset {record.offset}: a record of kind {record.kind}, which a later release "
                f"wrote. Start that release again; nothing was changed."
            )
        return ""

    def _check_mark(self, segment: segments.Segment) -> None:
        """Compare the chain with the mark's, and note where in the last segment the mark stands."""
        log = self._recovered()
        if log.number <= self._mark.number:
            self._rewrite_from = segment.end
        elif segment.end == segments.HEADER_BYTES:
            self._rewrite_from = segments.HEADER_BYTES
        if log.number == self._mark.number and log.chain != self._mark.chain:
            expected = f"record {log.number} as the mark file knows it"
            raise corruption(segment.path, expected=expected, found="another one in its place", offset=segment.end)

    def _check_tail(self, log: RecoveredLog, buffer: memoryview, stop: records.Damage) -> None:
        """Refuse when the log was longer once; see the head of this module."""
        segment = log.segments[-1]
        due = log.number + 1
        if self._mark.number >= due:
            expected = f"record {due}, durable according to the mark file (which names record {self._mark.number})"
            raise corruption(segment.path, expected=expected, found=stop.reason, offset=segment.end)
        for later in records.later_records(buffer, segment.end, segment.seed):
            if later.durable_upto >= due:
                expected = f"record {due}, durable according to record {later.number} at offset {later.offset}"
                raise corruption(segment.path, expected=expected, found=stop.reason, offset=segment.end)

    def _check_applied(self, log: RecoveredLog) -> None:
        """Compare the log with the database beside it."""
        path = log.segments[-1].path
        if self._applied_index is None:
            return
        if self._snapshot is not None and lacks_snapshot(log.index, self._snapshot):
            # The crash came before the log was told; it is told next.
            return
        if self._applied_index > log.index.last_index:
            expected = f"entry {self._applied_index}, which the database has applied"
            raise corruption(path, expected=expected, found=f"a log that ends at {log.index.last_index}")
        if self._applied_index < log.index.base_index:
            expected = f"entry {self._applied_index + 1}, the next for the database"
            found = f"a log that starts at {log.index.first_index}"
            raise corruption(log.segments[0].path, expected=expected, found=found)

    def _settle_tail(self, log: RecoveredLog, data: bytes) -> None:
        """Write what is above the mark again, zeros over a torn tail, and sync both and the directory."""
        segment = log.segments[-1]
        written_end = len(data.rstrip(b"\0"))
        log.cut_bytes = max(0, written_end - segment.end)
        kept = data[self._rewrite_from : segment.end]
        if kept or log.cut_bytes:
            segment.file.pwrite(kept + bytes(log.cut_bytes), self._rewrite_from)
        segment.file.fdatasync()
        self._files.fsync_directory(self._directory)
