"""
A disk that a log can be opened on to be looked at: what would be written is dropped.

Opening a log repairs a torn tail and moves its mark; who only looks must leave both to the node's own start. All checks
of a start are made, since they read. A lock is none: whoever looks sees to it that no node runs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from raftline.base.errors import StorageError
from raftline.wal.files import OperatingSystemFile, OperatingSystemFiles

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.wal.files import Buffer


class ReadOnlyFile(OperatingSystemFile):
    """A `File` that keeps its bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def pwrite(self, data: Buffer, offset: int) -> None:
        """Drop it."""

    def fdatasync(self) -> None:
        """Do nothing: nothing was written."""


class _NoLock:
    def close(self) -> None:
        """Do nothing."""


class ReadOnlyFiles(OperatingSystemFiles):
    """The `FileSystem` of this machine, left as it is."""

    def make_directory(self, directory: Path) -> None:
        """Make none; one that is missing is an error."""
        if not directory.is_dir():
            raise StorageError(f"{directory}: there is no such directory")

    def open(self, path: Path) -> ReadOnlyFile:
        """Open an existing file."""
        return ReadOnlyFile(path)

    def create_zeroed(self, path: Path, size: int) -> OperatingSystemFile:
        """Make none."""
        raise StorageError(f"{path}: the log lacks this file, and is only looked at")

    def rename(self, source: Path, target: Path) -> None:
        """Leave the name."""

    def unlink(self, path: Path) -> None:
        """Leave it."""

    def fsync_directory(self, directory: Path) -> None:
        """Do nothing."""

    def lock(self, path: Path) -> _NoLock:  # type: ignore[override]
        """Take none."""
        return _NoLock()
