"""
What a node keeps on its disk, opened: the database, and the log beside it.

    <data_dir>/state.db     the replicated state (`raftline.machine`)
    <data_dir>/log/         the write-ahead log (`raftline.wal`)
    <data_dir>/snapshots/   on their way out and in (`snapshot_files`)

A snapshot that was about to be installed when a crash came is installed first: the database is replaced unless it is
newer, and the log is told of it. The database is opened before the log, because it tells the log what it has applied: a
log that ends below that is damaged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from raftline.base.errors import StorageCorrupt
from raftline.base.ids import LogIndex, NodeId
from raftline.cluster.disk_space import DiskSpace
from raftline.cluster.snapshot_files import SnapshotFiles
from raftline.machine.database import open_database
from raftline.machine.machine import Machine
from raftline.machine.snapshot import adopt
from raftline.raft.membership import encode_membership
from raftline.raft.messages import SnapshotMeta
from raftline.wal.files import FileSystem, OperatingSystemFiles
from raftline.wal.index import SnapshotMark
from raftline.wal.log import SEGMENT_BYTES, WriteAheadLog
from raftline.wal.retention import TRAILING_BYTES_MIN
from raftline.wal.writer import LogWriter, StartWriter

DATABASE_FILE: Final = "state.db"
LOG_DIRECTORY: Final = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """
    How a node keeps what it keeps.

    Attributes:
        data_dir: Exists, and this process alone uses it.
        cluster_id, node_id: Whose data it is; data of others are refused.
        domain: Of all accounts.
        segment_bytes: Size of one file of the log.
        trailing_bytes: Bytes of the log to keep behind a checkpoint at least.
        reserve_bytes: What is kept free on the disk; 0 does not look.
        files: The disk of the log.
        start_writer: Makes the log's writer; simulations bring one without threads.
        vfs: As for `raftline.machine.database.connect`.
    """

    data_dir: Path
    cluster_id: str
    node_id: NodeId
    domain: str
    segment_bytes: int = SEGMENT_BYTES
    trailing_bytes: int = TRAILING_BYTES_MIN
    reserve_bytes: int = 0
    files: FileSystem = field(default_factory=OperatingSystemFiles)
    start_writer: StartWriter = LogWriter
    vfs: str | None = None

    @property
    def database_path(self) -> Path:
        """Where the database is."""
        return self.data_dir / DATABASE_FILE


@dataclass(frozen=True, slots=True)
class NodeStorage:
    """Database and log of a node, open; who has it closes both. `disk` watches the space, None does not."""

    settings: StorageSettings
    machine: Machine
    log: WriteAheadLog
    disk: DiskSpace | None


def open_storage(settings: StorageSettings) -> NodeStorage:
    """
    Open what is on the disk, or begin it.

    Raises:
        StorageCorrupt: Something that was durable is damaged or gone.
        StorageError: It is another node's, or the disk failed.
    """
    disk = None
    if settings.reserve_bytes:
        disk = DiskSpace(settings.data_dir, settings.files, reserve_bytes=settings.reserve_bytes)
        disk.make_room_to_start()
    files = SnapshotFiles(settings.data_dir)
    files.begin()
    try:
        snapshot = _finish_installation(settings, files)
        machine = Machine(open_database(settings.database_path, vfs=settings.vfs), domain=settings.domain)
    except StorageCorrupt as error:
        raise StorageCorrupt(
            f"{settings.database_path}: {error}. This node must not serve it; the other nodes go on without this one"
        ) from error
    try:
        log = WriteAheadLog.open(
            settings.data_dir / LOG_DIRECTORY,
            cluster_id=settings.cluster_id,
            node_id=settings.node_id,
            applied_index=machine.applied_index,
            files=settings.files,
            segment_bytes=settings.segment_bytes,
            snapshot=snapshot_mark(snapshot),
        )
        if snapshot is not None:
            files.forget(snapshot)
    except BaseException:
        machine.close()
        raise
    return NodeStorage(settings, machine, log, disk)


def _finish_installation(settings: StorageSettings, files: SnapshotFiles) -> SnapshotMeta | None:
    """Let a snapshot that is kept take the place of an older database; return it, for the log."""
    snapshot = files.kept()
    if snapshot is not None and files.install_path.exists():
        path = settings.database_path
        if not path.exists() or _applied_index(settings) < snapshot.index:
            adopt(files.install_path, path)
    return snapshot


def _applied_index(settings: StorageSettings) -> LogIndex:
    try:
        machine = Machine(open_database(settings.database_path, vfs=settings.vfs), domain=settings.domain)
    except StorageCorrupt:
        return LogIndex(0)  # the snapshot is worth more
    try:
        return machine.applied_index
    finally:
        machine.close()


def snapshot_mark(meta: SnapshotMeta | None) -> SnapshotMark | None:
    """Return what the log is told of a snapshot."""
    return None if meta is None else SnapshotMark(meta.index, meta.term, encode_membership(meta.membership))
