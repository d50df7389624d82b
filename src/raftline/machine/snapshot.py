"""
Snapshots of the replicated state: a copy of the database at one entry, made while the machine goes on.

The copy is SQLite's online backup, stepped under one read transaction on a connection of its own: what it copies is the
database as it was when the transaction began, however long it takes, and the index it stands for is read inside it.
Pages are verified as they are read, by their checksums, and carry them into the copy.

A snapshot is a whole database of this form, so installing one is a rename (`adopt`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, Term
from raftline.machine.database import connect, connect_file, require_checksums, storage_error
from raftline.machine.media.tables import STORED_FILE, StoredFile

PAGES_PER_STEP: Final = 256
"""Pages that one step copies."""

STEP_BYTES: Final = PAGES_PER_STEP * 4096


class SnapshotHead(NamedTuple):
    """What a snapshot contains: everything up to an entry, the hashes there, and by which rules it was applied."""

    applied_index: LogIndex
    applied_term: Term
    state_hash: bytes
    entry_chain: bytes
    machine_version: int
    cluster_time_ms: int


class SnapshotCopy:
    """
    A copy of the database that is being made.

    Args:
        source: The database of the machine.
        target: Does not exist; it is made. Not synced: whoever needs it durable syncs it.
        vfs: As for `raftline.machine.database.connect`.

    Attributes:
        head: What the copy contains.

    Order: `step` until it returns True, then `close`; `close` earlier gives up, and leaves half a file. One thread at a
    time. While it is open the write-ahead file of the database grows and cannot start anew.

    Raises:
        StorageError: From every call; the disk failed, or the database is damaged.
    """

    def __init__(self, source: Path, target: Path, *, vfs: str | None = None) -> None:
        with _storage_errors():
            self._source = connect(source, vfs=vfs)
            self._target: apsw.Connection | None = None
            self._backup: apsw.Backup | None = None
            try:
                self._source.execute("BEGIN")
                self.head = head_of(self._source)
                self._target = connect(
                    target, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_EXCLUSIVE
                )
                # A copy that a crash leaves half made is thrown away whole.
                self._target.pragma("journal_mode", "off")
                self._target.pragma("synchronous", "off")
                # The checksum VFS writes checksums from the moment it has seen a header that leaves room for them. The
                # pages it is given may have none: SQLite computes them when they enter the database file.
                require_checksums(self._target)
                self._target.execute("CREATE TABLE draft (number)")
                self._backup = self._target.backup("main", self._source, "main")
            except BaseException:
                self.close()
                raise

    def step(self) -> bool:
        """Copy some pages; True when the copy is whole."""
        assert self._backup is not None
        with _storage_errors():
            if not self._backup.step(PAGES_PER_STEP):
                return False
            self._backup.finish()
            self._backup = None
            return True

    def close(self) -> None:
        """Close both sides. Idempotent."""
        with _storage_errors():
            if self._backup is not None:
                self._backup.close(force=True)
                self._backup = None
            if self._target is not None:
                self._target.close()
                self._target = None
            self._source.close()


def read_head(path: Path) -> SnapshotHead:
    """
    Return what a snapshot contains, or a database that nobody has open.

    Raises:
        StorageCorrupt: It is none.
        StorageError: The disk failed.
    """
    with _storage_errors():
        database = connect_file(path)
        try:
            return head_of(database)
        finally:
            database.close()


def stored_files(path: Path) -> list[StoredFile]:
    """
    Return the uploaded files that a snapshot knows, by digest.

    Raises:
        StorageError: The disk failed.
    """
    with _storage_errors():
        database = connect_file(path)
        try:
            rows = database.execute(f"SELECT * FROM {STORED_FILE.name} ORDER BY digest")  # noqa: S608 - own name
            return [StoredFile._make(row) for row in rows]
        finally:
            database.close()


def adopt(snapshot: Path, path: Path) -> None:
    """
    Let a snapshot take the place of the database at `path`, which nobody has open; both are in one file system.

    Order: the snapshot is synced. A crash leaves the old database, perhaps without what its write-ahead file held, or
    the snapshot; the write-ahead file goes first and durably, since it would fit any database of that name.

    Raises:
        StorageError: The disk failed.
    """
    try:
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        _sync_directory(path.parent)
        snapshot.rename(path)
        _sync_directory(path.parent)
        _sync_directory(snapshot.parent)
    except OSError as error:
        raise StorageError(f"{path} could not be replaced by a snapshot: {error}") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def head_of(database: apsw.Connection) -> SnapshotHead:
    """
    Return what an open database contains.

    Raises:
        StorageCorrupt: It does not say so.
        apsw.Error: As SQLite says.
    """
    sql = "SELECT applied_index, applied_term, state_hash, entry_chain, machine_version, cluster_time_ms FROM machine"
    found = database.execute(sql).fetchone()
    if found is None:
        raise StorageCorrupt("the database does not say how far it has come")
    return SnapshotHead._make(found)


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        raise storage_error(error) from error
