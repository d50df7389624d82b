"""
What a later release wrote is refused with a plain sentence, changed in nothing and never taken for damage.

Damage is set aside and had from the peers again (`raftline.cluster.repair`). Whoever starts an old release by mistake
must not lose the data of the new one so.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from crc32c import crc32c

from cluster.clusters import CLUSTER_ID, DOMAIN
from cluster.test_links import ONE, TWO, Pair, closed_by_peer, farewell_of, open_raw, pair  # noqa: F401 - a fixture
from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster import identity as identities
from raftline.cluster import repair
from raftline.cluster.config import Peer
from raftline.cluster.frames import PROTOCOL_VERSION, Hello
from raftline.cluster.identity import new_identity, read_identity, write_identity
from raftline.cluster.json_file import write_json_file
from raftline.cluster.peer_book import founding_membership
from raftline.cluster.repair import NOTE_FILE, DamageNote
from raftline.cluster.snapshot_files import SnapshotFiles
from raftline.cluster.storage import DATABASE_FILE, LOG_DIRECTORY, StorageSettings, open_storage
from raftline.machine.database import connect
from raftline.machine.schema import SCHEMA_VERSION
from raftline.raft.messages import Entry, EntryKind, HardState, SnapshotMeta
from raftline.wal import mark as marks
from raftline.wal import segment as segments

PEERS = {NodeId(1): Peer("one.example.org", 5269, "ab" * 32), NodeId(2): Peer("two.example.org", 5269, "cd" * 32)}
VOTED = HardState(Term(3), NodeId(2))
RESERVED_AT = 20  # where a database says how many bytes of each page are kept for a checksum


def settings_of(data_dir: Path) -> StorageSettings:
    return StorageSettings(
        data_dir=data_dir, cluster_id=CLUSTER_ID, node_id=NodeId(1), domain=DOMAIN, segment_bytes=64 << 10
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """What a node of this release leaves behind: one entry, applied."""
    write_identity(tmp_path, new_identity(CLUSTER_ID, NodeId(1), bytes, founders=PEERS))
    storage = open_storage(settings_of(tmp_path))
    storage.log.append(VOTED, [Entry(LogIndex(1), Term(3), EntryKind.NOOP, b"")])
    storage.log.sync()
    storage.machine.apply_empty(LogIndex(1), Term(3))
    storage.machine.commit()
    storage.log.close()
    storage.machine.close()
    return tmp_path


def contents(data_dir: Path) -> dict[str, bytes]:
    """Every file; what SQLite lays beside a database that is open comes and goes."""
    paths = [path for path in data_dir.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
    return {path.relative_to(data_dir).as_posix(): path.read_bytes() for path in paths}


def write_at(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def later_segment(data_dir: Path) -> None:
    (path,) = (data_dir / LOG_DIRECTORY).glob("wal-*")
    header = segments.decode_header(path.read_bytes()[: segments.HEADER_BYTES])
    assert isinstance(header, segments.SegmentHeader)
    write_at(path, 0, segments.encode_header(msgspec.structs.replace(header, version=segments.VERSION + 1)))


def later_slot(data_dir: Path, slot: int) -> None:
    path = data_dir / LOG_DIRECTORY / marks.MARK_NAME
    place = slot * marks.SLOT_SPACING_BYTES
    tail = path.read_bytes()[place : place + marks.SLOT_BYTES][16:]
    version = (marks.VERSION + 1).to_bytes(4, "little")
    write_at(path, place, marks.MAGIC + version + crc32c(version + tail).to_bytes(4, "little") + tail)


def later_mark(data_dir: Path) -> None:
    for slot in range(2):
        later_slot(data_dir, slot)


def one_later_slot(data_dir: Path) -> None:
    """A crash came when the later release had written one of the two."""
    later_slot(data_dir, 1)


def later_database(data_dir: Path) -> None:
    database = connect(data_dir / DATABASE_FILE)
    database.pragma("user_version", SCHEMA_VERSION + 1)
    database.wal_checkpoint()
    database.close()


def later_database_of_other_pages(data_dir: Path) -> None:
    """It has another room at the end of its pages, which this release would make anew."""
    path = data_dir / DATABASE_FILE
    database = connect(path)
    database.pragma("journal_mode", "delete")
    database.reserve_bytes(None, 32)
    database.execute("VACUUM")
    database.pragma("user_version", SCHEMA_VERSION + 1)
    database.close()
    assert path.read_bytes()[RESERVED_AT] == 32


def later_note(data_dir: Path) -> None:
    write_json_file(data_dir / NOTE_FILE, DamageNote(repair.FORMAT + 1, "a page", Term(3), None, 1))


def later_snapshot(data_dir: Path) -> None:
    """The head says so, and its checksum holds."""
    files = SnapshotFiles(data_dir)
    part = files.part_path("1-1")
    part.write_bytes(b"of a form that nobody here knows")
    files.keep(part, SnapshotMeta(NodeId(2), "1-1", LogIndex(9), Term(4), founding_membership(PEERS)))
    path = files.directory / "install.meta"
    payload = b"what it is made of, too"
    path.write_bytes(struct.pack("<4sB3xI", b"RLSM", 2, crc32c(b"\x02" + payload)) + payload)


LATER: tuple[Callable[[Path], None], ...] = (
    later_segment,
    later_mark,
    one_later_slot,
    later_database,
    later_database_of_other_pages,
    later_note,
    later_snapshot,
)


@pytest.mark.parametrize("make_later", LATER, ids=lambda make_later: make_later.__name__)
def test_a_node_does_not_open_it(data_dir: Path, make_later: Callable[[Path], None]) -> None:
    """No file is another afterwards, and nothing is noted as damage."""
    make_later(data_dir)
    before = contents(data_dir)
    with pytest.raises(StorageError, match=r"(version|form|format) \d+, this \w+ knows \w+ up to \d+") as caught:
        open_storage(settings_of(data_dir))
    assert not isinstance(caught.value, StorageCorrupt)
    assert contents(data_dir) == before


def test_whose_data_it_is_cannot_be_read(data_dir: Path) -> None:
    """The first file that a start looks at."""
    identity = read_identity(data_dir)
    assert identity is not None
    write_identity(data_dir, msgspec.structs.replace(identity, format=identities.FORMAT + 1))
    before = contents(data_dir)
    with pytest.raises(StorageError, match=r"format \d+, this release knows formats up to \d+") as caught:
        read_identity(data_dir)
    assert not isinstance(caught.value, StorageCorrupt)
    assert contents(data_dir) == before


def test_a_bit_of_the_version_is_damage(data_dir: Path) -> None:
    """A version that was not written is none: what says of a snapshot is damaged, not of a later release."""
    files = SnapshotFiles(data_dir)
    part = files.part_path("1-1")
    part.write_bytes(b"a database")
    files.keep(part, SnapshotMeta(NodeId(2), "1-1", LogIndex(9), Term(4), founding_membership(PEERS)))
    path = files.directory / "install.meta"
    content = path.read_bytes()
    for bit in range(8):
        write_at(path, 4, bytes((content[4] ^ 1 << bit,)))
        with pytest.raises(StorageCorrupt):
            files.kept()
    write_at(path, 4, content[4:5])
    assert files.kept() is not None


async def test_a_peer_that_speaks_another_protocol(pair: Pair) -> None:  # noqa: F811
    """It is told which versions are understood here, and is not told that it was removed, which would end it."""
    one = await pair.start(pair.config(ONE))
    later = PROTOCOL_VERSION + 1
    raw = await open_raw(pair, Hello(later, "pair", TWO, 1, version_min=later))
    farewell = farewell_of(await closed_by_peer(raw))
    assert f"protocol version {later}, this node speaks" in farewell.reason
    assert not farewell.is_dismissed
    assert one.recorder.reports == []
