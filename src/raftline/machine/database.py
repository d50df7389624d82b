"""
Opening the database of the state machine, and moving its write-ahead file into it.

SQLite syncs nothing on commit (`synchronous=NORMAL` in WAL mode syncs at checkpoints alone): the replicated log is the
durability, and after a power cut entries are applied again from the index that the database itself tells. Checkpoints
run on a thread of the caller, on a connection of their own, so that no apply ever waits for the disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, NamedTuple

import apsw

from raftline.base.errors import StorageCorrupt, StorageError, StorageFull
from raftline.machine.schema import migrate

_PAGE_CACHE_KIB: Final = 64 * 1024
_STATEMENT_CACHE_SIZE: Final = 400
"""Room for the multi-row inserts of every table in seven sizes, and the reads."""

_IMPURE_FUNCTIONS: Final = frozenset(
    {
        "changes",
        "current_date",
        "current_time",
        "current_timestamp",
        "date",
        "datetime",
        "julianday",
        "last_insert_rowid",
        "random",
        "randomblob",
        "strftime",
        "time",
        "timediff",
        "total_changes",
        "unixepoch",
    }
)
"""Functions whose value is not decided by the log."""


class CheckpointResult(NamedTuple):
    """
    What a checkpoint did.

    Attributes:
        busy: A reader or writer was in the way; the rest is moved next time.
        wal_page_count: Pages in the write-ahead file.
        moved_page_count: Pages of them that are in the database file now.
    """

    busy: bool
    wal_page_count: int
    moved_page_count: int


def open_database(path: Path | Literal[":memory:"]) -> apsw.Connection:
    """
    Open the database at `path`, making or migrating its tables.

    Raises:
        StorageCorrupt: It is no database, is damaged, or a later version wrote it.
        StorageFull, StorageError: The disk failed.
    """
    try:
        database = apsw.Connection(str(path), statementcachesize=_STATEMENT_CACHE_SIZE)
        database.pragma("journal_mode", "wal")
        database.pragma("synchronous", "normal")
        database.pragma("cache_size", -_PAGE_CACHE_KIB)
        database.pragma("temp_store", "memory")
        database.pragma("trusted_schema", value=False)
        database.wal_autocheckpoint(0)
        migrate(database)
    except apsw.Error as error:
        raise storage_error(error) from error
    database.set_authorizer(_authorize)
    return database


def checkpoint(path: Path, *, restart: bool = False) -> CheckpointResult:
    """
    Move pages from the write-ahead file into the database file and sync it; call it from a thread of its own.

    Args:
        restart: Also wait for readers, so that the next write starts the file anew and it stops growing.

    Raises:
        StorageFull, StorageCorrupt, StorageError: The disk failed.
    """
    mode = apsw.SQLITE_CHECKPOINT_RESTART if restart else apsw.SQLITE_CHECKPOINT_PASSIVE
    try:
        database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            database.pragma("synchronous", "normal")
            database.wal_autocheckpoint(0)
            wal_page_count, moved_page_count = database.wal_checkpoint(mode=mode)
        except apsw.BusyError:
            return CheckpointResult(busy=True, wal_page_count=0, moved_page_count=0)
        finally:
            database.close()
    except apsw.Error as error:
        raise storage_error(error) from error
    return CheckpointResult(wal_page_count != moved_page_count, wal_page_count, moved_page_count)


def storage_error(error: apsw.Error) -> StorageError:
    """Say in this package's words what SQLite met."""
    if isinstance(error, apsw.FullError):
        return StorageFull(f"the database found no space: {error}")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StorageCorrupt(f"the database is damaged: {error}")
    return StorageError(f"the database failed: {error}")


def _authorize(action: int, first: str | None, second: str | None, _schema: str | None, _trigger: str | None) -> int:
    """Refuse, when a statement is prepared, functions that would make replicas differ."""
    if action == apsw.SQLITE_FUNCTION and second is not None and second.lower() in _IMPURE_FUNCTIONS:
        return apsw.SQLITE_DENY
    return apsw.SQLITE_OK
