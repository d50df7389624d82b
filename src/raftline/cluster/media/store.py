"""
Uploaded files on one disk.

    media/ab/abcdef…     a file, under its SHA-256 in hexadecimal digits
    media/drafts/…       what is arriving; removed when it breaks off, and at every start
    media/damaged/…      what was found to be other bytes than its name says; the last few

A file gets its name once its content is durable, and counts as kept once the name is. So what has a name is whole,
but for what a disk does to it later. Every method blocks, and raises StorageFull or StorageError when the disk fails.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raftline.base.errors import StorageError, StorageFull
from raftline.wal.files import NO_SPACE_ERRNOS, OperatingSystemFiles

if TYPE_CHECKING:
    from raftline.cluster.disk_space import DiskSpace

DIRECTORY: Final = "media"
DRAFTS: Final = "drafts"
DAMAGED: Final = "damaged"

SHELVES: Final = tuple(f"{number:02x}" for number in range(256))
"""Directories of files, by the first byte of their names."""

SYNC_BYTES: Final = 8 << 20
"""Written between two syncs, so that the sync of the log beside it never waits for a whole file."""

DAMAGED_COUNT_MAX: Final = 16
"""Damaged files that are kept for people to look at."""

_NAME_SIZE: Final = 64


class MediaStore:
    """
    The directory of one node's files.

    Args:
        draw_name: Gives a name for a draft, another one each time.
        disk: Watches the space; None does not.
    """

    def __init__(self, data_dir: Path, *, draw_name: Callable[[], str], disk: DiskSpace | None = None) -> None:
        self.directory = data_dir / DIRECTORY
        self._drafts = self.directory / DRAFTS
        self._damaged = self.directory / DAMAGED
        self._draw_name = draw_name
        self._disk = disk
        self._files = OperatingSystemFiles()
        self._shelves: set[str] = set()

    def begin(self) -> None:
        """Make the directories, and remove what an earlier life left half written."""
        with _storage_errors(self.directory):
            for directory in (self.directory, self._drafts, self._damaged):
                self._files.make_directory(directory)
            for path in self._drafts.iterdir():
                path.unlink()

    def require_room(self, size: int) -> None:
        """
        Return if so many bytes leave the reserve of the disk untouched.

        Raises:
            StorageFull: They do not.
        """
        if self._disk is not None and not self._disk.leaves_reserve(size):
            raise StorageFull(f"{self.directory}: no space left for a file of {size} bytes")

    def new_draft(self, size: int) -> Draft:
        """Begin a file that will have so many bytes."""
        self.require_room(size)
        path = self._drafts / self._draw_name()
        with _storage_errors(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        return Draft(path, descriptor, self.require_room, size)

    def keep(self, draft: Draft) -> None:
        """Give a synced draft its name, durably. A file of that name had the same bytes, or should have had."""
        target = self.path_of(draft.digest)
        with _storage_errors(target):
            if target.parent.name not in self._shelves:
                # One that an earlier life made may not be durable, though it can be seen.
                self._files.make_directory(target.parent)
                self._shelves.add(target.parent.name)
            draft.path.rename(target)
            self._files.fsync_directory(target.parent)

    def size_of(self, digest: bytes) -> int | None:
        """Return how many bytes a file has; None if it is not here."""
        path = self.path_of(digest)
        with _storage_errors(path):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def sizes_of(self, digests: list[bytes]) -> list[int | None]:
        """Return the sizes of several files."""
        return [self.size_of(digest) for digest in digests]

    def read(self, digest: bytes, offset: int, size: int) -> bytes:
        """
        Return a part of a file; fewer bytes only where it ends.

        Raises:
            FileNotFoundError: It is not here.
        """
        path = self.path_of(digest)
        with _storage_errors(path), path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(size) or b""

    def on_shelf(self, shelf: str) -> list[bytes]:
        """Return which files are in one of `SHELVES`, sorted."""
        directory = self.directory / shelf
        with _storage_errors(directory):
            try:
                names = sorted(path.name for path in directory.iterdir())
            except FileNotFoundError:
                return []
        return [bytes.fromhex(name) for name in names if len(name) == _NAME_SIZE and name.startswith(shelf)]

    def delete(self, digest: bytes) -> None:
        """Delete a file, if it is here."""
        path = self.path_of(digest)
        with _storage_errors(path):
            path.unlink(missing_ok=True)

    def set_aside(self, digest: bytes) -> None:
        """Take a damaged file out of the way, if it is here; nobody is served it any more."""
        path = self.path_of(digest)
        with _storage_errors(path):
            try:
                path.rename(self._damaged / path.name)
            except FileNotFoundError:
                return
            kept = sorted(self._damaged.iterdir(), key=lambda one: (one.stat().st_mtime_ns, one.name))
            for oldest in kept[:-DAMAGED_COUNT_MAX]:
                oldest.unlink()

    def path_of(self, digest: bytes) -> Path:
        """Return where a file lies, or would lie."""
        name = digest.hex()
        return self.directory / name[:2] / name


class Draft:
    """
    A file that is being written.

    Args:
        require_room: Raises StorageFull if the disk has no room for so many bytes.
        expected_size: Bytes that are announced.

    Attributes:
        size: Bytes so far.
    """

    def __init__(self, path: Path, descriptor: int, require_room: Callable[[int], None], expected_size: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._require_room = require_room
        self._expected_size = expected_size
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> bytes:
        """SHA-256 of what was written."""
        return self._hash.digest()

    def write(self, data: bytes) -> None:
        """Write what follows."""
        with _storage_errors(self.path):
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
            self._hash.update(data)
            before, self.size = self.size, self.size + len(data)
            if before // SYNC_BYTES != self.size // SYNC_BYTES:
                os.fdatasync(self._descriptor)
                self._require_room(max(self._expected_size - self.size, 0))

    def sync(self) -> None:
        """Make the content durable; nothing can be written any more."""
        with _storage_errors(self.path):
            try:
                os.fsync(self._descriptor)
            finally:
                self._close()

    def discard(self) -> None:
        """Remove what was written, unless it was kept. Idempotent."""
        with _storage_errors(self.path):
            self._close()
            self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class FileCheck:
    """SHA-256 of a file of the store, in steps that are short enough to share a thread."""

    def __init__(self, store: MediaStore, digest: bytes) -> None:
        self._store = store
        self._digest = digest
        self._hash = hashlib.sha256()
        self._offset = 0

    def step(self, size: int) -> int:
        """Hash up to `size` bytes more; return how many there were, fewer at the end."""
        data = self._store.read(self._digest, self._offset, size)
        self._hash.update(data)
        self._offset += len(data)
        return len(data)

    @property
    def is_good(self) -> bool:
        """What was hashed is what the name says."""
        return self._hash.digest() == self._digest


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one of storage that names `path`; a missing file stays one."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in NO_SPACE_ERRNOS:
            raise StorageFull(f"{path}: no space left") from error
        raise StorageError(f"{path}: {error}") from error
