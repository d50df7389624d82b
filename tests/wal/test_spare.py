"""Spares: made ahead, kept over a restart, refused in time."""

from __future__ import annotations

from random import Random

import pytest

from raftline.base.errors import StorageFull
from raftline.wal.spare import SpareShelf
from wal.faulty_files import FaultyFiles
from wal.log_model import DIRECTORY

SIZE = 8192


def test_spares_are_zeros_of_the_right_size():
    """A spare is a whole file under its final name, and made only when none waits."""
    files = FaultyFiles(Random(1))
    shelf = SpareShelf(files, DIRECTORY, SIZE)
    shelf.prepare()
    shelf.prepare()
    assert files.names(DIRECTORY) == ["spare-0000000001"]
    path, file = shelf.take()
    assert files.content(path) == bytes(SIZE)
    assert file.size() == SIZE
    assert shelf.count == 0


def test_new_shelf_believes_that_there_is_space():
    """Nothing has failed yet, though no spare waits."""
    shelf = SpareShelf(FaultyFiles(Random(1)), DIRECTORY, SIZE)
    assert shelf.has_space
    assert shelf.count == 0


def test_several_can_be_asked_for():
    """One append may need more than one new segment."""
    files = FaultyFiles(Random(1))
    shelf = SpareShelf(files, DIRECTORY, SIZE)
    shelf.prepare(3)
    assert shelf.count == 3
    assert len(files.names(DIRECTORY)) == 3


def test_spares_of_an_earlier_run_are_adopted():
    """A restart keeps spares of its size, removes others and leaves other files alone."""
    files = FaultyFiles(Random(1))
    SpareShelf(files, DIRECTORY, SIZE).prepare(2)
    files.create_zeroed(DIRECTORY / "spare-0000000007", SIZE * 2)
    files.create_zeroed(DIRECTORY / "other", SIZE)
    shelf = SpareShelf(files, DIRECTORY, SIZE)
    shelf.adopt(files.names(DIRECTORY))
    assert files.names(DIRECTORY) == ["other", "spare-0000000001", "spare-0000000002"]
    assert shelf.count == 2
    shelf.prepare(3)
    assert files.names(DIRECTORY)[-1] == "spare-0000000003"


def test_lack_of_space_is_known_until_a_spare_is_made():
    """`has_space` tells of the last attempt; a spare that waits is space."""
    files = FaultyFiles(Random(1), capacity_bytes=SIZE)
    shelf = SpareShelf(files, DIRECTORY, SIZE)
    shelf.prepare()
    with pytest.raises(StorageFull):
        shelf.prepare(2)
    assert shelf.has_space
    shelf.take()
    assert not shelf.has_space
    files.capacity_bytes = 2 * SIZE
    shelf.prepare()
    shelf.take()
    assert shelf.has_space
    assert not any(name.endswith(".tmp") for name in files.names(DIRECTORY))


def test_closed_shelf_leaves_its_files():
    """The next start finds what was made ahead."""
    files = FaultyFiles(Random(1))
    shelf = SpareShelf(files, DIRECTORY, SIZE)
    shelf.prepare()
    shelf.close()
    assert shelf.count == 0
    assert files.names(DIRECTORY) == ["spare-0000000001"]
