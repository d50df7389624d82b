"""
What a later release would do to a data directory: each function changes the files of a node that is stopped.

Every one of them says that it is of the next version, with the checksum that it has; `contents` is for comparing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import msgspec
from crc32c import crc32c

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster import identity as identities
from raftline.cluster import repair
from raftline.cluster.config import Peer
from raftline.cluster.identity import read_identity, write_identity
from raftline.cluster.json_file import write_json_file
from raftline.cluster.peer_book import founding_membership
from raftline.cluster.repair import NOTE_FILE, DamageNote
from raftline.cluster.snapshot_files import SnapshotFiles
from raftline.cluster.storage import DATABASE_FILE, LOG_DIRECTORY
from raftline.machine.database import connect
from raftline.machine.schema import SCHEMA_VERSION
from raftline.machine.versions import VERSION_MAX
from raftline.raft.messages import SnapshotMeta
from raftline.wal import mark as marks
from raftline.wal import segment as segments

PEERS = {NodeId(1): Peer("one.example.org", 5269, "ab" * 32), NodeId(2): Peer("two.example.org", 5269, "cd" * 32)}
SNAPSHOT = SnapshotMeta(NodeId(2), "1-1", LogIndex(9), Term(4), founding_membership(PEERS))
REFUSAL = r"(version|form|format) \d+( of [\w ]+)?, this \w+ (knows|understands) "
"""What each of them is answered with."""
RESERVED_AT = 20  # where a database says how many bytes of each page are kept for a checksum


def contents(data_dir: Path) -> dict[str, bytes]:
    """Every file; what SQLite lays beside a database that is open comes and goes."""
    paths = [path for path in data_dir.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
    return {path.relative_to(data_dir).as_posix(): path.read_bytes() for path in paths}


def write_at(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def later_segment(data_dir: Path) -> None:
    path = max((data_dir / LOG_DIRECTORY).glob("wal-*"))
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


def later_state(data_dir: Path) -> None:
    """All members had agreed on what this release cannot do."""
    database = connect(data_dir / DATABASE_FILE)
    database.execute("UPDATE machine SET machine_version = ?", (VERSION_MAX + 1,))
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


def later_identity(data_dir: Path) -> None:
    identity = read_identity(data_dir)
    assert identity is not None
    write_identity(data_dir, msgspec.structs.replace(identity, format=identities.FORMAT + 1))


def later_note(data_dir: Path) -> None:
    write_json_file(data_dir / NOTE_FILE, DamageNote(repair.FORMAT + 1, "a page", Term(3), None, 1))


def later_snapshot(data_dir: Path) -> None:
    """The head says so, and its checksum holds."""
    files = SnapshotFiles(data_dir)
    part = files.part_path("1-1")
    part.write_bytes(b"of a form that nobody here knows")
    files.keep(part, SNAPSHOT)
    path = files.directory / "install.meta"
    payload = b"what it is made of, too"
    path.write_bytes(struct.pack("<4sB3xI", b"RLSM", 2, crc32c(b"\x02" + payload)) + payload)


LATER: tuple[Callable[[Path], None], ...] = (
    later_segment,
    later_mark,
    one_later_slot,
    later_database,
    later_database_of_other_pages,
    later_state,
    later_note,
    later_snapshot,
)
"""All of what a log or a database may be; whose data it is stands in `later_identity`."""
