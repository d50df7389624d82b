"""Tables that write behind, their journal and undo."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.machine.database import open_database
from raftline.machine.records import Archived, Presence
from raftline.machine.rows import RowStore, Table
from raftline.machine.schema import ARCHIVE, PRESENCE


def store() -> tuple[RowStore, Table[Presence], Table[Archived]]:
    rows = RowStore(open_database(":memory:"))
    return rows, rows.table(PRESENCE, Presence._make), rows.table(ARCHIVE, Archived._make)


def stored(rows: RowStore, table: str) -> list[Any]:
    return rows.database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


def test_a_write_reaches_sqlite_at_the_flush():
    """Rows are held back until a flush, and are read from memory meanwhile."""
    rows, presences, _ = store()
    presences.insert(1, Presence(1, 5, b"p"))
    assert stored(rows, "presence") == []
    assert presences.get(1) == Presence(1, 5, b"p")
    rows.flush()
    assert stored(rows, "presence") == [(1, 5, b"p")]


def test_a_row_that_comes_and_goes_never_reaches_sqlite():
    """Insert and delete between two flushes cancel out, but both are in the journal."""
    rows, _, archive = store()
    archive.insert((1, 2), Archived(1, 2, 3))
    assert archive.delete((1, 2)) == Archived(1, 2, 3)
    assert archive.pending_count == 0
    assert [(old, new) for _, _, old, new in rows.journal] == [(None, (1, 2, 3)), ((1, 2, 3), None)]


def test_insert_after_an_unflushed_delete_can_be_deleted_again():
    """A key deleted in memory alone is still in SQLite: a later insert of it must not count as fresh."""
    rows, _, archive = store()
    archive.insert((1, 2), Archived(1, 2, 3))
    rows.flush()
    archive.delete((1, 2))
    archive.insert((1, 2), Archived(1, 2, 4))
    archive.delete((1, 2))
    rows.flush()
    assert stored(rows, "archive") == []


def test_put_of_the_same_row_is_no_change():
    """An unchanged row is neither journalled nor written."""
    rows, presences, _ = store()
    presences.put(1, Presence(1, 5, b"p"))
    rows.flush()
    rows.journal.clear()
    presences.put(1, Presence(1, 5, b"p"))
    assert rows.journal == []
    assert presences.pending_count == 0


def test_undo_puts_a_row_back_wherever_it_is_kept():
    """What a cached table remembers is put back with the row, also when the row was changed twice."""
    rows, presences, archive = store()
    presences.insert(1, Presence(1, 5, b"old"))
    archive.insert((1, 2), Archived(1, 2, 3))
    mark = len(rows.journal)
    for priority in (6, 7):
        presences.put(1, Presence(1, priority, b"new"))
        archive.put((1, 2), Archived(1, 2, priority))
    rows.undo_to(mark)
    assert presences.get(1) == Presence(1, 5, b"old")
    assert archive.get((1, 2)) == Archived(1, 2, 3)
    presences.delete(1)
    rows.undo_to(mark)
    assert presences.get(1) == Presence(1, 5, b"old")
    assert len(rows.journal) == mark


def test_select_flushes_the_tables_it_names():
    """A range read sees rows that were still in memory."""
    rows, _, archive = store()
    for position in range(100):
        archive.insert((1, position), Archived(1, position, 3))
    assert rows.select((archive,), "SELECT count(*) FROM archive") == [(100,)]


def test_scrub_digest_sees_an_altered_row():
    """A row changed past the store, in a cached table too, changes the digest; put back, it is as before."""
    rows, presences, _ = store()
    presences.put(1, Presence(1, 5, b"p"))
    before = rows.scrub_digest("presence")
    rows.database.execute("UPDATE presence SET priority = 6")
    assert rows.scrub_digest("presence") != before
    rows.database.execute("UPDATE presence SET priority = 5")
    assert rows.scrub_digest("presence") == before


def test_scrub_digest_tells_rows_apart_from_their_bytes():
    """Where one row ends and the next begins is part of the digest."""
    rows, presences, _ = store()
    presences.put(1, Presence(1, 5, b"ab"))
    presences.put(2, Presence(2, 5, b"c"))
    one = rows.scrub_digest("presence")
    presences.put(1, Presence(1, 5, b"a"))
    presences.put(2, Presence(2, 5, b"bc"))
    assert rows.scrub_digest("presence") != one


def test_a_table_is_made_once():
    """Two tables over the same rows would not know of each other's writes."""
    rows, _, _ = store()
    with pytest.raises(AssertionError):
        rows.table(PRESENCE, Presence._make)


keys = st.integers(0, 5)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, st.integers(0, 3)),
        st.tuples(st.just("insert"), keys, st.integers(0, 3)),
        st.tuples(st.just("delete"), keys, st.just(0)),
        st.tuples(st.sampled_from(["flush", "end", "undo"]), st.just(0), st.just(0)),
    ),
    max_size=40,
)


def apply_operation(table: Table[Any], model: dict[int, Any], kind: str, key: int, row: Any, full_key: Any) -> None:
    if kind == "put" or (kind == "insert" and key in model):
        table.put(full_key, row)
        model[key] = row
    elif kind == "insert":
        table.insert(full_key, row)
        model[key] = row
    elif kind == "delete":
        assert table.delete(full_key) == model.pop(key, None)


@settings(max_examples=80, deadline=None)
@given(operations=operations, cached=st.booleans())
def test_tables_agree_with_a_dict(operations: list[tuple[str, int, int]], cached: bool):
    """Whatever is written, flushed and undone in whatever order: reads and stored rows are those of a dict."""
    rows, presences, archive = store()
    table: Table[Any] = presences if cached else archive
    model: dict[int, Any] = {}
    at_mark: dict[int, Any] = {}
    for kind, key, value in operations:
        row = Presence(key, value, b"") if cached else Archived(1, key, value)
        if kind == "flush":
            rows.flush()
        elif kind == "end":
            rows.journal.clear()
            at_mark = dict(model)
        elif kind == "undo":
            rows.undo_to(0)
            model = dict(at_mark)
        else:
            apply_operation(table, model, kind, key, row, key if cached else (1, key))
        for probe in range(6):
            assert table.get(probe if cached else (1, probe)) == model.get(probe)
    rows.flush()
    assert stored(rows, table.definition.name) == [tuple(model[key]) for key in sorted(model)]
