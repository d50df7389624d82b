"""
The index of archives by words: SQLite FTS5, derived from the table `message`.

It is no part of the state hash, since nodes build it at their own pace, and part of snapshots, since those are copies
of the whole database. The index holds words alone, no text. It covers the messages up to `indexed_position`; what came
later is read (search.py). Where it is missing, or of another form, it begins anew.

Out of the way of messages. Indexing a message costs some 30 µs, more than all else that apply does for it, so it is
not done in apply: `index_some` is called when the node has time (cluster/indexing.py). Decided against: triggers and
FTS5's external content, which would index with each insert.

Always what the rows say. When rows of messages that are indexed are about to change in SQLite, the words of the old
ones are taken out: the table tells before it is flushed, so whoever changes a message need not know of the index, and
a command that is undone has changed nothing. FTS5 takes out words at once and not by a mark (`secure-delete`): they are
gone with the text (XEP-0424).

Each message is one document, under its position, with a word for each of its two addresses: a search takes the
documents of one owner by such a word, however many others there are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from raftline.machine.history.search_text import search_text
from raftline.machine.records import StoredMessage
from raftline.machine.rows import RowStore, Table

FORM: Final = 1
"""Of the index, and of what goes into it; a database with another one builds its index anew."""

SLICE_BYTES: Final = 32_768
"""Of stanzas that one slice indexes, beyond the first."""

_CREATE: Final = (
    "CREATE VIRTUAL TABLE search USING fts5(people, body, content='', tokenize='unicode61 remove_diacritics 2')"
)
_INSERT: Final = "INSERT INTO search (rowid, people, body) VALUES (?, ?, ?)"
_DELETE: Final = "INSERT INTO search (search, rowid, people, body) VALUES ('delete', ?, ?, ?)"
_WORD: Final = re.compile(r'"([^"]*)"|([^\s"]+)')


class SearchIndex:
    """
    The index of one database. `begin` comes first.

    Attributes:
        indexed_position: Messages up to here are in the index.
    """

    def __init__(self, rows: RowStore, messages: Table[StoredMessage]) -> None:
        self._rows = rows
        self._database = rows.database
        self._messages = messages
        self.indexed_position = 0
        messages.before_flush = self._follow

    def begin(self) -> None:
        """Take up the index of the database, or begin one."""
        database = self._database
        database.execute(
            "CREATE TABLE IF NOT EXISTS search_state (id INTEGER PRIMARY KEY, form INTEGER, indexed_position INTEGER)"
        )
        found = database.execute("SELECT form, indexed_position FROM search_state").fetchone()
        exists = database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'search'").fetchone() is not None
        if found is not None and found[0] == FORM and exists:
            self.indexed_position = found[1]
            return
        with database:
            database.execute("DROP TABLE IF EXISTS search")
            make_index(database)
            database.execute("INSERT OR REPLACE INTO search_state VALUES (1, ?, 0)", (FORM,))
        self.indexed_position = 0

    def index_some(self, limit: int, begin: Callable[[], None]) -> int:
        """
        Index the next messages.

        Args:
            limit: Messages at most; fewer when they are long.
            begin: Opens a transaction, unless one is open; called before anything is written.

        Returns: How many; 0 when all are indexed.
        """
        sql = "SELECT position, stanza FROM message WHERE position > ? ORDER BY position LIMIT ?"
        found = self._rows.select((self._messages,), sql, (self.indexed_position, limit))
        if not found:
            return 0
        begin()
        byte_count = count = 0
        for position, stanza in found:
            if byte_count > SLICE_BYTES:
                break
            self._write(_INSERT, position, stanza)
            self.indexed_position = position
            byte_count += len(stanza)
            count += 1
        self._database.execute("UPDATE search_state SET indexed_position = ?", (self.indexed_position,))
        return count

    def _follow(self, pending: dict[Any, StoredMessage | None]) -> None:
        """Rows are about to be written: take out what the index has of the old ones."""
        indexed = self.indexed_position
        for position in [position for position in pending if position <= indexed]:
            row = pending[position]
            found = self._database.execute("SELECT stanza FROM message WHERE position = ?", (position,)).fetchone()
            if found is None or (row is not None and row.stanza == found[0]):
                continue
            self._write(_DELETE, position, found[0])
            if row is not None:
                self._write(_INSERT, position, row.stanza)

    def _write(self, sql: str, position: int, stanza: bytes) -> None:
        document = document_of(stanza)
        if document is not None:
            self._database.execute(sql, (position, *document))


def make_index(database: Any) -> None:
    """Make an empty index, in the database of the machine or in one of its own."""
    database.execute(_CREATE)
    database.execute("INSERT INTO search (search, rank) VALUES ('secure-delete', 1)")


def document_of(stanza: bytes) -> tuple[str, str] | None:
    """Return the columns of the index for a message; None when it is not found by any word."""
    text = search_text(stanza)
    return None if text is None else (" ".join(map(person_word, text.people)), text.body)


def person_word(bare_jid: str) -> str:
    """Return the word that stands for an address: letters and digits alone, whatever the address holds."""
    return "j" + hashlib.blake2b(bare_jid.encode(), digest_size=8, person=b"raftline-search").hexdigest()


def expression_of(text: str, people: list[str]) -> str | None:
    """
    Write the condition for FTS5: all words of a text, by all of these people.

    Words are compared without regard to case and accents. `"two words"` stand side by side, `wor*` is the beginning of
    a word; nothing else is special.

    Returns: None when the text has no word.
    """
    terms: list[str] = []
    for phrase, word in _WORD.findall(text):
        is_prefix = word.endswith("*")
        term = phrase or word.rstrip("*")
        if any(map(str.isalnum, term)):
            terms.append(f'body : "{term}"{" *" if is_prefix else ""}')
    if not terms:
        return None
    return " AND ".join([*(f"people : {person_word(person)}" for person in people), *terms])
