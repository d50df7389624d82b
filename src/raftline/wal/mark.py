"""
The mark file: up to where the log is known to be durable.

A log whose last records are missing looks like a log that never had them. The mark, in a file of its own, tells the
two apart: it names the last record that was durable when the mark was written. It is a lower bound: it is written
after the log's sync and synced itself only now and then, so a power failure may leave an older mark, never a newer one
than the log.

It also holds term and vote, which the log holds as records: whatever happens to one of the two files, the other one
still knows what this node must not forget. So a mark is synced at once when they change, before anyone is told.

Two slots of one sector each, 4,096 bytes apart. The slot that was synced last is left alone until the other one is
synced, so that a torn write cannot take both.

    0        8         12    16       24      32           40     48     56
    | magic  | version | crc | number | chain | last index | term | vote | zeros ...
      8s       u32       u32   u64      u64     u64          u64    u64, 0 for none

The CRC-32C covers the version and everything behind the CRC itself. The last index is for people who read the file; the
number decides. Marks of version 1, which end before the term, and whose CRC does not cover the version, are still read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import msgspec
from crc32c import crc32c

from raftline.base.errors import StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import HardState
from raftline.wal.corruption import corruption

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.wal.files import File, FileSystem

MARK_NAME: Final = "mark"
MAGIC: Final = b"RLWALmrk"
VERSION: Final = 2
SLOT_SPACING_BYTES: Final = 4096
FILE_BYTES: Final = 2 * SLOT_SPACING_BYTES

_HEAD: Final = struct.Struct("<8sII")
_TAIL_1: Final = struct.Struct("<QQQ")
_TAIL: Final = struct.Struct("<QQQQQ")
_VERSION_AT: Final = slice(8, 12)
SLOT_BYTES: Final = _HEAD.size + _TAIL.size


class Mark(msgspec.Struct, frozen=True, gc=False):
    """
    What was durable.

    Attributes:
        number: Number of the last durable record; 0 for none.
        chain: Its chain value, or the origin of the chain.
        last_index: Last index of the log after that record.
        hard_state: Term and vote then; None in a mark of version 1.
    """

    number: int
    chain: int
    last_index: LogIndex
    hard_state: HardState | None


def encode_mark(mark: Mark) -> bytes:
    """Build the bytes of a slot."""
    state = mark.hard_state
    assert state is not None, mark
    tail = _TAIL.pack(mark.number, mark.chain, mark.last_index, state.term, state.vote or 0)
    version = VERSION.to_bytes(4, "little")
    return _HEAD.pack(MAGIC, VERSION, crc32c(version + tail)) + tail


def decode_mark(data: bytes) -> Mark | None:
    """
    Read a slot; None if it is not whole.

    Raises:
        StorageError: A later release wrote it.
    """
    if len(data) < SLOT_BYTES:
        return None
    magic, version, crc = _HEAD.unpack_from(data)
    tail = data[_HEAD.size : SLOT_BYTES]
    if magic != MAGIC:
        return None
    if version == 1:
        if crc32c(tail[: _TAIL_1.size]) != crc:
            return None
        number, chain, last_index = _TAIL_1.unpack_from(tail)
        return Mark(number, chain, LogIndex(last_index), None)
    if crc32c(data[_VERSION_AT] + tail) != crc:
        return None
    if version != VERSION:
        raise StorageError(f"the mark file has version {version}, this release knows versions up to {VERSION}")
    number, chain, last_index, term, vote = _TAIL.unpack(tail)
    return Mark(number, chain, LogIndex(last_index), HardState(Term(term), NodeId(vote) if vote else None))


class MarkFile:
    """
    The open mark file.

    Order: `write` only after the sync of the log that it tells of.

    Attributes:
        was_whole: Both slots could be read when it was opened. If not, the other one may have been the newer.
    """

    def __init__(self, file: File, mark: Mark, dirty_slot: int, *, was_whole: bool = True) -> None:
        self.was_whole = was_whole
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
        slots = [decode_mark(file.pread(SLOT_BYTES, slot * SLOT_SPACING_BYTES)) for slot in range(2)]
        best_slot, best = -1, None
        for slot, mark in enumerate(slots):
            if mark is not None and (best is None or mark.number > best.number):
                best_slot, best = slot, mark
        if best is None:
            file.close()
            raise corruption(path, expected="a whole mark in one of two slots", found="none")
        # The best slot may not have been synced before the process died: sync it before the other is written over.
        file.fdatasync()
        return cls(file, best, 1 - best_slot, was_whole=None not in slots)

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
