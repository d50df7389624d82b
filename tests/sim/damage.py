"""
Damage: what was durable on a node's disk is altered, behind everyone's back.

    flip        one bit of a log or database file
    misdirect   a part of the log is written over another part: right bytes, wrong place
    truncate    the log ends earlier: zeros from some place on, or a file that is shorter
    lose        a file of the log is gone

A disk that does this says nothing; the node finds out when it reads, at its next start or when somebody asks for an old
entry. It must never take what it finds for what it wrote, nor the log for one that was always so short, and gets back
from its peers what it lost. Whoever calls sees to it that a majority of the nodes is whole.

Before anything is altered the mark of the log reaches the disk. A power failure that takes the newest marks, and with
them the damage that they would betray, leaves what one leaves that came a moment earlier (`raftline/wal/DESIGN.md`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

from raftline.wal.mark import MARK_NAME
from sim.disk import SimulatedDisk
from wal.faulty_files import SECTOR_BYTES

_BIT_COUNT: Final = 8
_MISDIRECTED_SECTORS_MAX: Final = 8
_LOG_DIRECTORY: Final = "log"


def damage(disk: SimulatedDisk, chance: random.Random) -> str:
    """Damage something; return what was done, empty if there was nothing to damage."""
    mark = disk.files._names.get(disk.database.directory / _LOG_DIRECTORY / MARK_NAME)
    if mark is not None:
        mark.sync()
    kind = chance.choice(list(KINDS))
    return f"{kind} {where}" if (where := KINDS[kind](disk, chance)) else ""


def flip_log(disk: SimulatedDisk, chance: random.Random) -> str:
    """Flip a bit of the used part of a file of the log."""
    path = _choose(disk, chance)
    if path is None:
        return ""
    offset = chance.randrange(max(_used_bytes(disk, path), 1))
    disk.files.flip(path, offset, 1 << chance.randrange(_BIT_COUNT))
    return f"{path.name} at {offset}"


def misdirect_log(disk: SimulatedDisk, chance: random.Random) -> str:
    """Copy some sectors of a segment to another place of the log."""
    source, target = _choose(disk, chance, "wal-"), _choose(disk, chance, "wal-")
    if source is None or target is None:
        return ""
    size = chance.randint(1, _MISDIRECTED_SECTORS_MAX) * SECTOR_BYTES
    begin = chance.randrange(max(_used_bytes(disk, source), 1)) // SECTOR_BYTES * SECTOR_BYTES
    place = chance.randrange(max(_used_bytes(disk, target), 1)) // SECTOR_BYTES * SECTOR_BYTES
    moved = disk.files.content(source)[begin : begin + size]
    content = bytearray(disk.files.content(target))
    if content[place : place + len(moved)] == moved:
        return ""
    content[place : place + len(moved)] = moved
    disk.files.replace_content(target, bytes(content[: len(disk.files.content(target))]))
    return f"{source.name} at {begin} to {target.name} at {place}, {size} bytes"


def truncate_log(disk: SimulatedDisk, chance: random.Random) -> str:
    """Let a segment end somewhere in its used part."""
    path = _choose(disk, chance, "wal-")
    if path is None:
        return ""
    content = disk.files.content(path)
    end = chance.randrange(max(_used_bytes(disk, path), 1))
    zeros = bytes(len(content) - end) if chance.random() < 0.5 else b""
    disk.files.replace_content(path, content[:end] + zeros)
    return f"{path.name} at {end}, {len(zeros)} zeros"


def lose_log_file(disk: SimulatedDisk, chance: random.Random) -> str:
    """Remove a segment, or the mark; both copies of term and vote are never lost at once."""
    path = _choose(disk, chance)
    if path is None:
        return ""
    disk.files.lose(path)
    return path.name


def flip_database(disk: SimulatedDisk, chance: random.Random) -> str:
    """Flip a bit of the database or of its write-ahead file."""
    files = disk.database
    paths = [path for name in ("state.db", "state.db-wal") if (path := files.directory / name).exists()]
    paths = [path for path in paths if path.stat().st_size]
    if not paths:
        return ""
    path = chance.choice(paths)
    offset = chance.randrange(path.stat().st_size)
    files.flip(path, offset, 1 << chance.randrange(_BIT_COUNT))
    return f"{path.name} at {offset}"


KINDS: Final[dict[str, Callable[[SimulatedDisk, random.Random], str]]] = {
    "flip": flip_log,
    "misdirect": misdirect_log,
    "truncate": truncate_log,
    "lose": lose_log_file,
    "flip database": flip_database,
}


def _choose(disk: SimulatedDisk, chance: random.Random, prefix: str = "") -> Path | None:
    """Choose a file of the log that says something; spares say nothing yet."""
    directory = disk.database.directory / _LOG_DIRECTORY
    names = [
        name
        for name in sorted(path.name for path in disk.files._names if path.parent == directory)
        if name.startswith(prefix or ("wal-", "mark"))
    ]
    return directory / chance.choice(names) if names else None


def _used_bytes(disk: SimulatedDisk, path: Path) -> int:
    """Return where the zeros begin that end a file."""
    return len(disk.files.content(path).rstrip(b"\0"))
