"""What a database holds, read beside the server that owns it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import NamedTuple


class Stored(NamedTuple):
    """Rows of all tables, and bytes of the pages that are in use."""

    row_count: int
    byte_count: int

    def since(self, before: Stored) -> Stored:
        """Return what has come since."""
        return Stored(self.row_count - before.row_count, self.byte_count - before.byte_count)


def stored_in(path: str) -> Stored:
    """
    Look into a database of SQLite.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.execute("BEGIN")  # all of it as of one moment
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        # Virtual tables are stored in others, which are counted; their own modules may not be there.
        plain = [name for name in names if _is_plain(database, name)]
        row_count = sum(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in plain)  # noqa: S608
        page_size, page_count, free_count = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
        )
    return Stored(row_count, page_size * (page_count - free_count))


def _is_plain(database: sqlite3.Connection, name: str) -> bool:
    sql = "SELECT coalesce(sql, '') NOT LIKE 'CREATE VIRTUAL%' FROM sqlite_schema WHERE name = ?"
    return bool(database.execute(sql, (name,)).fetchone()[0])
