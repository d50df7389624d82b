"""What disks do to a data directory while nobody looks: each function damages the files of a node that is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from raftline.cluster.storage import DATABASE_FILE, LOG_DIRECTORY
from raftline.wal.mark import MARK_NAME, SLOT_SPACING_BYTES
from raftline.wal.record import ALIGNMENT_BYTES, HEADER, MAGIC

Damage = Callable[[Path], None]

_PAGE_BYTES = 4096


def flip(path: Path, offset: int, mask: int = 0x10) -> None:
    """Flip bits of one byte."""
    content = bytearray(path.read_bytes())
    content[offset] ^= mask
    path.write_bytes(content)


def segments_of(data_dir: Path) -> list[Path]:
    """Segments of the log, oldest first."""
    found = sorted((data_dir / LOG_DIRECTORY).glob("wal-*"))
    assert found, data_dir
    return found


def record_offsets(segment: Path) -> list[int]:
    """Where the records of a segment begin, and where the last one ends."""
    content = segment.read_bytes()
    offset = content.index(MAGIC)
    offsets = []
    while content[offset : offset + len(MAGIC)] == MAGIC:
        offsets.append(offset)
        length = HEADER.unpack_from(content, offset)[2]
        offset += -(-length // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    return [*offsets, offset]


def flip_a_record(data_dir: Path) -> None:
    """One bit, in the midst of the log."""
    segment = segments_of(data_dir)[-1]
    offsets = record_offsets(segment)
    flip(segment, offsets[len(offsets) // 2] + 50)


def cut_between_records(data_dir: Path) -> None:
    """The end of the log is gone, exactly from where a record began: what is left looks whole."""
    segment = segments_of(data_dir)[-1]
    offsets = record_offsets(segment)
    content = segment.read_bytes()
    kept = offsets[max(-4, -len(offsets))]
    segment.write_bytes(content[:kept] + bytes(len(content) - kept))


def truncate_a_segment(data_dir: Path) -> None:
    """The file is shorter."""
    segment = segments_of(data_dir)[-1]
    offsets = record_offsets(segment)
    segment.write_bytes(segment.read_bytes()[: offsets[-2] + 20])


def lose_the_segments(data_dir: Path) -> None:
    """All of them; the mark file is still there."""
    for segment in segments_of(data_dir):
        segment.unlink()


def flip_the_mark(data_dir: Path) -> None:
    """Both copies of the mark, so that term and vote are in the log alone."""
    for slot in range(2):
        flip(data_dir / LOG_DIRECTORY / MARK_NAME, slot * SLOT_SPACING_BYTES + 9)


def flip_a_page(data_dir: Path) -> None:
    """A bit in every page of the database but its first."""
    path = data_dir / DATABASE_FILE
    with path.open("r+b") as file:
        for place in range(_PAGE_BYTES + 100, path.stat().st_size, _PAGE_BYTES):
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ 1]))


def flip_the_header(data_dir: Path) -> None:
    """What says that this is a database."""
    flip(data_dir / DATABASE_FILE, 3)


def lose_the_database(data_dir: Path) -> None:
    """The file, and what belongs to it."""
    for path in data_dir.glob(f"{DATABASE_FILE}*"):
        path.unlink()


def lose_the_log(data_dir: Path) -> None:
    """Everything of it: nobody knows any more what the node had promised."""
    for path in (data_dir / LOG_DIRECTORY).iterdir():
        path.unlink()


REPAIRABLE: tuple[Damage, ...] = (
    flip_a_record,
    cut_between_records,
    truncate_a_segment,
    lose_the_segments,
    flip_the_mark,
    flip_a_page,
    flip_the_header,
    lose_the_database,
)
