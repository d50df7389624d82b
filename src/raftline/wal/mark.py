"""
The mark file: up to where the log is known to be durable.

A log whose last records are missing looks like a log that never had them. The mark, in a file of its own, tells the
two apart: it names the last record that was durable when the mark was written. It is a lower bound: it is written
after the log's sync and synced itself only now and then, so a power failure may leave an older mark, never a newer one
than the log.

Two slots of one sector each, 4,096 bytes apart. The slot that was synced last is left alone until the other one is
synced, so that a torn write cannot take both.

    0        8         12    16       24      32           40      48
    | magic  | version | crc | number | chain | last index | zeros ...
      8s       u32       u32   u64      u64     u64

The CRC-32C covers number, chain and last index. The last index is for people who read the file; the number decides.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import msgspec
from crc32c import crc32c

from raftline.base.ids import LogIndex
from raftline.wal.corruption import corruption

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.wal.files import File, FileSystem

MARK_NAME: Final = "mark"
MAGIC: Final = b"RLWALmrk"
VERSION: Final = 1
SLOT_SPACING_BYTES: Final = 4096
FILE_BYTES: Final = 2 * SLOT_SPACING_BYTES

_SLOT: Final = struct.Struct("<8sIIQQQ")
_CRC_FROM: Final = 16


class Mark(msgspec.Struct, frozen=True, gc=False):
    """
    What was durable.

    Attributes:
        number: Number of the last durable record; 0 for none.
        chain: Its chain value, or the origin of the chain.
        last_index: Last index of the log after that record.
    """

    number: int
    chain: int
    last_index: LogIndex


def encode_mark(mark: Mark) -> bytes:
    """Build the bytes of a slot."""
    tail = struct.pack("<QQQ", mark.number, mark.chain, mark.last_index)
    return MAGIC + struct.pack("<II", VERSION, crc32c(tail)) + tail


def decode_mark(data: bytes) -> Mark | None:
    """Read a slot; None if it is not whole."""
    if len(data) < _SLOT.size:
        return None
    magic, version, crc, number, chain, last_index = _SLOT.unpack_from(data)
    if magic != MAGIC or version != VERSION or crc32c(data[_CRC_FROM : _SLOT.size]) != crc:
        return None
    return Mark(number, chain, LogIndex(last_index))


class MarkFile:
    """
    The open mark file.

    Order: `write` only after the sync of the log that it tells of.
    """

    def __init__(self, file: File, mark: Mark, dirty_slot: int) -> None:
        self._file = file
        self._mark = mark
        self._dirty_slot = dirty_slot
        self._is_dirty = False

    @classmethod
    def create(cls, files: FileSystem, directory: Path, mark: Mark) -> MarkFile:
        """Create the file with both slots at `mark`, durably, in one step: it is whole or absent."""
        temporary = directory / f"{MARK_NAME}.tmp"
        file = files.create_zeroed(temporary, FILE_BYTES)
        for slot in range(2):
            file.pwrite(encode_mark(mark), slot * SLOT_SPACING_BYTES)
        file.fdatasync()
        files.rename(temporary, directory / MARK_NAME)
        files.fsync_directory(directory)
        return cls(file, mark, 0)

    @classmethod
    def open(cls, files: FileSystem, directory: Path) -> MarkFile:
        """
        Open the file; the mark is the higher of its slots.

        Raises:
            StorageCorrupt: Neither slot is whole, which no crash leaves behind.
        """
        path = directory / MARK_NAME
        file = files.open(path)
        slots = [decode_mark(file.pread(_SLOT.size, slot * SLOT_SPACING_BYTES)) for slot in range(2)]
        best_slot, best = -1, None
        for slot, mark in enumerate(slots):
            if mark is not None and (best is None or mark.number > best.number):
                best_slot, best = slot, mark
        if best is None:
            file.close()
            raise corruption(path, expected="a whole mark in one of two slots", found="none")
        # The best slot may not have been synced before the process died: sync it before the other is written over.
        file.fdatasync()
        return cls(file, best, 1 - best_slot)

    @property
    def mark(self) -> Mark:
        """The mark as last written."""
        return self._mark

    @property
    def is_dirty(self) -> bool:
        """Whether the mark was written since its last sync."""
        return self._is_dirty

    def write(self, mark: Mark) -> None:
        """Write `mark` without a sync: it survives the process, perhaps not a power failure."""
        assert mark.number >= self._mark.number, (mark, self._mark)
        self._file.pwrite(encode_mark(mark), self._dirty_slot * SLOT_SPACING_BYTES)
        self._mark = mark
        self._is_dirty = True

    def sync(self) -> None:
        """Make the written mark durable; from then on the other slot is written."""
        if not self._is_dirty:
            return
        self._file.fdatasync()
        self._is_dirty = False
        self._dirty_slot = 1 - self._dirty_slot

    def close(self) -> None:
        """Give the file back; syncs nothing."""
        self._file.close()
