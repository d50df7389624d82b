"""Opening, migrating and checkpointing the database."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from raftline.base.errors import StorageCorrupt, StorageError, StorageFull
from raftline.base.ids import LogIndex, Term
from raftline.machine.database import CheckpointResult, checkpoint, connect, open_database, storage_error
from raftline.machine.machine import Machine
from raftline.machine.schema import MIGRATIONS, SCHEMA_VERSION, TABLES


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
    """A database of a later version is not guessed at, and not taken for a damaged one, which would be set aside."""
    database = open_database(tmp_path / "state")
    database.pragma("user_version", SCHEMA_VERSION + 1)
    database.close()
    with pytest.raises(StorageError, match="form") as caught:
        open_database(tmp_path / "state")
    assert not isinstance(caught.value, StorageCorrupt)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    """Damage is told apart from other failures of the disk."""
    (tmp_path / "state").write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageCorrupt):
        open_database(tmp_path / "state")


def test_a_missing_folder_is_a_storage_error(tmp_path: Path):
    """SQLite's own errors do not leave the package."""
    with pytest.raises(StorageError):
        open_database(tmp_path / "missing" / "state")


def test_the_vfs_that_is_named_is_used(tmp_path: Path):
    """So that simulations see, and can spoil, what is read and written, by a checkpoint too."""
    opened: list[str] = []

    class Watching(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("watching database", connect(":memory:").open_vfs)

        def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
            opened.append(Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)).name)
            return super().xOpen(name, flags)

    watching = Watching()
    database = open_database(tmp_path / "state", vfs="watching database")
    assert opened[0] == "state"
    opened.clear()
    checkpoint(tmp_path / "state", vfs="watching database")
    assert opened[0] == "state"
    database.close()
    watching.unregister()


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


def test_checkpoint_that_finds_a_reader_says_so(tmp_path: Path):
    """To start the file anew it would have to wait for it; no page is said to be moved, or durable."""
    database = open_database(tmp_path / "state")
    reader = connect(tmp_path / "state")
    reader.execute("BEGIN")
    assert reader.execute("SELECT * FROM doomed").fetchall() == []
    database.execute("INSERT INTO doomed VALUES (7)")
    result = checkpoint(tmp_path / "state", restart=True)
    assert result == CheckpointResult(busy=True, wal_page_count=0, moved_page_count=0)
    assert result.durable_index is None
    reader.execute("COMMIT")
    assert not checkpoint(tmp_path / "state", restart=True).busy


def test_errors_of_sqlite_in_words_of_this_package():
    """Full and damaged are told apart."""
    assert type(storage_error(apsw.FullError("x"))) is StorageFull
    assert type(storage_error(apsw.CorruptError("x"))) is StorageCorrupt
    assert type(storage_error(apsw.IOError("x"))) is StorageError


def filled(path: Path) -> None:
    """Make a database with some pages of rows, all of them in its own file."""
    database = open_database(path)
    with database:
        database.executemany("INSERT INTO vcard VALUES (?, ?)", ((number, b"photograph" * 20) for number in range(500)))
    checkpoint(path, restart=True)
    database.close()


def read_all(path: Path) -> int:
    """Read every row; what SQLite finds wrong is raised in this package's words."""
    database = open_database(path)
    try:
        return len(database.execute("SELECT * FROM vcard").fetchall())
    except apsw.Error as error:
        raise storage_error(error) from error
    finally:
        database.close()


def test_what_cannot_be_opened_is_left_closed(tmp_path: Path):
    """An error while opening leaves no connection behind, which would hold locks until it is collected."""
    path = tmp_path / "state"
    open_database(path).close()
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(StorageCorrupt) as caught:  # the traceback keeps what the call had in hand
        open_database(path)
    assert caught.tb
    assert not [one for one in apsw.connections() if one.filename == str(path)]


def test_every_flipped_bit_in_a_row_is_an_error(tmp_path: Path):
    """What the disk altered is never an answer, wherever in a page it is, text of users included."""
    path = tmp_path / "state"
    filled(path)
    content = path.read_bytes()
    places = [place for place in range(len(content)) if content.startswith(b"photograph", place)][:: 997 * 3]
    assert len(places) > 3
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(StorageCorrupt, match="checksum"):
            read_all(path)
    path.write_bytes(content)
    assert read_all(path) == 500


def test_a_database_without_checksums_gets_them(tmp_path: Path):
    """One that an earlier release wrote is opened, and from then on every page is verified."""
    path = tmp_path / "state"
    old = apsw.Connection(str(path))
    old.pragma("journal_mode", "wal")
    old.execute(MIGRATIONS[0])
    old.pragma("user_version", 1)
    old.execute("INSERT INTO vcard VALUES (7, CAST('a photograph of format one' AS BLOB))")
    old.close()
    database = open_database(path)
    assert database.execute("SELECT account_id FROM vcard").fetchall() == [(7,)]
    assert database.pragma("journal_mode") == "wal"
    database.close()
    content = bytearray(path.read_bytes())
    content[content.rindex(b"photograph")] ^= 1
    path.write_bytes(content)
    with pytest.raises(StorageCorrupt, match="checksum"):
        read_all(path)


def test_checkpoint_tells_up_to_where_the_file_is_durable(tmp_path: Path):
    """The index is the one that was committed before; while a reader keeps pages from moving, there is none."""
    path = tmp_path / "state"
    machine = Machine(open_database(path), domain="example.org")
    for index in (1, 2, 3):
        machine.apply_empty(LogIndex(index), Term(1))
    machine.commit()
    machine.apply_empty(LogIndex(4), Term(1))
    assert checkpoint(path).durable_index == 3
    machine.commit()
    reader = connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM machine").fetchall()
    machine.apply_empty(LogIndex(5), Term(1))
    machine.commit()
    assert checkpoint(path).durable_index is None
    reader.close()
    assert checkpoint(path).durable_index == 5
    machine.close()


def test_a_write_ahead_file_that_lost_what_was_moved_out_of_it(tmp_path: Path):
    """
    A bit flipped in any frame ends the file there, for SQLite: only what was not moved yet may go that way.

    Opened all the same, older versions of some pages would hide what was moved, and newer ones of others show.
    """
    path = tmp_path / "state"
    machine = Machine(open_database(path), domain="example.org")
    for index in range(1, 6):
        machine.apply_empty(LogIndex(index), Term(1))
        machine.commit()
    reader = connect(path)  # or the next commit would begin the file anew
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM machine").fetchall()
    assert checkpoint(path).durable_index == 5
    moved_bytes = (tmp_path / "state-wal").stat().st_size
    machine.apply_empty(LogIndex(6), Term(1))
    machine.commit()
    file, ahead = path.read_bytes(), (tmp_path / "state-wal").read_bytes()
    found, refused = [], []
    for place in range(40, len(ahead), 512):
        killed = tmp_path / f"killed-{place}"
        killed.write_bytes(file)
        damaged = bytearray(ahead)
        damaged[place] ^= 1
        (tmp_path / f"{killed.name}-wal").write_bytes(damaged)
        try:
            found.append(opened_index(killed))
        except StorageCorrupt as error:
            refused.append((place, str(error)))
    # Without any of it, or without what was not moved yet, the database is whole as of entry 5.
    assert set(found) == {5}
    assert all(place < moved_bytes and "ends at entry" in text for place, text in refused)
    assert len(refused) > 20
    reader.close()
    machine.close()


def opened_index(path: Path) -> int:
    """Return how far a database has come that is opened as by a start."""
    database = open_database(path)
    try:
        return database.execute("SELECT applied_index FROM machine").fetchone()[0]
    finally:
        database.close()
