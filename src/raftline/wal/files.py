"""
The seam between the log and the disk.

Everything the log asks of an operating system is in two protocols, so that tests and simulations can put a disk
underneath that loses, tears and refuses writes. What the seam promises, and the log relies on:

- `pwrite` reaches the disk only with the next `fdatasync` of the same file that returns without an error.
- `create_zeroed`, `rename` and `unlink` change a directory; they reach the disk only with `fsync_directory`.
- The content of a file made by `create_zeroed` is durable when it returns; its name is not.

After an `fdatasync` that failed nothing is known of the writes before it: kernels mark such pages clean, so that a
second `fdatasync` succeeds over data that never reached the disk. Hence nobody may try again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING, Final, Protocol

from raftline.base.errors import StorageError, StorageFull

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZERO_CHUNK_BYTES: Final = 1 << 20
"""Written at once while zero-filling."""

ZERO_SYNC_BYTES: Final = 8 << 20
"""Zero-filled between two syncs, so that the sync of a log beside it never waits for a whole file."""

NO_SPACE_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

Buffer = bytes | bytearray | memoryview


class File(Protocol):
    """An open file. Errors of the operating system pass through as `OSError`. `pread` may run beside a `pwrite`."""

    def pread(self, size: int, offset: int) -> bytes:
        """Read `size` bytes at `offset`; fewer only where the file ends."""

    def pwrite(self, data: Buffer, offset: int) -> None:
        """Write all of `data` at `offset`; durable only after `fdatasync`."""

    def fdatasync(self) -> None:
        """Make every write so far durable. An error is final; see the head of this module."""

    def size(self) -> int:
        """Return the bytes of the file."""

    def close(self) -> None:
        """Give the file back; syncs nothing."""


class Lock(Protocol):
    """The right to be the only user of a directory; ends with `close` or with the process."""

    def close(self) -> None:
        """Give the lock back."""


class FileSystem(Protocol):
    """What the log asks of a file system. Errors pass through as `OSError` except where said."""

    def make_directory(self, directory: Path) -> None:
        """Create `directory` and its parents, durably; nothing happens where it exists."""

    def names(self, directory: Path) -> list[str]:
        """Return the names in `directory`, sorted."""

    def open(self, path: Path) -> File:
        """Open an existing file for reading and writing."""

    def create_zeroed(self, path: Path, size: int) -> File:
        """
        Create a file of `size` zero bytes that occupy real blocks, content synced, directory not.

        Raises:
            StorageFull: The file system has not `size` bytes left; no file remains.
            FileExistsError: `path` exists.
        """

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name in the same directory; durable only after `fsync_directory`."""

    def unlink(self, path: Path) -> None:
        """Remove a name; durable only after `fsync_directory`."""

    def fsync_directory(self, directory: Path) -> None:
        """Make the names of `directory` durable."""

    def free_bytes(self, directory: Path) -> int:
        """Return the bytes this process may still allocate in the file system of `directory`."""

    def lock(self, path: Path) -> Lock:
        """
        Take the lock file at `path`, made if absent.

        Raises:
            StorageError: Someone else holds it.
        """


class OperatingSystemFile:
    """A `File` on a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def pread(self, size: int, offset: int) -> bytes:
        """Read `size` bytes at `offset`; fewer only where the file ends."""
        data = os.pread(self._descriptor, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]
        got_bytes = len(data)
        while got_bytes < size:
            data = os.pread(self._descriptor, size - got_bytes, offset + got_bytes)
            if not data:
                break
            parts.append(data)
            got_bytes += len(data)
        return b"".join(parts)

    def pwrite(self, data: Buffer, offset: int) -> None:
        """Write all of `data` at `offset`."""
        written_bytes = os.pwrite(self._descriptor, data, offset)
        if written_bytes == len(data):
            return
        view = memoryview(data)
        while written_bytes < len(view):
            written_bytes += os.pwrite(self._descriptor, view[written_bytes:], offset + written_bytes)

    def fdatasync(self) -> None:
        """Make every write so far durable."""
        os.fdatasync(self._descriptor)

    def size(self) -> int:
        """Return the bytes of the file."""
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Close the descriptor, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class OperatingSystemFiles:
    """
    The `FileSystem` of this machine.

    Args:
        reserve_bytes: Space that counts as taken: the log fills no spare with what the database needs to commit.
    """

    def __init__(self, *, reserve_bytes: int = 0) -> None:
        self._reserve_bytes = reserve_bytes

    def make_directory(self, directory: Path) -> None:
        """Create `directory` and its parents, durably."""
        missing = [directory]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
            self.fsync_directory(path.parent)

    def names(self, directory: Path) -> list[str]:
        """Return the names in `directory`, sorted."""
        return sorted(path.name for path in directory.iterdir())

    def open(self, path: Path) -> OperatingSystemFile:
        """Open an existing file for reading and writing."""
        return OperatingSystemFile(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def create_zeroed(self, path: Path, size: int) -> OperatingSystemFile:
        """Create a file of `size` zero bytes; see `FileSystem.create_zeroed`."""
        if self.free_bytes(path.parent) < size:
            raise StorageFull(f"{path}: {size} bytes are needed, the file system has fewer left")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        file = OperatingSystemFile(descriptor)
        try:
            fill_with_zeros(file, size)
        except BaseException as error:
            file.close()
            path.unlink()
            if isinstance(error, OSError) and error.errno in NO_SPACE_ERRNOS:
                raise StorageFull(f"{path}: no space left for {size} bytes") from error
            raise
        return file

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name in the same directory."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        path.unlink()

    def fsync_directory(self, directory: Path) -> None:
        """Make the names of `directory` durable."""
        with directory_descriptor(directory) as descriptor:
            os.fsync(descriptor)

    def free_bytes(self, directory: Path) -> int:
        """Return the bytes an unprivileged process may still allocate there, less the reserve; may be negative."""
        status = os.statvfs(directory)
        return status.f_bavail * status.f_frsize - self._reserve_bytes

    def lock(self, path: Path) -> OperatingSystemFile:
        """Take the lock file at `path`; the kernel gives it back when the process ends, however it ends."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StorageError(f"{path}: another process uses this directory") from error
        return OperatingSystemFile(descriptor)


def fill_with_zeros(file: File, size: int) -> None:
    """Write `size` zero bytes from the start of `file` and sync them, some megabytes at a time."""
    chunk = bytes(min(ZERO_CHUNK_BYTES, size))
    unsynced_bytes = 0
    for offset in range(0, size, ZERO_CHUNK_BYTES):
        part = chunk if size - offset >= len(chunk) else chunk[: size - offset]
        file.pwrite(part, offset)
        unsynced_bytes += len(part)
        if unsynced_bytes >= ZERO_SYNC_BYTES:
            file.fdatasync()
            unsynced_bytes = 0
    file.fdatasync()


@contextlib.contextmanager
def directory_descriptor(directory: Path) -> Iterator[int]:
    """Open a directory for the length of a `with` block."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
