"""
A disk in memory that fails the way disks fail, for tests and simulations.

What a crash leaves is what a careful reading of POSIX allows, not what one file system happens to do:

- bytes that were synced stay;
- of unsynced writes, any subset of 512-byte sectors stays; a sector in flight may also hold garbage, but only where
  its old and new bytes differ (disks write sectors whole, and never harm what is not written to);
- of changes to a directory since its last sync, any subset stays; a rename stays or goes as a whole.

`power_failure` is such a crash, `process_death` only closes files and locks (the kernel keeps everything). Faults are
armed by name: `fail` makes an operation raise, `on_operation` sees each operation before it happens and may raise,
block or count. All chance comes from the `random.Random` handed in.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

from raftline.base.errors import StorageError, StorageFull
from raftline.wal.files import Buffer

SECTOR_BYTES = 512


class Crash(BaseException):
    """The power went; no `except Exception` may survive it."""


class Inode:
    """Content of a file: as the kernel has it, and as the disk has it; `path` is what it is called now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = bytearray()
        self.durable = bytearray()
        self.dirty: set[int] = set()

    def write(self, data: Buffer, offset: int) -> None:
        end = offset + len(data)
        if end > len(self.content):
            self.content.extend(bytes(end - len(self.content)))
        self.content[offset:end] = data
        if data:
            self.dirty.update(range(offset // SECTOR_BYTES, (end - 1) // SECTOR_BYTES + 1))

    def sync(self) -> None:
        if len(self.durable) < len(self.content):
            self.durable.extend(bytes(len(self.content) - len(self.durable)))
        for sector in self.dirty:
            place = slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
            self.durable[place] = self.content[place]
        self.dirty.clear()

    def power_failure(self, random: Random, keep_share: float, garbage_share: float) -> None:
        """Keep each unsynced sector with the given probability, spoil it with the other."""
        if len(self.durable) < len(self.content):
            self.durable.extend(bytes(len(self.content) - len(self.durable)))
        for sector in sorted(self.dirty):
            place = slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
            if random.random() < keep_share:
                self.durable[place] = self.content[place]
            elif random.random() < garbage_share:
                pairs = zip(self.durable[place], self.content[place], strict=True)
                self.durable[place] = bytes(old if old == new else random.getrandbits(8) for old, new in pairs)
        self.content = bytearray(self.durable)
        self.dirty.clear()


class FaultyFile:
    """An open file of `FaultyFiles`; of no use after a crash."""

    def __init__(self, files: FaultyFiles, inode: Inode) -> None:
        self._files = files
        self._inode = inode
        self._life = files.life
        self._is_open = True
        self._opened_path = inode.path
        files.open_paths.append(inode.path)

    def _begin(self, operation: str) -> None:
        assert self._is_open, f"{self._inode.path}: used after close"
        assert self._life == self._files.life, f"{self._inode.path}: used after a crash"
        self._files.begin(operation, self._inode.path)

    def pread(self, size: int, offset: int) -> bytes:
        self._begin("pread")
        return bytes(self._inode.content[offset : offset + size])

    def pwrite(self, data: Buffer, offset: int) -> None:
        self._begin("pwrite")
        self._inode.write(data, offset)

    def fdatasync(self) -> None:
        try:
            self._begin("fdatasync")
        except OSError:
            # As Linux does it: the pages count as clean, nothing reached the disk, the next sync succeeds.
            self._inode.dirty.clear()
            raise
        self._inode.sync()

    def size(self) -> int:
        self._begin("size")
        return len(self._inode.content)

    def close(self) -> None:
        if self._is_open and self._life == self._files.life:
            self._files.open_paths.remove(self._opened_path)
        self._is_open = False


class FaultyLock:
    """A lock of `FaultyFiles`."""

    def __init__(self, files: FaultyFiles, path: Path) -> None:
        self._files = files
        self._path = path
        self._life = files.life

    def close(self) -> None:
        if self._life == self._files.life:
            self._files.locks.discard(self._path)


class Fuse:
    """
    Ends the process right before an operation.

    Attributes:
        left: Operations that may still happen; if any are left in the end, the process got through.
    """

    def __init__(self, left: int, operation: str) -> None:
        self.left = left
        self._operation = operation

    def __call__(self, operation: str, _path: Path) -> None:
        if self._operation in ("", operation):
            if self.left == 0:
                raise Crash
            self.left -= 1


class FaultyFiles:
    """The disk of one node; see the head of this module. A `FileSystem`."""

    def __init__(self, random: Random, capacity_bytes: int = 1 << 40) -> None:
        self.random = random
        self.capacity_bytes = capacity_bytes
        self.life = 0
        self.locks: set[Path] = set()
        self.open_paths: list[Path] = []
        """What is open in this life, by the names it had then."""
        self.operation_counts: dict[str, int] = {}
        self.on_operation: Callable[[str, Path], None] | None = None
        self._names: dict[Path, Inode] = {}
        self._durable_names: dict[Path, Inode] = {}
        self._changes: list[tuple[Path, Path | None, Path | None, Inode]] = []
        self._faults: list[tuple[str, str, int]] = []
        self._guard = threading.Lock()

    # Faults.

    def fail(self, operation: str, error_number: int = errno.EIO, *, name_part: str = "") -> None:
        """Make the next `operation` on a path whose name holds `name_part` raise; may be called more than once."""
        with self._guard:
            self._faults.append((operation, name_part, error_number))

    def crash_after(self, count: int, operation: str = "") -> Fuse:
        """Let the process end when so many operations have happened, of this kind alone if one is named."""
        fuse = Fuse(count, operation)
        self.on_operation = fuse
        return fuse

    def begin(self, operation: str, path: Path) -> None:
        """Count an operation, let the observer see it, raise an armed fault."""
        if self.on_operation is not None:
            self.on_operation(operation, path)
        with self._guard:
            self.operation_counts[operation] = self.operation_counts.get(operation, 0) + 1
            for fault in self._faults:
                if fault[0] == operation and fault[1] in path.name:
                    self._faults.remove(fault)
                    raise OSError(fault[2], os.strerror(fault[2]), str(path))

    def flip(self, path: Path, offset: int, mask: int) -> None:
        """Flip bits of a byte, on the disk and in memory."""
        inode = self._names[path]
        inode.content[offset] ^= mask
        if offset < len(inode.durable):
            inode.durable[offset] ^= mask

    def content(self, path: Path) -> bytes:
        return bytes(self._names[path].content)

    def replace_content(self, path: Path, content: bytes) -> None:
        """Put other bytes into a file behind everyone's back, durably."""
        inode = self._names[path]
        inode.content, inode.durable = bytearray(content), bytearray(content)
        inode.dirty.clear()

    def lose(self, path: Path) -> None:
        """Remove a name behind everyone's back, durably."""
        del self._names[path]
        self._durable_names.pop(path, None)

    def process_death(self) -> None:
        """Close all files and locks; the kernel keeps what was written, synced or not."""
        self.life += 1
        self.locks.clear()
        self.open_paths.clear()
        self._faults.clear()
        self.on_operation = None

    def power_failure(self) -> None:
        """Lose what was not synced, by the rules at the head of this module."""
        self.process_death()
        random = self.random
        keep_share = random.choice((0.0, 0.5, 0.9, 1.0))
        garbage_share = random.choice((0.0, 0.0, 0.5))
        name_share = random.choice((0.0, 0.5, 1.0))
        for _directory, source, target, inode in self._changes:
            if random.random() < name_share:
                self._change(self._durable_names, source, target, inode)
        self._changes.clear()
        inodes = {id(inode): inode for inode in [*self._names.values(), *self._durable_names.values()]}
        for inode in inodes.values():
            inode.power_failure(random, keep_share, garbage_share)
        self._names = dict(self._durable_names)
        for path, inode in self._names.items():
            inode.path = path

    # The seam.

    def make_directory(self, directory: Path) -> None:
        self.begin("make_directory", directory)

    def names(self, directory: Path) -> list[str]:
        self.begin("names", directory)
        return sorted(path.name for path in self._names if path.parent == directory)

    def open(self, path: Path) -> FaultyFile:
        self.begin("open", path)
        return FaultyFile(self, self._inode(path))

    def _inode(self, path: Path) -> Inode:
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return self._names[path]

    def create_zeroed(self, path: Path, size: int) -> FaultyFile:
        self.begin("create_zeroed", path)
        if path in self._names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        if self.free_bytes(path.parent) < size:
            raise StorageFull(f"{path}: no space left for {size} bytes")
        inode = Inode(path)
        inode.write(bytes(size), 0)
        inode.sync()
        self._record(path.parent, None, path, inode)
        return FaultyFile(self, inode)

    def rename(self, source: Path, target: Path) -> None:
        self.begin("rename", source)
        self._record(target.parent, source, target, self._inode(source))

    def unlink(self, path: Path) -> None:
        self.begin("unlink", path)
        self._record(path.parent, path, None, self._inode(path))

    def fsync_directory(self, directory: Path) -> None:
        self.begin("fsync_directory", directory)
        with self._guard:
            for change in [change for change in self._changes if change[0] == directory]:
                self._change(self._durable_names, *change[1:])
                self._changes.remove(change)

    def free_bytes(self, directory: Path) -> int:
        self.begin("free_bytes", directory)
        return self.capacity_bytes - sum(len(inode.content) for inode in self._names.values())

    def lock(self, path: Path) -> FaultyLock:
        self.begin("lock", path)
        if path in self.locks:
            raise StorageError(f"{path}: another process uses this directory")
        self.locks.add(path)
        return FaultyLock(self, path)

    def _record(self, directory: Path, source: Path | None, target: Path | None, inode: Inode) -> None:
        with self._guard:
            self._change(self._names, source, target, inode)
            inode.path = target or inode.path
            self._changes.append((directory, source, target, inode))

    @staticmethod
    def _change(names: dict[Path, Inode], source: Path | None, target: Path | None, inode: Inode) -> None:
        if source is not None:
            names.pop(source, None)
        if target is not None:
            names[target] = inode
