"""
Opening the database of the state machine, and moving its write-ahead file into it.

Every page carries a checksum, kept and verified by SQLite's own checksum VFS (`cksumvfs`), so that what a disk altered
is an error when it is read and never an answer. All connections to a database go through it.

SQLite syncs nothing on commit (`synchronous=NORMAL` in WAL mode syncs at checkpoints alone): the replicated log is the
durability, and after a power cut entries are applied again from the index that the database itself tells. Checkpoints
run on a thread of the caller, on a connection of their own, so that no apply ever waits for the disk.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final, Literal, NamedTuple

import apsw
import apsw.sqlite_extra

from raftline.base.errors import StorageCorrupt, StorageError, StorageFull
from raftline.base.ids import LogIndex
from raftline.machine.schema import migrate, require_known_form

_CHECKSUM_EXTENSION: Final = "cksumvfs"
_CHECKSUM_VFS: Final = "cksmvfs"
_CHECKSUM_SIZE: Final = 8
"""Bytes that the checksum VFS asks to be left free at the end of each page."""

Database = apsw.Connection
"""An open database, for those who only pass it on."""

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
        durable_index: Entries up to here are in the database file, synced; None when not all pages were moved.
    """

    busy: bool
    wal_page_count: int
    moved_page_count: int
    durable_index: LogIndex | None = None


@functools.cache
def _checksum_vfs() -> str:
    """Register the checksum VFS with this process, once, and return its name."""
    if apsw.sqlite_extra.has(_CHECKSUM_EXTENSION) is None:
        raise StorageError(f"this build of apsw lacks {_CHECKSUM_EXTENSION}; install the wheel from PyPI")
    connection = apsw.Connection(":memory:")
    try:
        apsw.sqlite_extra.load(connection, _CHECKSUM_EXTENSION)  # stays registered when the connection is closed
    finally:
        connection.close()
    return _CHECKSUM_VFS


def connect(path: Path | str, *, flags: int = apsw.SQLITE_OPEN_READWRITE, vfs: str | None = None) -> apsw.Connection:
    """
    Open a connection that verifies what it reads and checksums what it writes.

    Args:
        vfs: Lies above the checksum VFS, for simulations; None for that alone.

    Raises:
        apsw.Error: As SQLite says.
    """
    below = _checksum_vfs()
    connection = apsw.Connection(str(path), flags=flags, vfs=vfs or below, statementcachesize=_STATEMENT_CACHE_SIZE)
    connection.wal_autocheckpoint(0)
    return connection


def connect_file(path: Path) -> apsw.Connection:
    """
    Open a database file by itself, to be read only: SQLite looks at no file beside it, and leaves none.

    Raises:
        apsw.Error: As SQLite says.
    """
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return connect(f"{path.absolute().as_uri()}?immutable=1", flags=flags)


def open_database(path: Path | Literal[":memory:"], *, vfs: str | None = None) -> apsw.Connection:
    """
    Open the database at `path`, making or migrating its tables.

    A database of an earlier release, without checksums, gets them now; that rewrites it once.

    Raises:
        StorageCorrupt: It is no database, or is damaged.
        StorageFull, StorageError: A later version wrote it, or the disk failed.
    """
    try:
        if path == ":memory:":
            moved_index = 0
            database = apsw.Connection(path, statementcachesize=_STATEMENT_CACHE_SIZE)
        else:
            moved_index = _moved_index(path)
            database = connect(path, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, vfs=vfs)
        try:
            if path != ":memory:":
                _require_whole(database, path, moved_index)
            _configure(database)
            migrate(database)
        except BaseException:
            database.close(True)
            raise
    except apsw.Error as error:
        raise storage_error(error) from error
    database.set_authorizer(_authorize)
    return database


def _require_whole(database: apsw.Connection, path: Path, moved_index: int) -> None:
    """Refuse a file that cannot be what this release or an earlier one left there."""
    # Before anything else: a later version may keep more room in its pages, and must find them as it left them.
    require_known_form(database)
    _require_write_ahead_file(database, path, moved_index)
    require_checksums(database)


def _configure(database: apsw.Connection) -> None:
    database.pragma("journal_mode", "wal")
    database.pragma("synchronous", "normal")
    database.pragma("cache_size", -_PAGE_CACHE_KIB)
    database.pragma("temp_store", "memory")
    database.pragma("trusted_schema", value=False)
    # What was retracted or deleted is overwritten, not only let go of (XEP-0424).
    database.pragma("secure_delete", value=True)


def _moved_index(path: Path) -> int:
    """Return how far the database file has come by itself, without what its write-ahead file holds; 0 if unknown."""
    if not path.exists():
        return 0
    try:
        file = connect_file(path)
        try:
            return _applied_index(file)
        finally:
            file.close()
    except apsw.Error as error:
        if not isinstance(storage_error(error), StorageCorrupt):
            raise
        # A page that was being moved when the power went: the write-ahead file has it whole, or opening it fails.
        return 0


def _require_write_ahead_file(database: apsw.Connection, path: Path, moved_index: int) -> None:
    """
    Refuse a write-ahead file that has lost what was moved out of it before.

    SQLite ends the file at the first frame that is damaged, as at a torn write. Older versions of pages then hide the
    newer ones that a checkpoint had moved already, and others of them show: a database that never was. Every commit
    writes the applied index, and a checkpoint moves pages in order, that one among the first.

    Raises:
        StorageCorrupt: It has.
    """
    applied_index = _applied_index(database)
    if applied_index < moved_index:
        database.close()
        raise StorageCorrupt(
            f"{path}: its write-ahead file ends at entry {applied_index}, of which entry {moved_index} was moved before"
        )


def _applied_index(database: apsw.Connection) -> int:
    if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'machine'").fetchone():
        return 0
    found = database.execute("SELECT applied_index FROM machine").fetchone()
    return int(found[0]) if found else 0


def require_checksums(database: apsw.Connection) -> None:
    """Make sure that pages have room for their checksums; a crash on the way leaves the database as it was."""
    if database.reserve_bytes(None, -1) == _CHECKSUM_SIZE:
        return
    database.reserve_bytes(None, _CHECKSUM_SIZE)
    if database.pragma("page_count"):
        # The space in a page is only rearranged outside of WAL mode.
        database.pragma("journal_mode", "delete")
        database.execute("VACUUM")


def checkpoint(
    path: Path, *, restart: bool = False, truncate: bool = False, vfs: str | None = None
) -> CheckpointResult:
    """
    Move pages from the write-ahead file into the database file and sync it; call it from a thread of its own.

    Args:
        restart: Also wait for readers, so that the next write starts the file anew and it stops growing.
        truncate: As `restart`, and cut the file, which keeps what was written into it else until it is overwritten.
        vfs: As for `connect`.

    Raises:
        StorageFull, StorageCorrupt, StorageError: The disk failed.
    """
    mode = apsw.SQLITE_CHECKPOINT_RESTART if restart else apsw.SQLITE_CHECKPOINT_PASSIVE
    if truncate:
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE
    try:
        database = connect(path, vfs=vfs)
        try:
            database.pragma("synchronous", "normal")
            # What is committed by now is in the file before the checkpoint begins.
            found = database.execute("SELECT applied_index FROM machine").fetchone()
            wal_page_count, moved_page_count = database.wal_checkpoint(mode=mode)
        except apsw.BusyError:
            return CheckpointResult(busy=True, wal_page_count=0, moved_page_count=0)
        finally:
            database.close()
    except apsw.Error as error:
        raise storage_error(error) from error
    is_whole = wal_page_count == moved_page_count
    durable_index = LogIndex(found[0]) if is_whole and found is not None else None
    return CheckpointResult(not is_whole, wal_page_count, moved_page_count, durable_index)


def storage_error(error: apsw.Error) -> StorageError:
    """Say in this package's words what SQLite met."""
    if isinstance(error, apsw.FullError):
        return StorageFull(f"the database found no space: {error}")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StorageCorrupt(f"the database is damaged: {error}")
    if getattr(error, "extendedresult", None) == apsw.SQLITE_IOERR_DATA:
        return StorageCorrupt("the database is damaged: the checksum of a page does not hold")
    return StorageError(f"the database failed: {error}")


def _authorize(action: int, first: str | None, second: str | None, _schema: str | None, _trigger: str | None) -> int:
    """Refuse, when a statement is prepared, functions that would make replicas differ."""
    if action == apsw.SQLITE_FUNCTION and second is not None and second.lower() in _IMPURE_FUNCTIONS:
        return apsw.SQLITE_DENY
    return apsw.SQLITE_OK
