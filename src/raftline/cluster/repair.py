"""
A node whose disk damaged what it keeps, and gets it from its peers again.

    note written          why, and the term and vote that must not be forgotten; from here on a start repairs
    set aside             log, database and snapshots moved to damaged/, a new log begun that knows term and vote
    recovering            a start with an empty database: entries or a snapshot arrive (`raftline.raft.recovery`)
    repaired              the node has back whatever it may have acknowledged; note and damaged/ removed

The note is `<data_dir>/repair.json`; each step is durable before the next, and a crash repeats the last one. Until the
node is repaired its old files are kept, unless space is short: should more nodes be damaged than a cluster survives,
they are what is left.

All of it is replaced, whatever was damaged. A database without a part of its rows, or a log without some of its
entries, could be mended piecemeal; but damage is rare, and one way that is always taken is one that is tested.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from raftline.base.errors import StorageCorrupt
from raftline.base.ids import NodeId, Term
from raftline.cluster.json_file import read_json_file, write_json_file
from raftline.raft.messages import HardState
from raftline.wal.directory import disk_errors
from raftline.wal.files import FileSystem, OperatingSystemFiles

NOTE_FILE: Final = "repair.json"
DAMAGED_DIRECTORY: Final = "damaged"
FORMAT: Final = 1

ATTEMPT_COUNT_MAX: Final = 5
"""Repairs begun without one that ended; a disk that damages more than that is not written to again."""


class DamageNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What a start has to know of damage.

    Attributes:
        format: Version of this note.
        reason: What was found, for people.
        term, vote: As last promised.
        attempt: 1 for the first repair, more if damage was found during it.
        is_set_aside: The damaged files are out of the way, and a log is there that knows term and vote.
    """

    format: int
    reason: str
    term: Term
    vote: NodeId | None
    attempt: int
    is_set_aside: bool = False

    @property
    def hard_state(self) -> HardState:
        """Term and vote."""
        return HardState(self.term, self.vote)


class Repair:
    """
    The repair of one data directory, if one is under way.

    Args:
        log_directory: In `data_dir`.
        database_path: In `data_dir`.
        files: The disk of the log.

    Attributes:
        note: None while nothing is known to be damaged.

    Raises:
        StorageCorrupt: The note cannot be read.
        StorageError: A later release wrote it, or the disk failed; so from every call.
    """

    def __init__(self, data_dir: Path, log_directory: Path, database_path: Path, files: FileSystem) -> None:
        self._data_dir = data_dir
        self._log_directory = log_directory
        self._database_path = database_path
        self._files = files
        self._note_path = data_dir / NOTE_FILE
        self._damaged = data_dir / DAMAGED_DIRECTORY
        self.note = read_note(data_dir)

    def record(self, reason: str, hard_state: HardState) -> None:
        """
        Note damage, durably.

        Args:
            hard_state: At least what any message of this node has told.

        Raises:
            StorageCorrupt: It has been damaged too often before it was repaired.
        """
        attempt = 1 if self.note is None else self.note.attempt + 1
        if attempt > ATTEMPT_COUNT_MAX:
            raise StorageCorrupt(
                f"{self._data_dir}: damaged once more, after {attempt - 1} repairs that did not end: {reason}. The disk"
                f" is not to be trusted: replace it, and the node (`raftline cluster replace`)"
            )
        self._write(DamageNote(FORMAT, reason, hard_state.term, hard_state.vote, attempt))

    def set_aside(self) -> None:
        """
        Move what is damaged out of the way, durably; whoever calls begins a log and then calls `began`.

        Order: a note is there; nobody has log or database open.
        """
        with disk_errors(self._damaged):
            self._files.make_directory(self._damaged)
            self._damaged.mkdir(mode=0o700, exist_ok=True)
            for name in self._files.names(self._log_directory):
                if not name.startswith(("lock", "spare-")):
                    self._move_log_file(name)
            self._files.fsync_directory(self._log_directory)
            self._files.fsync_directory(self._damaged)
            self._move_database()
            _sync_directory(self._data_dir)
            _sync_directory(self._damaged)

    def _move_log_file(self, name: str) -> None:
        """A name that is there already is that of the damaged file: what has it now is a log that was never used."""
        source, target = self._log_directory / name, self._damaged / name
        if name in self._files.names(self._damaged):
            self._files.unlink(source)
        else:
            self._files.rename(source, target)

    def _move_database(self) -> None:
        path = self._database_path
        is_short = path.exists() and self._files.free_bytes(self._data_dir) < path.stat().st_size
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            source, target = self._data_dir / name, self._damaged / name
            if is_short or target.exists():
                source.unlink(missing_ok=True)
            elif source.exists():
                source.rename(target)

    def began(self) -> None:
        """Note that there is a log again, which knows term and vote."""
        assert self.note is not None
        self._write(msgspec.structs.replace(self.note, is_set_aside=True))

    def finish(self) -> None:
        """The node is repaired: forget the damage, and what was damaged."""
        with disk_errors(self._damaged):
            self._note_path.unlink(missing_ok=True)
            _sync_directory(self._data_dir)
            self.note = None
            for name in self._files.names(self._damaged):
                self._files.unlink(self._damaged / name)
            for path in self._damaged.iterdir():
                path.unlink()
            self._damaged.rmdir()

    def _write(self, note: DamageNote) -> None:
        write_json_file(self._note_path, note)
        self.note = note


def read_note(data_dir: Path) -> DamageNote | None:
    """
    Return what is noted of damage in a data directory; None if nothing is.

    Raises:
        StorageCorrupt: The note cannot be read.
        StorageError: A later release wrote it, or the disk failed.
    """
    return read_json_file(data_dir / NOTE_FILE, DamageNote, format_max=FORMAT)


def _sync_directory(directory: Path) -> None:
    OperatingSystemFiles().fsync_directory(directory)
