"""
The only way rows are read and written: write-behind tables, with a journal that serves the state hash and undo.

A write goes into memory (`_pending`) and into the journal; SQLite sees it at the next flush, many rows to a statement
and sorted by key. A row inserted and deleted between two flushes never reaches SQLite. Point reads look into memory
first; anything that reads a range names its tables, which are flushed before.

The journal of one command is a list of changes `(table, key, old row, new row)`. It is hashed when the command ends,
old rows included, so that the hash parts ways when a command meets a row that was altered behind our back. When the
command fails instead, it is walked backwards and every old row is put back: this is the savepoint. SQLite's own would
force a flush at each command.

Invariants:

- A key in `_fresh` is in `_pending` with a row, and SQLite holds no row of that key.
- A key in `_pending` with None is to be deleted; SQLite may hold it.
- A cached table's `_cache` agrees with `_pending` where both know a key.
- A flush cannot fail for what a row holds: commands are validated when decoded (integers fit 64 bits), tables have no
  constraints and inserts replace. What fails then is the disk, and the node stops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import chain
from typing import Any, Final, Generic, TypeVar, cast

import apsw
import msgspec

from raftline.machine.tables import TableDefinition

RowT = TypeVar("RowT", bound=tuple[Any, ...])

Change = tuple[int, Hashable, tuple[Any, ...] | None, tuple[Any, ...] | None]
"""Number of the table, key, the row before, the row after."""

PENDING_ROW_COUNT_MAX: Final = 8192
"""Rows held back before a flush is due, so that memory stays bounded however long a transaction is open."""

CACHE_ROW_COUNT_MAX: Final = 262_144
"""Rows a cached table keeps in memory; at some 400 bytes each about 100 MB."""

_BATCH_SIZES: Final = (64, 32, 16, 8, 4, 2, 1)
_SCRUB_DIGEST_SIZE: Final = 16
_MISSING: Final = object()


class Table(Generic[RowT]):
    """One replicated table. A key is the value of its single key column, or a tuple of them."""

    def __init__(self, store: RowStore, definition: TableDefinition, make: Callable[[Iterable[Any]], RowT]) -> None:
        self.definition = definition
        self.number: Final = definition.number
        self._database = store.database
        self._journal = store.journal
        self._make = make
        self._pending: dict[Any, RowT | None] = {}
        self._fresh: set[Any] = set()
        self._cache: dict[Any, RowT] | None = {} if definition.cached else None
        name, columns, width = definition.name, definition.columns, definition.key_width
        places = "(" + ",".join("?" * len(columns)) + ")"
        condition = " AND ".join(f"{column}=?" for column in columns[:width])
        self._insert_sql: Final = {
            size: f"INSERT OR REPLACE INTO {name} VALUES {','.join([places] * size)}"  # noqa: S608 - own names alone
            for size in _BATCH_SIZES
        }
        self._get_sql: Final = f"SELECT {','.join(columns)} FROM {name} WHERE {condition}"  # noqa: S608
        self._delete_sql: Final = f"DELETE FROM {name} WHERE {condition}"  # noqa: S608
        self._composite: Final = width > 1
        self.before_flush: Callable[[dict[Any, RowT | None]], None] | None = None
        """Told what is about to be written, while SQLite has the rows as they were."""

    def get(self, key: Any) -> RowT | None:
        """Return the row of a key as the command before this line left it."""
        cache = self._cache
        if cache is not None:
            row = cache.get(key)
            if row is not None:
                return row
        known = self._pending.get(key, _MISSING)
        if known is not _MISSING:
            return cast("RowT | None", known)
        found = self._database.execute(self._get_sql, key if self._composite else (key,)).fetchone()
        if found is None:
            return None
        row = self._make(found)
        if cache is not None:
            cache[key] = row
        return row

    def insert(self, key: Any, row: RowT) -> None:
        """Write a row whose key is known to be absent; saves the look at the old row."""
        self._journal.append((self.number, key, None, row))
        if key not in self._pending:  # else a deletion waits there, and SQLite may hold a row of that key
            self._fresh.add(key)
        self._pending[key] = row
        if self._cache is not None:
            self._cache[key] = row

    def put(self, key: Any, row: RowT) -> None:
        """Write a row, new or not. One that is there already in the same form is no change."""
        old = self.get(key)
        if old is None or old != row:
            self._journal.append((self.number, key, old, row))
            self._pending[key] = row
            if self._cache is not None:
                self._cache[key] = row

    def delete(self, key: Any) -> RowT | None:
        """Delete a row and return it; None if there was none."""
        old = self.get(key)
        if old is not None:
            self._journal.append((self.number, key, old, None))
            self._forget(key)
        return old

    def undo(self, key: Any, old: tuple[Any, ...] | None) -> None:
        """Put the row of a key back to what it was before a change."""
        if old is None:
            self._forget(key)
            return
        row = self._make(old)
        self._pending[key] = row
        if self._cache is not None:
            self._cache[key] = row

    def flush(self) -> None:
        """Hand all pending rows to SQLite."""
        pending = self._pending
        if not pending:
            return
        if self.before_flush is not None:
            self.before_flush(pending)
        rows: list[RowT] = []
        gone: list[Any] = []
        for key in sorted(pending):
            row = pending[key]
            if row is None:
                gone.append(key)
            else:
                rows.append(row)
        start, count = 0, len(rows)
        for size in _BATCH_SIZES:
            while count - start >= size:
                batch = rows[start : start + size]
                self._database.execute(self._insert_sql[size], tuple(chain.from_iterable(batch)))
                start += size
        if gone:
            self._database.executemany(self._delete_sql, gone if self._composite else ((key,) for key in gone))
        pending.clear()
        self._fresh.clear()

    def trim_cache(self) -> None:
        """Give memory back when the cache has grown too large; all rows must be flushed."""
        assert not self._pending
        if self._cache is not None and len(self._cache) > CACHE_ROW_COUNT_MAX:
            self._cache.clear()

    @property
    def pending_count(self) -> int:
        """How many rows wait for a flush."""
        return len(self._pending)

    def stored_rows(self) -> Iterator[tuple[Any, ...]]:
        """All rows as SQLite holds them, by key; nothing may be written meanwhile."""
        order = ",".join(self.definition.columns[: self.definition.key_width])
        columns = ",".join(self.definition.columns)
        yield from self._database.execute(
            f"SELECT {columns} FROM {self.definition.name} ORDER BY {order}"  # noqa: S608 - own names alone
        )

    def _forget(self, key: Any) -> None:
        if self._cache is not None:
            self._cache.pop(key, None)
        if key in self._fresh:
            self._fresh.discard(key)
            del self._pending[key]
        else:
            self._pending[key] = None


class RowStore:
    """
    All tables of one database, and the journal of the command that runs.

    Attributes:
        journal: Changes since `take_journal`; its length serves as a mark for `undo_to`.
    """

    def __init__(self, database: apsw.Connection) -> None:
        self.database = database
        self.journal: list[Change] = []
        self._tables: dict[int, Table[Any]] = {}
        self._encoder = msgspec.msgpack.Encoder()

    def table(self, definition: TableDefinition, make: Callable[[Iterable[Any]], RowT]) -> Table[RowT]:
        """Make the one `Table` of a definition; `make` turns a stored row into its type."""
        assert definition.number not in self._tables, definition.name
        table = Table(self, definition, make)
        self._tables[definition.number] = table
        return table

    @property
    def tables(self) -> list[Table[Any]]:
        """All tables, by number."""
        return [self._tables[number] for number in sorted(self._tables)]

    def select(self, tables: Iterable[Table[Any]], sql: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
        """Read by SQL, after flushing the tables that the statement names."""
        for table in tables:
            table.flush()
        return self.database.execute(sql, bindings).fetchall()

    def encode_journal(self) -> bytes:
        """Encode the changes of this command for the state hash."""
        return self._encoder.encode(self.journal)

    def undo_to(self, mark: int) -> None:
        """Take back all changes after the first `mark`, the last first."""
        journal = self.journal
        while len(journal) > mark:
            number, key, old, _new = journal.pop()
            self._tables[number].undo(key, old)

    def flush(self) -> None:
        """Hand all pending rows of all tables to SQLite."""
        for table in self._tables.values():
            table.flush()

    @property
    def flush_due(self) -> bool:
        """Too many rows wait for a flush."""
        return sum(table.pending_count for table in self._tables.values()) >= PENDING_ROW_COUNT_MAX

    def trim_caches(self) -> None:
        """Give memory back where a cache has grown too large; all rows must be flushed."""
        for table in self._tables.values():
            table.trim_cache()

    def scrub_digest(self, name: str) -> bytes:
        """
        Hash the stored rows of a table, for comparison with another node at the same index.

        Reads the whole table. It looks at SQLite alone, so it finds rows altered, lost or added by whatever means.
        """
        table = next(table for table in self._tables.values() if table.definition.name == name)
        table.flush()
        digest = hashlib.blake2b(digest_size=_SCRUB_DIGEST_SIZE)
        for row in table.stored_rows():
            digest.update(self._encoder.encode(row))
        return digest.digest()
