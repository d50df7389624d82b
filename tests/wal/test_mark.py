"""The mark file: what it keeps, and what it survives."""

from __future__ import annotations

import struct
from random import Random

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import HardState
from raftline.wal.mark import MARK_NAME, SLOT_BYTES, SLOT_SPACING_BYTES, Mark, MarkFile, decode_mark, encode_mark
from wal.faulty_files import FaultyFiles
from wal.log_model import DIRECTORY

NOBODY = HardState(Term(0), None)


def mark(number: int) -> Mark:
    return Mark(number, number, LogIndex(number), HardState(Term(number), NodeId(1)))


ORIGIN = Mark(0, 99, LogIndex(0), NOBODY)
numbers = st.integers(0, 2**64 - 1)


@given(number=numbers, chain=numbers, last_index=numbers, term=numbers, vote=st.none() | st.integers(1, 2**64 - 1))
def test_slot_comes_back(number, chain, last_index, term, vote):
    """What is encoded is decoded."""
    mark = Mark(number, chain, LogIndex(last_index), HardState(Term(term), vote))
    assert decode_mark(encode_mark(mark)) == mark


def test_any_flipped_bit_of_a_slot_is_noticed():
    """Half a mark is none."""
    data = encode_mark(ORIGIN)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert decode_mark(bytes(flipped)) is None, bit
    assert decode_mark(data[:-1]) is None


def test_a_mark_of_the_first_version_is_still_read():
    """It knows no term; whatever stands behind its end is not looked at."""
    tail = struct.pack("<QQQ", 7, 8, 9)
    old = struct.pack("<8sII", b"RLWALmrk", 1, crc32c(tail)) + tail
    assert decode_mark(old.ljust(SLOT_BYTES, b"\0")) == Mark(7, 8, LogIndex(9), None)


def test_a_later_version_is_refused_by_name():
    """A release that is older than the directory does not take it for damaged."""
    tail = bytes(40)
    later = struct.pack("<8sII", b"RLWALmrk", 9, crc32c((9).to_bytes(4, "little") + tail)) + tail
    with pytest.raises(StorageError, match="version 9"):
        decode_mark(later)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.lists(st.sampled_from(["write", "sync", "kill", "power"]), max_size=25))
def test_mark_is_a_lower_bound_that_never_goes_below_its_last_sync(seed, steps):
    """After any crash the mark is one that was written, not older than the last synced one."""
    files = FaultyFiles(Random(seed))
    file = MarkFile.create(files, DIRECTORY, ORIGIN)
    number = synced = 0
    for step in steps:
        if step == "write":
            number += 1
            file.write(mark(number))
            assert file.is_dirty
        elif step == "sync":
            file.sync()
            assert not file.is_dirty
            synced = number
        else:
            files.process_death() if step == "kill" else files.power_failure()
            file = MarkFile.open(files, DIRECTORY)
            assert synced <= file.mark.number <= number
            assert step == "power" or file.mark.number == number
            assert file.mark == (mark(number) if step == "kill" and number else file.mark)
            number = synced = file.mark.number


def test_damaged_slot_leaves_the_other():
    """One slot that fails (a bad sector) leaves an older bound; two leave none."""
    files = FaultyFiles(Random(1))
    file = MarkFile.create(files, DIRECTORY, ORIGIN)
    for number in (1, 2):
        file.write(mark(number))
        file.sync()
    newest = next(
        slot for slot in (0, 1) if decode_mark(files.content(DIRECTORY / MARK_NAME)[slot * 4096 :]).number == 2
    )
    files.flip(DIRECTORY / MARK_NAME, newest * SLOT_SPACING_BYTES + 17, 1)
    assert MarkFile.open(files, DIRECTORY).mark.number == 1
    files.flip(DIRECTORY / MARK_NAME, (1 - newest) * SLOT_SPACING_BYTES + 17, 1)
    with pytest.raises(StorageCorrupt, match="a whole mark in one of two slots"):
        MarkFile.open(files, DIRECTORY)


def test_sync_without_write_touches_no_disk():
    """An idle log costs nothing."""
    files = FaultyFiles(Random(1))
    file = MarkFile.create(files, DIRECTORY, ORIGIN)
    before = files.operation_counts["fdatasync"]
    file.sync()
    assert files.operation_counts["fdatasync"] == before
