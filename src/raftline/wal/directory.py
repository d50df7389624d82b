"""
The directory of a log, and how it is opened or begun.

    lock                                  held while a process uses the directory
    mark                                  up to where the log is known to be durable
    wal-<sequence>-<next index>           segments
    spare-<number>                        zero-filled files that wait to be segments
    *.tmp                                 half made when a crash came; removed

A directory is begun in this order, so that a crash in between leaves one that can be begun again: mark file, spare,
first segment. Hence a mark that names a record, or a database that has applied an entry, without any segment means
that the log was lost, not that it is new.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import msgspec

from raftline.base.errors import LocalProtocolError, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import HardState
from raftline.wal import segment as segments
from raftline.wal.corruption import corruption
from raftline.wal.index import EntryIndex, SnapshotMark
from raftline.wal.mark import MARK_NAME, Mark, MarkFile
from raftline.wal.record import origin_chain
from raftline.wal.recovery import RecoveredLog, Recovery
from raftline.wal.spare import TEMPORARY_SUFFIX, SpareShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from raftline.wal.files import FileSystem, Lock

LOCK_NAME: Final = "lock"


class LogIdentity(msgspec.Struct, frozen=True):
    """Whose log it is: never used twice, so that no other log is ever taken for this one."""

    cluster_id: str
    node_id: NodeId


class LogSizes(msgspec.Struct, frozen=True):
    """Size of new segments, and payload bytes of the newest entries to keep in memory."""

    segment_bytes: int
    recent_bytes_max: int


class OpenedDirectory(msgspec.Struct):
    """All that a log rests on, open; `recovered` is durable to its end."""

    files: FileSystem
    path: Path
    lock: Lock
    mark: MarkFile
    spares: SpareShelf
    recovered: RecoveredLog


def open_directory(
    files: FileSystem,
    path: Path,
    identity: LogIdentity,
    sizes: LogSizes,
    applied_index: LogIndex,
    snapshot: SnapshotMark | None = None,
    *,
    must_exist: bool = False,
) -> OpenedDirectory:
    """
    Lock the directory, clear what a crash left half made, and read the log back or begin one, unless it must exist.

    Raises:
        StorageCorrupt: Something that was durable is damaged or gone.
        StorageFull: No space for the first segment.
        StorageError: Someone else uses the directory, it is another node's, or the disk failed.
    """
    _check_arguments(identity, sizes)
    with disk_errors(path), contextlib.ExitStack() as undo:
        files.make_directory(path)
        lock = files.lock(path / LOCK_NAME)
        undo.callback(lock.close)
        names = _remove_temporary(files, path)
        spares = SpareShelf(files, path, sizes.segment_bytes)
        undo.callback(spares.close)
        spares.adopt(names)
        segment_names = [name for name in names if segments.parse_segment_name(name)]
        mark = MarkFile.open(files, path) if MARK_NAME in names else None
        if mark is not None:
            undo.callback(mark.close)
        _check_whole(path, mark, segment_names, applied_index, must_exist=must_exist)
        if mark is None:
            origin = Mark(0, origin_chain(identity.cluster_id, identity.node_id), LogIndex(0), HardState(Term(0), None))
            mark = MarkFile.create(files, path, origin)
            undo.callback(mark.close)
        if segment_names:
            recovered = Recovery(
                files,
                path,
                cluster_id=identity.cluster_id,
                node_id=identity.node_id,
                mark=mark.mark,
                applied_index=applied_index,
                recent_bytes_max=sizes.recent_bytes_max,
                snapshot=snapshot,
            ).run(segment_names)
        else:
            recovered = _begin(files, path, spares, identity, sizes)
        undo.callback(recovered.close)
        mark.write(Mark(recovered.number, recovered.chain, recovered.index.last_index, recovered.hard_state))
        mark.sync()
        undo.pop_all()
        return OpenedDirectory(files, path, lock, mark, spares, recovered)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into a `StorageError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error}") from error


def _check_arguments(identity: LogIdentity, sizes: LogSizes) -> None:
    if not 0 < len(identity.cluster_id.encode()) <= segments.CLUSTER_ID_BYTES_MAX or identity.node_id < 1:
        raise LocalProtocolError(f"no identity: {identity}")
    if not segments.SEGMENT_BYTES_MIN <= sizes.segment_bytes <= segments.SEGMENT_BYTES_MAX:
        raise LocalProtocolError(f"no size for a segment: {sizes.segment_bytes}")


def _remove_temporary(files: FileSystem, path: Path) -> list[str]:
    """Remove what a crash left half made; returns the other names."""
    names = files.names(path)
    for name in names:
        if name.endswith(TEMPORARY_SUFFIX):
            files.unlink(path / name)
    return [name for name in names if not name.endswith(TEMPORARY_SUFFIX)]


def _check_whole(
    path: Path, mark: MarkFile | None, segment_names: list[str], applied_index: LogIndex, *, must_exist: bool
) -> None:
    """Refuse a directory that has lost its mark file or all of its segments."""
    if segment_names:
        if mark is None:
            raise corruption(path / MARK_NAME, expected="a mark file beside the segments", found="none")
        return
    if applied_index > 0:
        expected = f"a log with entry {applied_index}, which the database has applied"
        raise corruption(path, expected=expected, found="none")
    if mark is not None and mark.mark.number > 0:
        expected = f"segments with record {mark.mark.number}, which the mark file names"
        raise corruption(path, expected=expected, found="none")
    if must_exist:
        raise corruption(path, expected="the log that this node has begun", found="none")


def _begin(files: FileSystem, path: Path, spares: SpareShelf, identity: LogIdentity, sizes: LogSizes) -> RecoveredLog:
    """Begin the first segment of a new log."""
    spares.prepare()
    spare, file = spares.take()
    header = segments.SegmentHeader(
        cluster_id=identity.cluster_id,
        node_id=identity.node_id,
        sequence=1,
        first_number=1,
        chain=origin_chain(identity.cluster_id, identity.node_id),
        base_index=LogIndex(0),
        base_term=Term(0),
        hard_state=HardState(Term(0), None),
        segment_bytes=sizes.segment_bytes,
    )
    try:
        segment = segments.begin_segment(files, path, spare, file, header)
    except BaseException:
        file.close()
        raise
    index = EntryIndex(LogIndex(0), Term(0), recent_bytes_max=sizes.recent_bytes_max)
    return RecoveredLog([segment], index, header.hard_state, 0, header.chain)
