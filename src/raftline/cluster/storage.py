"""
What a node keeps on its disk, opened: the database, and the log beside it.

    <data_dir>/state.db     the replicated state (`raftline.machine`)
    <data_dir>/log/         the write-ahead log (`raftline.wal`)

The database is opened first, because it tells the log what it has applied: a log that ends below that is damaged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from raftline.base.errors import StorageCorrupt
from raftline.base.ids import NodeId
from raftline.cluster.disk_space import DiskSpace
from raftline.machine.database import open_database
from raftline.machine.machine import Machine
from raftline.wal.files import FileSystem, OperatingSystemFiles
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
    try:
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
        )
    except BaseException:
        machine.close()
        raise
    return NodeStorage(settings, machine, log, disk)
