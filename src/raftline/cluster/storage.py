"""
What a node keeps on its disk, opened: the database, and the log beside it.

    <data_dir>/state.db     the replicated state (`raftline.machine`)
    <data_dir>/log/         the write-ahead log (`raftline.wal`)
    <data_dir>/snapshots/   on their way out and in (`snapshot_files`)
    <data_dir>/media/       uploaded files (`raftline.cluster.media`)

    <data_dir>/repair.json  and damaged/, while what was damaged is repaired (`repair`)

A snapshot that was about to be installed when a crash came is installed first: the database is replaced unless it is
newer, and the log is told of it. The database is opened before the log, because it tells the log what it has applied: a
log that ends below that is damaged.

Damage that is found here, or was noted by an earlier life, is set aside, and the node begins anew, knowing its term and
vote: it gets the rest from its peers. It cannot if it has none, or if nobody knows the term and vote any more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from raftline.base.errors import StorageCorrupt
from raftline.base.ids import LogIndex, NodeId
from raftline.cluster.disk_space import DiskSpace
from raftline.cluster.media.objects.bucket import BucketSettings
from raftline.cluster.repair import Repair
from raftline.cluster.snapshot_files import SnapshotFiles
from raftline.machine.database import open_database
from raftline.machine.machine import Machine
from raftline.machine.snapshot import adopt
from raftline.raft.membership import encode_membership
from raftline.raft.messages import HardState, SnapshotMeta
from raftline.wal.directory import LogIdentity
from raftline.wal.files import FileSystem, OperatingSystemFiles
from raftline.wal.index import SnapshotMark
from raftline.wal.log import SEGMENT_BYTES, WriteAheadLog
from raftline.wal.retention import TRAILING_BYTES_MIN
from raftline.wal.salvage import salvage_hard_state
from raftline.wal.writer import LogWriter, StartWriter

_LOG: Final = logging.getLogger(__name__)

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
        has_begun: There is a log, or there was one: then it is damage if none is there.
        has_peers: Others keep what this node keeps, so that it can repair itself.
        keeps_media: This node has to do with uploaded files, which are kept here, or in `bucket`.
        bucket: Of an object store; None for the disks of the nodes.
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
    has_begun: bool = False
    has_peers: bool = True
    keeps_media: bool = False
    bucket: BucketSettings | None = None
    files: FileSystem = field(default_factory=OperatingSystemFiles)
    start_writer: StartWriter = LogWriter
    vfs: str | None = None

    @property
    def database_path(self) -> Path:
        """Where the database is."""
        return self.data_dir / DATABASE_FILE

    @property
    def log_directory(self) -> Path:
        """Where the log is."""
        return self.data_dir / LOG_DIRECTORY


@dataclass(frozen=True, slots=True)
class NodeStorage:
    """
    Database and log of a node, open; who has it closes both.

    Attributes:
        disk: Watches the space; None does not.
        repair: Of what was damaged, if anything was.
    """

    settings: StorageSettings
    machine: Machine
    log: WriteAheadLog
    disk: DiskSpace | None
    repair: Repair

    @property
    def is_recovering(self) -> bool:
        """Log and database lack what this node had acknowledged."""
        return self.repair.note is not None


def open_storage(settings: StorageSettings) -> NodeStorage:
    """
    Open what is on the disk, or begin it, or begin it anew if it is damaged and can be had from peers.

    Raises:
        StorageCorrupt: Something that was durable is damaged or gone, for good.
        StorageError: It is another node's, or the disk failed.
    """
    disk = None
    if settings.reserve_bytes:
        disk = DiskSpace(settings.data_dir, settings.files, reserve_bytes=settings.reserve_bytes)
        disk.make_room_to_start()
    repair = Repair(settings.data_dir, settings.log_directory, settings.database_path, settings.files)
    if repair.note is None or repair.note.is_set_aside:
        try:
            return NodeStorage(settings, *_open(settings), disk, repair)
        except StorageCorrupt as error:
            if not settings.has_peers:
                raise StorageCorrupt(f"{error}. No other node has these data: restore {settings.data_dir}") from error
            repair.record(str(error), _salvage(settings, repair, error))
    _begin_anew(settings, repair)
    return NodeStorage(settings, *_open(settings), disk, repair)


def _open(settings: StorageSettings) -> tuple[Machine, WriteAheadLog]:
    files = SnapshotFiles(settings.data_dir)
    files.begin()
    try:
        snapshot = _finish_installation(settings, files)
        machine = Machine(open_database(settings.database_path, vfs=settings.vfs), domain=settings.domain)
    except StorageCorrupt as error:
        raise StorageCorrupt(f"{settings.database_path}: {error}") from error
    try:
        log = _open_log(settings, machine.applied_index, snapshot, must_exist=settings.has_begun)
        if snapshot is not None:
            files.forget(snapshot)
    except BaseException:
        machine.close()
        raise
    return machine, log


def _open_log(
    settings: StorageSettings, applied_index: LogIndex, snapshot: SnapshotMeta | None, *, must_exist: bool
) -> WriteAheadLog:
    return WriteAheadLog.open(
        settings.log_directory,
        cluster_id=settings.cluster_id,
        node_id=settings.node_id,
        applied_index=applied_index,
        files=settings.files,
        segment_bytes=settings.segment_bytes,
        snapshot=snapshot_mark(snapshot),
        must_exist=must_exist,
    )


def _salvage(settings: StorageSettings, repair: Repair, error: StorageCorrupt) -> HardState:
    """Find out which term and vote must not be forgotten."""
    identity = LogIdentity(settings.cluster_id, settings.node_id)
    try:
        salvaged = salvage_hard_state(settings.files, settings.log_directory, identity)
    except StorageCorrupt as lost:
        if repair.note is None:
            raise StorageCorrupt(
                f"{error}. Term and vote of node {settings.node_id} are lost too ({lost}): it must not come back under "
                f"its id; `raftline cluster replace {settings.node_id}` puts a new node in its place"
            ) from lost
        # It has voted for nobody since that note.
        return repair.note.hard_state
    return salvaged


def _begin_anew(settings: StorageSettings, repair: Repair) -> None:
    """Set aside what is there, and begin a log that knows term and vote."""
    note = repair.note
    assert note is not None
    _LOG.error(
        "what is kept here is damaged and is repaired from the peers (attempt %d): %s", note.attempt, note.reason
    )
    SnapshotFiles(settings.data_dir).clear()
    repair.set_aside()
    begin_log(settings, note.hard_state)
    repair.began()


def begin_log(settings: StorageSettings, hard_state: HardState) -> None:
    """Begin a log where there is none, that knows term and vote and nothing else."""
    log = _open_log(settings, LogIndex(0), None, must_exist=False)
    try:
        log.append(hard_state, [])
        log.sync()
    finally:
        log.close()


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
