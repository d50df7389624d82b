"""Databases as each release wrote them, opened by this one; `tests/fixtures/README.md` tells what is in them."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from fixtures.released import NODE_IDS, RELEASES, Release, data_directory
from raftline.base.ids import LogIndex
from raftline.machine.database import open_database
from raftline.machine.machine import Machine
from raftline.machine.schema import SCHEMA_VERSION
from raftline.raft.messages import Entry, EntryKind
from raftline.wal import segment as segments
from raftline.wal.log import WriteAheadLog

DOMAIN = "localhost"
RESERVED_AT = 20  # where a database says how many bytes of each page are kept for a checksum
CHECKSUM_BYTES = 8

every_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)


def reserved_bytes(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(RESERVED_AT)
        return file.read(1)[0]


def rows_of(path: Path) -> tuple[int, dict[str, list[object]]]:
    """Form and rows of a database that nobody has open, by SQLite alone."""
    database = apsw.Connection(f"file:{path}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        rows = {name: sorted(database.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}
        return int(database.pragma("user_version")), rows
    finally:
        database.close()


def log_from_the_first_entry(release: Release, cluster: Path) -> list[Entry]:
    """All that the whole log of a fixture holds, up to where the database beside it has come."""
    node_id, applied_index = release.replayed
    directory = data_directory(cluster, node_id) / "log"
    (path,) = directory.glob("wal-*")
    header = segments.decode_header(path.read_bytes()[: segments.HEADER_BYTES])
    assert isinstance(header, segments.SegmentHeader)
    log = WriteAheadLog.open(
        directory, cluster_id=header.cluster_id, node_id=header.node_id, applied_index=LogIndex(applied_index)
    )
    entries = log.entries(LogIndex(1), LogIndex(applied_index), 1 << 30)
    log.close()
    return entries


def digests_of(machine: Machine) -> dict[str, bytes]:
    return {table: machine.scrub_digest(table) for table in machine.scrub_tables}


@every_release
@pytest.mark.parametrize("node_id", NODE_IDS)
def test_a_database_is_brought_to_the_present_form(release: Release, node_id: int, tmp_path: Path) -> None:
    """Every row of every table stays, every page gets a checksum, and a second opening finds nothing to do."""
    path = data_directory(release.unpack(tmp_path), node_id) / "state.db"
    assert reserved_bytes(path) == (CHECKSUM_BYTES if release.has_checksums else 0)
    form, before = rows_of(path)
    assert form == release.form
    for _ in range(2):
        database = open_database(path)
        assert database.pragma("journal_mode") == "wal"
        database.close()
        assert reserved_bytes(path) == CHECKSUM_BYTES
        form, after = rows_of(path)
        assert form == SCHEMA_VERSION
        assert {name: after[name] for name in before} == before
        assert not any(after[name] for name in after.keys() - before.keys())


@every_release
def test_applying_its_log_gives_the_state_that_it_gave_then(release: Release, tmp_path: Path) -> None:
    """P5 across releases: each entry still means what it meant, whoever applies it."""
    cluster = release.unpack(tmp_path)
    node_id, applied_index = release.replayed
    then = Machine(open_database(data_directory(cluster, node_id) / "state.db"), domain=DOMAIN)
    assert (then.applied_index, then.state_hash.hex()) == (applied_index, release.state_hash)
    now = Machine(open_database(tmp_path / "replayed.db"), domain=DOMAIN)
    for entry in log_from_the_first_entry(release, cluster):
        if entry.kind is EntryKind.DATA:
            now.apply(entry.index, entry.term, entry.payload)
        else:
            now.apply_empty(entry.index, entry.term)
    now.commit()
    assert now.state_hash.hex() == release.state_hash
    assert now.entry_chain == then.entry_chain
    assert (now.applied_index, now.applied_term) == (then.applied_index, then.applied_term)
    assert now.machine_version == then.machine_version == release.machine_version
    assert digests_of(now) == digests_of(then)
    assert not now.take_faults()
    now.close()
    then.close()
