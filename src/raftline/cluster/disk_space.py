"""
How much the disk still takes, seen before anything is written rather than when a write fails.

The log knows a segment ahead when it finds no space (`raftline.wal.writer`). The database does not: SQLite finds out in
COMMIT, when its memory is ahead of its file, and then the node can only stop. So a part of the disk is kept free:

    room >= reserve            AMPLE   everything goes on
    room <  reserve            SHORT   no new commands here, none taken as leader, the leadership goes elsewhere
    room <  a quarter of it    OUT     nothing is applied either: the database grows no further, the log keeps the rest

`room` is what the file system would give us, without the *ballast*: a file of a quarter of the reserve, of real blocks.
Others write to the disk too, and may take the last byte between our look and our commit; then the ballast is removed,
which leaves room for the one transaction that is open. It is made again, on a thread, once there is room again.

Leaving a state takes an eighth of the reserve more than entering it, so that a file that comes and goes does not turn
refusal on and off. Looking costs one system call of a microsecond or two and is done before each slice and commit.

Decided against: to go on after SQLite reports a full disk. Its transaction is rolled back while the machine's memory is
not, so the node stops with a plain sentence, and its next start applies the same entries from the log.
"""

from __future__ import annotations

import enum
import logging
from pathlib import Path
from typing import Final

from raftline.base.errors import StorageFull
from raftline.wal.files import FileSystem

_LOG: Final = logging.getLogger(__name__)

BALLAST_FILE: Final = "ballast"
_BALLAST_DRAFT: Final = "ballast.tmp"
_PARTS_OUT: Final = 4
_PARTS_BALLAST: Final = 4
_PARTS_HYSTERESIS: Final = 8
_MEBIBYTE: Final = 1 << 20


class SpaceState(enum.IntEnum):
    """How much the disk still takes; see the head of this module. Greater is worse."""

    AMPLE = 0
    SHORT = 1
    OUT = 2


class DiskSpace:
    """
    Watches the file system of one directory and keeps the ballast in it.

    Args:
        directory: Exists; the ballast lies in it.
        files: The disk.
        reserve_bytes: What is kept free; 64 MiB and more suit a database that grows by tens of megabytes a second.

    `look`, `room_bytes`, `has_room_for` and `leaves_reserve` may be called from any thread; the rest by one at a time.
    """

    def __init__(self, directory: Path, files: FileSystem, *, reserve_bytes: int) -> None:
        self._directory = directory
        self._files = files
        self._reserve_bytes = reserve_bytes
        self._out_bytes = reserve_bytes // _PARTS_OUT
        self._margin_bytes = reserve_bytes // _PARTS_HYSTERESIS
        self.ballast_bytes = reserve_bytes // _PARTS_BALLAST
        """Size of the ballast."""
        names = files.names(directory)
        if _BALLAST_DRAFT in names:
            files.unlink(directory / _BALLAST_DRAFT)
        self._has_ballast = BALLAST_FILE in names
        self._is_making_ballast = False
        self._state = SpaceState.AMPLE
        self.release_count = 0
        """How often the ballast had to go."""
        self.look()

    @property
    def state(self) -> SpaceState:
        """As last seen."""
        return self._state

    @property
    def has_ballast(self) -> bool:
        """The ballast lies in its place."""
        return self._has_ballast

    def room_bytes(self) -> int:
        """Return what may still be written, the ballast's place left out; negative when it is taken by others."""
        free_bytes = self._files.free_bytes(self._directory)
        # While it is being made, a part of it that nobody knows is taken already.
        is_counted = self._has_ballast or self._is_making_ballast
        return free_bytes if is_counted else free_bytes - self.ballast_bytes

    def has_room_for(self, size: int) -> bool:
        """Whether so many bytes more leave the database room to commit."""
        return self.room_bytes() - size >= self._out_bytes

    def leaves_reserve(self, size: int) -> bool:
        """Whether so many bytes more leave the whole reserve untouched: for what can be refused, such as a file."""
        return self.room_bytes() - size >= self._reserve_bytes

    def look(self) -> SpaceState:
        """Look at the disk and return the state, which is logged when it changes."""
        room_bytes = self.room_bytes()
        state = SpaceState.AMPLE
        if room_bytes < self._bound(SpaceState.OUT, self._out_bytes):
            state = SpaceState.OUT
        elif room_bytes < self._bound(SpaceState.SHORT, self._reserve_bytes):
            state = SpaceState.SHORT
        if state is not self._state:
            self._state = state
            self._tell(room_bytes)
        return state

    def _bound(self, state: SpaceState, entering_bytes: int) -> int:
        return entering_bytes + self._margin_bytes if self._state >= state else entering_bytes

    def _tell(self, room_bytes: int) -> None:
        room_mib = room_bytes // _MEBIBYTE
        if self._state is SpaceState.AMPLE:
            _LOG.warning("the disk of %s has space again (%d MiB): commands are taken", self._directory, room_mib)
            return
        what = "refuses new commands" if self._state is SpaceState.SHORT else "applies nothing more"
        _LOG.error("the disk of %s is full but for %d MiB: this node %s", self._directory, room_mib, what)

    def release_ballast(self) -> None:
        """Give the ballast's place to whatever must be written now. Idempotent."""
        if self._has_ballast:
            self._files.unlink(self._directory / BALLAST_FILE)
            self._has_ballast = False
            self.release_count += 1
            _LOG.error("the disk of %s is full: the ballast was removed", self._directory)

    def make_room_to_start(self) -> None:
        """Release the ballast if there is nothing else, before log and database are opened: both may have to write."""
        if self._state is SpaceState.OUT:
            self.release_ballast()

    @property
    def wants_ballast(self) -> bool:
        """It is missing, and there is room for it."""
        return not self._has_ballast and not self._is_making_ballast and self._state is SpaceState.AMPLE

    def make_ballast(self) -> bool:
        """
        Write the ballast; takes as long as the disk does, so call it from a thread while the loop runs.

        Returns: False if there is no space for it after all.

        Raises:
            OSError: The disk failed.
        """
        if self._has_ballast:
            return True
        draft = self._directory / _BALLAST_DRAFT
        self._is_making_ballast = True
        try:
            self._files.create_zeroed(draft, self.ballast_bytes).close()
            self._files.rename(draft, self._directory / BALLAST_FILE)
            self._files.fsync_directory(self._directory)
            self._has_ballast = True
        except StorageFull:
            return False
        finally:
            self._is_making_ballast = False
        return True
