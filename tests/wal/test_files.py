"""The operating system's side of the seam, on a real directory."""

from __future__ import annotations

import errno
import os

import pytest

from raftline.base.errors import StorageError, StorageFull
from raftline.wal.files import ZERO_SYNC_BYTES, OperatingSystemFile, OperatingSystemFiles


def test_created_file_is_zeros_in_real_blocks(tmp_path):
    """A zero-filled file owns its blocks: later writes allocate nothing."""
    files = OperatingSystemFiles()
    size = ZERO_SYNC_BYTES + (1 << 20) + 4096
    file = files.create_zeroed(tmp_path / "spare", size)
    assert file.size() == size
    assert (tmp_path / "spare").stat().st_blocks * 512 >= size
    assert file.pread(size, 0) == bytes(size)
    file.close()


def test_written_bytes_come_back(tmp_path):
    """Reads and writes are at offsets and stop at the end of the file."""
    files = OperatingSystemFiles()
    file = files.create_zeroed(tmp_path / "file", 8192)
    file.pwrite(bytearray(b"hello"), 4000)
    file.pwrite(memoryview(b"end"), 8189)
    file.fdatasync()
    file.close()
    again = files.open(tmp_path / "file")
    assert again.pread(7, 3999) == b"\0hello\0"
    assert again.pread(100, 8188) == b"\0end"
    assert again.pread(1, 8192) == b""
    again.close()
    again.close()


def test_partial_system_calls_are_completed(tmp_path, monkeypatch):
    """A kernel that reads or writes less than asked for is asked again."""
    files = OperatingSystemFiles()
    file = files.create_zeroed(tmp_path / "file", 4096)
    pwrite, pread = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, bytes(data)[:3], offset))
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: pread(fd, min(size, 4), offset))
    file.pwrite(b"0123456789", 10)
    assert file.pread(12, 9) == b"\x000123456789\0"
    assert file.pread(10, 4090) == bytes(6)
    file.close()


def test_missing_space_leaves_no_file(tmp_path, monkeypatch):
    """Too little space is found before anything is made; space that runs out on the way leaves nothing either."""
    files = OperatingSystemFiles()
    with pytest.raises(StorageFull):
        files.create_zeroed(tmp_path / "huge", files.free_bytes(tmp_path) + (1 << 30))

    def refuse(_file: OperatingSystemFile, _data: bytes, offset: int) -> None:
        if offset:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(OperatingSystemFile, "pwrite", refuse)
    with pytest.raises(StorageFull):
        files.create_zeroed(tmp_path / "large", 4 << 20)
    assert files.names(tmp_path) == []


def test_other_errors_leave_no_file_and_pass_through(tmp_path, monkeypatch):
    """A failing disk is not a full one."""

    def fail(_file: OperatingSystemFile) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(OperatingSystemFile, "fdatasync", fail)
    files = OperatingSystemFiles()
    with pytest.raises(OSError, match="broken"):
        files.create_zeroed(tmp_path / "file", 4096)
    assert files.names(tmp_path) == []


def test_names_change_and_nothing_is_written_over(tmp_path):
    """Rename, unlink and the refusal of an existing name."""
    files = OperatingSystemFiles()
    files.create_zeroed(tmp_path / "b", 4096).close()
    files.create_zeroed(tmp_path / "a", 4096).close()
    with pytest.raises(FileExistsError):
        files.create_zeroed(tmp_path / "a", 4096)
    assert files.names(tmp_path) == ["a", "b"]
    files.rename(tmp_path / "a", tmp_path / "c")
    files.unlink(tmp_path / "b")
    files.fsync_directory(tmp_path)
    assert files.names(tmp_path) == ["c"]


def test_directories_are_made_with_their_parents(tmp_path):
    """The path of a new node's log is made, once or twice."""
    files = OperatingSystemFiles()
    for _ in range(2):
        files.make_directory(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_directories_are_made_durable(tmp_path, monkeypatch):
    """D10: each new name is synced in the directory above it, the outermost first."""
    files = OperatingSystemFiles()
    synced = []
    monkeypatch.setattr(files, "fsync_directory", synced.append)
    files.make_directory(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]


def test_nobody_else_reads_the_log(tmp_path):
    """Files and directories are for their owner alone: they hold messages of people."""
    files = OperatingSystemFiles()
    files.make_directory(tmp_path / "log")
    files.create_zeroed(tmp_path / "log" / "file", 4096).close()
    files.lock(tmp_path / "log" / "lock").close()
    modes = [(tmp_path / "log" / name).stat().st_mode & 0o777 for name in ("", "file", "lock")]
    assert modes == [0o700, 0o600, 0o600]


def test_reserved_space_is_not_filled(tmp_path):
    """What the database beside the log needs counts as taken."""
    free_bytes = OperatingSystemFiles().free_bytes(tmp_path)
    files = OperatingSystemFiles(reserve_bytes=free_bytes)
    assert files.free_bytes(tmp_path) < free_bytes // 2
    with pytest.raises(StorageFull):
        files.create_zeroed(tmp_path / "file", free_bytes // 2)


def test_lock_is_exclusive_until_closed(tmp_path):
    """One holder at a time, also within a process."""
    files = OperatingSystemFiles()
    lock = files.lock(tmp_path / "lock")
    with pytest.raises(StorageError, match="another process"):
        files.lock(tmp_path / "lock")
    lock.close()
    files.lock(tmp_path / "lock").close()
