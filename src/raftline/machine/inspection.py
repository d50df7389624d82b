"""Looking a database through that nobody has open: every page's checksum, SQLite's own structures, the head."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import apsw

from raftline.base.errors import StorageCorrupt
from raftline.machine.database import connect_file, storage_error
from raftline.machine.schema import TABLES, require_known_form
from raftline.machine.snapshot import SnapshotHead, head_of

COMPLAINT_COUNT_MAX: Final = 20
"""What SQLite says of a damaged file is cut after so many lines."""


class Inspection(NamedTuple):
    """
    What was seen.

    Attributes:
        head: How far the database has come; None if it does not say so.
        row_count: Rows of replicated tables.
        complaints: What is wrong with it; empty for nothing.
    """

    head: SnapshotHead | None
    row_count: int
    complaints: tuple[str, ...]


def inspect(path: Path) -> Inspection:
    """
    Read a whole database file without changing anything; a write-ahead file beside it is not looked at.

    Raises:
        StorageError: A later release wrote it, or the disk failed.
    """
    head: SnapshotHead | None = None
    row_count = 0
    complaints: list[str] = []
    try:
        database = connect_file(path)
        try:
            require_known_form(database)
            head = head_of(database)
            for (line,) in database.execute(f"PRAGMA integrity_check({COMPLAINT_COUNT_MAX})"):
                if line != "ok":
                    complaints.append(f"the database is damaged: {line}")
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            for table in TABLES:
                if table.name in tables:
                    row_count += int(database.execute(f"SELECT count(*) FROM {table.name}").get)  # noqa: S608
        finally:
            database.close()
    except StorageCorrupt as error:
        complaints.append(str(error))
    except apsw.Error as error:
        found = storage_error(error)
        if not isinstance(found, StorageCorrupt):
            raise found from error
        complaints.append(str(found))
    return Inspection(head, row_count, tuple(complaints))
