"""The mark file: what it keeps, and what it survives."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.base.errors import StorageCorrupt
from raftline.base.ids import LogIndex
from raftline.wal.mark import MARK_NAME, SLOT_SPACING_BYTES, Mark, MarkFile, decode_mark, encode_mark
from wal.faulty_files import FaultyFiles
from wal.log_model import DIRECTORY

ORIGIN = Mark(0, 99, LogIndex(0))
numbers = st.integers(0, 2**64 - 1)


@given(number=numbers, chain=numbers, last_index=numbers)
def test_slot_comes_back(number, chain, last_index):
    """What is encoded is decoded."""
    mark = Mark(number, chain, LogIndex(last_index))
    assert decode_mark(encode_mark(mark)) == mark


def test_any_flipped_bit_of_a_slot_is_noticed():
    """Half a mark is none."""
    data = encode_mark(ORIGIN)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert decode_mark(bytes(flipped)) is None, bit
    assert decode_mark(data[:-1]) is None


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
            file.write(Mark(number, number, LogIndex(number)))
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
            assert file.mark == (Mark(number, number, LogIndex(number)) if step == "kill" and number else file.mark)
            number = synced = file.mark.number


def test_damaged_slot_leaves_the_other():
    """One slot that fails (a bad sector) leaves an older bound; two leave none."""
    files = FaultyFiles(Random(1))
    file = MarkFile.create(files, DIRECTORY, ORIGIN)
    for number in (1, 2):
        file.write(Mark(number, number, LogIndex(number)))
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
