"""
The database files of simulated nodes: real files that SQLite works on, and an account of what of them is durable.

A VFS of our own lies above the checksum VFS of `raftline.machine.database`. It sees each write, sync and truncation of
the database and its write-ahead file, and keeps for each file the bytes as of the last sync and the sectors written
since. So a power failure can leave what disks leave: of the sectors written since the last sync any subset, some of
them spoilt; of a change of size either. Names of files are taken to be durable at once, and so are files that others
than SQLite write: whoever lays a file in the place of another is believed to have synced it.

    process death   the files stay byte for byte as they are; what the dead life had open can neither lock nor write
                    any more, whenever it is closed, and the next life gets copies, so that it shares no memory either
    power failure   as above, then the same

The VFS also refuses: an armed operation fails with an error of input and output, a write finds no space, and a dying
process writes nothing.
"""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from raftline.machine import database
from wal.faulty_files import SECTOR_BYTES

VFS_NAME: Final = "raftline-simulation"

_directories: dict[str, DatabaseFiles] = {}


class _Account:
    """What of one file is durable; `inode` tells whether it is still that file."""

    def __init__(self, inode: int, content: bytes) -> None:
        self.inode = inode
        self.durable = content
        self.dirty: set[int] = set()
        self.is_resized = False

    def wrote(self, offset: int, size: int) -> None:
        self.dirty.update(range(offset // SECTOR_BYTES, (offset + size - 1) // SECTOR_BYTES + 1))

    def synced(self, content: bytes) -> None:
        self.durable = content
        self.dirty.clear()
        self.is_resized = False

    def after_power_failure(self, content: bytes, chance: random.Random) -> bytes:
        """Return what is there after a power failure of a file that had this content."""
        keep_share = chance.choice((0.0, 0.5, 0.9, 1.0))
        garbage_share = chance.choice((0.0, 0.0, 0.5))
        left = bytearray(self.durable)
        if len(left) < len(content):
            left.extend(bytes(len(content) - len(left)))
        for sector in sorted(self.dirty):
            place = slice(sector * SECTOR_BYTES, min((sector + 1) * SECTOR_BYTES, len(content)))
            if place.start >= len(content):
                continue
            if chance.random() < keep_share:
                left[place] = content[place]
            elif chance.random() < garbage_share:
                # Drawn apart: SQLite puts chance of its own into the file, and what it is decides how much is drawn.
                garbage = random.Random(chance.getrandbits(64))
                pairs = zip(left[place], content[place], strict=True)
                left[place] = bytes(old if old == new else garbage.getrandbits(8) for old, new in pairs)
        if self.is_resized and len(content) < len(left) and chance.random() < 0.5:
            del left[len(content) :]
        elif len(content) > len(self.durable) and chance.random() < 0.5:
            # The new size was not durable either; what lies behind the end was never there.
            del left[chance.randint(len(self.durable), len(content)) :]
        return bytes(left)


class DatabaseFiles:
    """
    The database of one node over all its lives; its directory holds nothing else.

    Attributes:
        armed: The next `write`, `sync` or `read` fails; empty for none.
        is_tight: Space is short: look at `free_bytes` before a file grows.
        is_cut_off: The process dies with the present callback.
        life: Files that were opened in an earlier one are dead.
        on_operation: Sees each operation, before it happens.
    """

    def __init__(self, chance: random.Random, directory: Path) -> None:
        self._chance = chance
        self.directory = directory
        self._accounts: dict[str, _Account] = {}
        self.armed = ""
        self.is_tight = False
        self.is_cut_off = False
        self.life = 0
        self.free_bytes: Callable[[], int] = lambda: 1 << 40
        self.on_operation: Callable[[str], None] | None = None
        _directories[str(directory)] = self
        _register()

    def forget(self) -> None:
        """End the accounts."""
        _directories.pop(str(self.directory), None)

    def opened(self, path: Path) -> _Account:
        """Return the account of a file that was opened just now; a new one, if the file is new."""
        name = self._name_of(path)
        inode = path.stat().st_ino
        account = self._accounts.get(name)
        if account is None or account.inode != inode:
            account = self._accounts[name] = _Account(inode, path.read_bytes())
        return account

    def _name_of(self, path: Path) -> str:
        return path.relative_to(self.directory).as_posix()

    def size_bytes(self) -> int:
        """Return what the files take."""
        return sum(path.stat().st_size for path in self._paths())

    def _paths(self) -> list[Path]:
        return sorted(path for path in self.directory.rglob("*") if path.is_file() and _is_kept(path))

    def begin(self, operation: str, name: str, growth_bytes: int = 0) -> None:
        """An operation of this life is about to happen; it may not."""
        if self.on_operation is not None and not self.is_cut_off:
            self.on_operation(operation)
        if self.is_cut_off or self.armed == operation:
            self.armed = ""
            raise apsw.IOError(f"{operation} of {name}")
        if growth_bytes and self.is_tight and self.free_bytes() < growth_bytes:
            raise apsw.FullError(f"no space for {growth_bytes} bytes of {name}")

    def flip(self, path: Path, offset: int, mask: int) -> None:
        """Flip bits of a byte, on the disk and in the kernel's memory."""
        with path.open("r+b") as file:
            file.seek(offset)
            altered = bytes((file.read(1)[0] ^ mask,))
            file.seek(offset)
            file.write(altered)
        account = self._accounts.get(self._name_of(path))
        if account is not None and offset < len(account.durable):
            account.durable = account.durable[:offset] + altered + account.durable[offset + 1 :]

    def process_died(self, connection: apsw.Connection | None) -> None:
        """Let the files be what they are, whatever closing the connection of the dead does."""
        self._replace({path: path.read_bytes() for path in self._paths()}, connection)

    def power_failed(self, connection: apsw.Connection | None) -> None:
        """Lose what was not synced."""
        left = {}
        for path in self._paths():
            content = path.read_bytes()
            account = self._accounts.get(self._name_of(path))
            is_known = account is not None and account.inode == path.stat().st_ino
            left[path] = account.after_power_failure(content, self._chance) if is_known else content
        self._replace(left, connection)
        self._accounts.clear()

    def _replace(self, contents: dict[Path, bytes], connection: apsw.Connection | None) -> None:
        """Close the connection, then let these be the files."""
        accounts = {path: self._accounts.get(self._name_of(path)) for path in contents}
        self.life += 1
        self.armed = ""
        if connection is not None:
            with contextlib.suppress(apsw.Error):
                connection.close(True)
        self.is_cut_off = False
        for path in self.directory.rglob("*"):
            if path.is_file():
                path.unlink()
        self._accounts.clear()
        for path, content in contents.items():
            path.write_bytes(content)
            account = accounts[path]
            if account is not None:
                account.inode = path.stat().st_ino
                self._accounts[self._name_of(path)] = account


def _is_kept(path: Path) -> bool:
    """Whether a file outlives its process: memory that connections share does not."""
    return not path.name.endswith("-shm")


def _files_of(path: Path) -> DatabaseFiles:
    return next(_directories[str(parent)] for parent in path.parents if str(parent) in _directories)


class _WatchedFile(apsw.VFSFile):
    """One open file."""

    def __init__(self, base: str, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__(base, name, flags)
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        self._path = path
        self._name = path.name
        self._files = _files_of(path)
        self._account = self._files.opened(path)
        self._life = self._files.life

    def _begin(self, operation: str, growth_bytes: int = 0) -> None:
        if self._life != self._files.life:
            raise apsw.IOError(f"{operation} of {self._name} by the dead")
        self._files.begin(operation, self._name, growth_bytes)

    def xLock(self, level: int) -> None:  # noqa: N802  apsw names it
        if self._life != self._files.life or self._files.is_cut_off:
            raise apsw.BusyError(f"lock of {self._name} by the dead")
        super().xLock(level)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._begin("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        growth_bytes = offset + len(data) - self._path.stat().st_size if self._files.is_tight else 0
        self._begin("write", max(growth_bytes, 0))
        super().xWrite(data, offset)
        self._account.wrote(offset, len(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._begin("write")
        super().xTruncate(size)
        self._account.is_resized = True

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._begin("sync")
        super().xSync(flags)
        if self._account.dirty or self._account.is_resized:
            self._account.synced(self._path.read_bytes())


class _WatchedVFS(apsw.VFS):
    """See the head of this module."""

    def __init__(self, base: str) -> None:
        self._base = base
        super().__init__(VFS_NAME, base)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _WatchedFile(self._base, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        path = Path(filename)
        _files_of(path).begin("write", path.name)
        super().xDelete(filename, syncdir)

    def excepthook(self, *_error: object) -> None:
        """Say nothing of errors that SQLite itself passes over: they were meant."""


@functools.cache
def _register() -> _WatchedVFS:
    """Register the VFS with this process, once."""
    return _WatchedVFS(database._checksum_vfs())
