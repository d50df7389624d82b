"""
What happens to the disk under a log, chosen by a story rather than by chance: which unsynced writes a power failure
keeps, and what is altered behind everyone's back.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from raftline.wal import record as records
from raftline.wal.mark import MARK_NAME
from raftline.wal.segment import HEADER_BYTES, parse_segment_name
from wal.faulty_files import SECTOR_BYTES, FaultyFiles, Inode
from wal.log_model import DIRECTORY


class Place(NamedTuple):
    """Where a record is; `sectors` as people count them, from the beginning of the file."""

    offset: int
    size: int

    @property
    def sectors(self) -> str:
        """The sectors it touches."""
        first, last = self.offset // SECTOR_BYTES, (self.offset + self.size - 1) // SECTOR_BYTES
        return f"sector {first}" if first == last else f"sectors {first}-{last}"


def segments_of(files: FaultyFiles) -> list[Path]:
    """Return the segments, oldest first."""
    return [DIRECTORY / name for name in files.names(DIRECTORY) if parse_segment_name(name)]


def file_named(files: FaultyFiles, name: str) -> Path:
    """Return the file that a story calls `mark` or `segment-2`."""
    if name == MARK_NAME:
        return DIRECTORY / MARK_NAME
    sequence = int(name.removeprefix("segment-"))
    found = {parse_segment_name(path.name)[0]: path for path in segments_of(files)}  # type: ignore[index]
    assert sequence in found, f"no {name}"
    return found[sequence]


def short_name(path: Path) -> str:
    """Return what a story calls a file."""
    parsed = parse_segment_name(path.name)
    return path.name if parsed is None else f"segment-{parsed[0]}"


def places_of(content: bytes) -> list[Place]:
    """Return where the records of a segment are, as their lengths say."""
    places, offset = [], HEADER_BYTES
    while content[offset : offset + len(records.MAGIC)] == records.MAGIC:
        size = records.decode_length(content[offset : offset + records.HEADER_BYTES])
        places.append(Place(offset, size))
        offset += size
    return places


def put(files: FaultyFiles, path: Path, offset: int, data: bytes) -> None:
    """Write over a part of a file, durably and unasked."""
    content = bytearray(files.content(path))
    content[offset : offset + len(data)] = data
    files.replace_content(path, bytes(content))


class Decided(Random):
    """
    Stands in for chance in a power failure: names are kept as said, and of what is still dirty nothing is.

    Args:
        kept_names: Of the changes of names since the last sync of their directory, in order, which stay.
    """

    def __init__(self, kept_names: list[bool]) -> None:
        super().__init__(0)
        self._draws = [0.0 if is_kept else 1.0 for is_kept in kept_names]

    def choice(self, options: Any) -> float:
        # Shares that no draw reaches but those of the names: 0.0 < 0.5 <= 1.0.
        return 0.5 if 1.0 in options else 0.0

    def random(self) -> float:
        return self._draws.pop(0) if self._draws else 1.0


def keep_sectors(inode: Inode, chosen: Collection[int]) -> None:
    """Let these sectors reach the disk although nobody synced them."""
    for sector in sorted(inode.dirty & set(chosen)):
        place = slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
        inode.durable[place] = inode.content[place]
        inode.dirty.discard(sector)


def spoil_sectors(inode: Inode, chosen: Collection[int]) -> None:
    """Let these unsynced sectors hold neither what was there nor what was written."""
    for sector in sorted(inode.dirty & set(chosen)):
        place = slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
        pairs = zip(inode.durable[place], inode.content[place], strict=True)
        inode.durable[place] = bytes(old if old == new else old ^ new ^ 0x55 for old, new in pairs)
        inode.dirty.discard(sector)


def sectors_told(sectors: Collection[int]) -> str:
    """Write sectors as ranges."""
    ranges: list[list[int]] = []
    for sector in sorted(sectors):
        if ranges and ranges[-1][1] == sector - 1:
            ranges[-1][1] = sector
        else:
            ranges.append([sector, sector])
    return " ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)


class PowerFailure:
    """A power failure, and what it leaves of what was not synced before."""

    def __init__(self, files: FaultyFiles) -> None:
        self._files = files
        self._before = {path: (inode, set(inode.dirty), bytes(inode.durable)) for path, inode in files._names.items()}

    def happen(self, random: Random) -> list[str]:
        """Let the power go, and tell what of the unsynced writes and names the disk has."""
        written = {path: bytes(inode.content) for path, (inode, _, _) in self._before.items()}
        self._files.random = random
        self._files.power_failure()
        lines = []
        for path in sorted(self._before):
            inode, dirty, _ = self._before[path]
            if dirty:
                lines.append(f"{short_name(path)}: {self._fate(path, inode, dirty, written[path])}")
        names = {short_name(path) for path in self._files._names}
        before = {short_name(path) for path in self._before}
        lines += [f"{name} has lost its name" for name in sorted(before - names)]
        lines += [f"{name} has its name again" for name in sorted(names - before)]
        return lines or ["nothing was unsynced"]

    def _fate(self, path: Path, inode: Inode, dirty: set[int], written: bytes) -> str:
        old = self._before[path][2]
        fates: dict[str, list[int]] = {"kept": [], "lost": [], "spoilt": []}
        for sector in dirty:
            place = slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
            now = bytes(inode.durable[place])
            fates["kept" if now == written[place] else "lost" if now == old[place] else "spoilt"].append(sector)
        told = ", ".join(f"{sectors_told(sectors)} {fate}" for fate, sectors in fates.items() if sectors)
        return f"of the sectors {sectors_told(dirty)}, {told}"
