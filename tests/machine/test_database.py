"""Opening, migrating and checkpointing the database."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from raftline.base.errors import StorageCorrupt, StorageError, StorageFull
from raftline.machine.database import checkpoint, open_database, storage_error
from raftline.machine.schema import SCHEMA_VERSION, TABLES


def test_a_new_database_has_every_table_in_the_declared_form(tmp_path: Path):
    """Columns and key columns of SQLite are those that the code writes by."""
    database = open_database(tmp_path / "state")
    assert database.pragma("user_version") == SCHEMA_VERSION
    for table in TABLES:
        info = list(database.execute(f"PRAGMA table_info({table.name})"))
        assert tuple(column[1] for column in info) == table.columns
        key = [column[1] for column in sorted(info, key=lambda column: column[5]) if column[5]]
        assert tuple(key) == table.columns[: table.key_width]


def test_opening_twice_migrates_once(tmp_path: Path):
    """A database of this form is opened as it is."""
    first = open_database(tmp_path / "state")
    first.execute("INSERT INTO doomed VALUES (7)")
    first.close()
    assert open_database(tmp_path / "state").execute("SELECT * FROM doomed").fetchall() == [(7,)]


def test_wal_mode_without_automatic_checkpoints(tmp_path: Path):
    """Commits sync nothing and move no pages."""
    database = open_database(tmp_path / "state")
    assert database.pragma("journal_mode") == "wal"
    assert database.pragma("synchronous") == 1
    assert database.pragma("wal_autocheckpoint") == 0


@pytest.mark.parametrize(
    "expression",
    ["random()", "randomblob(4)", "datetime('now')", "CURRENT_TIMESTAMP", "unixepoch()", "last_insert_rowid()"],
)
def test_impure_functions_are_refused(expression: str):
    """What the log does not decide cannot get into a statement."""
    with pytest.raises(apsw.SQLError, match="not authorized"):
        open_database(":memory:").execute(f"SELECT {expression}")


def test_a_later_form_is_refused(tmp_path: Path):
    """A database of a later version is not guessed at."""
    database = open_database(tmp_path / "state")
    database.pragma("user_version", SCHEMA_VERSION + 1)
    database.close()
    with pytest.raises(StorageCorrupt, match="form"):
        open_database(tmp_path / "state")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    """Damage is told apart from other failures of the disk."""
    (tmp_path / "state").write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageCorrupt):
        open_database(tmp_path / "state")


def test_a_missing_folder_is_a_storage_error(tmp_path: Path):
    """SQLite's own errors do not leave the package."""
    with pytest.raises(StorageError):
        open_database(tmp_path / "missing" / "state")


def test_checkpoint_moves_pages_while_the_database_is_open(tmp_path: Path):
    """Another connection moves what is committed; a restart lets the next write start the file anew."""
    database = open_database(tmp_path / "state")
    database.execute("INSERT INTO doomed VALUES (7)")
    moved = checkpoint(tmp_path / "state")
    assert not moved.busy
    assert moved.wal_page_count == moved.moved_page_count > 0
    assert not checkpoint(tmp_path / "state", restart=True).busy
    database.execute("INSERT INTO doomed VALUES (8)")
    assert checkpoint(tmp_path / "state").wal_page_count < moved.wal_page_count


def test_checkpoint_leaves_an_open_transaction_alone(tmp_path: Path):
    """What is not committed is not moved, and nothing waits."""
    database = open_database(tmp_path / "state")
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO doomed VALUES (7)")
    assert not checkpoint(tmp_path / "state").busy
    database.execute("ROLLBACK")
    assert database.execute("SELECT * FROM doomed").fetchall() == []


def test_errors_of_sqlite_in_words_of_this_package():
    """Full and damaged are told apart."""
    assert type(storage_error(apsw.FullError("x"))) is StorageFull
    assert type(storage_error(apsw.CorruptError("x"))) is StorageCorrupt
    assert type(storage_error(apsw.IOError("x"))) is StorageError
