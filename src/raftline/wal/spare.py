"""
Zero-filled files that wait to become segments.

Filling a file costs far more than a write to the log, so it is done ahead, by a thread of its own: `prepare` may be
called from any thread, beside `take`. A spare exists only whole: it is filled and synced under a temporary name.

Space is known to be short before it is needed: when no spare can be filled, the segment in use still has room.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from raftline.base.errors import StorageFull

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.wal.files import File, FileSystem

TEMPORARY_SUFFIX: Final = ".tmp"
_NAME: Final = re.compile(r"spare-(\d{10})")


class SpareShelf:
    """The spares of one log."""

    def __init__(self, files: FileSystem, directory: Path, segment_bytes: int) -> None:
        self._files = files
        self._directory = directory
        self.segment_bytes = segment_bytes
        """Size of every spare."""
        self._spares: deque[tuple[Path, File]] = deque()
        self._next_number = 1
        self._preparing = threading.Lock()
        self._is_refused = False

    @property
    def count(self) -> int:
        """How many spares wait."""
        return len(self._spares)

    @property
    def has_space(self) -> bool:
        """Whether a spare waits, or no attempt to make one has failed since the last success."""
        return bool(self._spares) or not self._is_refused

    def adopt(self, names: list[str]) -> None:
        """Take over the spares among the `names` of the directory; those of another size are removed."""
        for name in names:
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            path = self._directory / name
            file = self._files.open(path)
            if file.size() == self.segment_bytes:
                self._next_number = max(self._next_number, int(match[1]) + 1)
                self._spares.append((path, file))
            else:
                file.close()
                self._files.unlink(path)

    def prepare(self, count: int = 1) -> None:
        """
        Fill spares until `count` of them wait.

        Raises:
            StorageFull: There is no space; nothing else changed, and a later call may succeed.
            OSError: The disk failed.
        """
        if len(self._spares) >= count:
            return
        with self._preparing:
            while len(self._spares) < count:
                path = self._directory / f"spare-{self._next_number:010d}"
                temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
                try:
                    file = self._files.create_zeroed(temporary, self.segment_bytes)
                except StorageFull:
                    self._is_refused = True
                    raise
                self._files.rename(temporary, path)
                self._next_number += 1
                self._spares.append((path, file))
                self._is_refused = False

    def take(self) -> tuple[Path, File]:
        """Take a spare that `prepare` has made, as (path, open file)."""
        return self._spares.popleft()

    def close(self) -> None:
        """Close the files; the spares stay on disk for the next start."""
        with self._preparing:
            while self._spares:
                self._spares.popleft()[1].close()
