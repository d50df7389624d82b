"""A real disk that says it has little space, or whose syncs hang, when a test wants that."""

from __future__ import annotations

import threading
from pathlib import Path

from raftline.base.errors import StorageFull
from raftline.wal.files import OperatingSystemFile, OperatingSystemFiles


class HangingFile(OperatingSystemFile):
    """A file whose syncs wait until the disk lets them go."""

    def __init__(self, file: OperatingSystemFile, disk: TroubledDisk) -> None:
        super().__init__(file._descriptor)
        self._disk = disk

    def fdatasync(self) -> None:
        self._disk.healthy.wait()
        super().fdatasync()


class TroubledDisk(OperatingSystemFiles):
    """
    The operating system's files, with trouble on demand.

    Attributes:
        free: Free bytes as told; None tells the truth. Files that are filled take their size from it.
        healthy: Syncs wait while it is not set.
    """

    def __init__(self, free: int | None = None) -> None:
        super().__init__()
        self.free = free
        self.healthy = threading.Event()
        self.healthy.set()

    def free_bytes(self, directory: Path) -> int:
        return super().free_bytes(directory) if self.free is None else self.free

    def open(self, path: Path) -> OperatingSystemFile:
        return HangingFile(super().open(path), self)

    def create_zeroed(self, path: Path, size: int) -> OperatingSystemFile:
        if self.free is not None:
            if self.free < size:
                raise StorageFull(f"{path}: no space")
            self.free -= size
        return HangingFile(super().create_zeroed(path, size), self)

    def unlink(self, path: Path) -> None:
        if self.free is not None:
            self.free += path.stat().st_size
        super().unlink(path)
