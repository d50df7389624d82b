"""
The files of snapshots, on their way out and in.

    snapshots/out-<name>        made by this node, handed out while it is on offer
    snapshots/in-<name>.part    what has arrived of one that is being fetched
    snapshots/install           arrived whole, verified, synced: it is to take the place of the database
    snapshots/install.meta      what it contains; also the promise to tell the log

    install.meta    | magic 4s | version u8 | zeros | CRC-32C u32 | SnapshotMeta, msgpack |

The checksum covers what follows it; from version 2 on the version as well, so that a later version is told from a
damaged number.

Installing, in an order that a crash may cut anywhere:

    1. `keep`: the part is synced and renamed to `install`, then `install.meta` is written, synced and renamed
    2. the core is told; the database is closed and `install` renamed over it (`raftline.machine.snapshot.adopt`)
    3. the log writes its snapshot mark; when that is durable, `install.meta` is removed

A start that finds `install.meta` goes on from where the crash came: with `install` there and the database older, at 2,
else at 3. `install` without it is a leftover of 1, or of a snapshot that turned out needless.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from crc32c import crc32c

from raftline.base.errors import StorageCorrupt, StorageError, StorageFull
from raftline.raft.messages import SnapshotMeta
from raftline.wal.files import NO_SPACE_ERRNOS, OperatingSystemFiles

DIRECTORY: Final = "snapshots"
DIGEST_SIZE: Final = 32
STEP_BYTES: Final = 4 << 20
"""How much one step of hashing reads."""

SYNC_BYTES: Final = 8 << 20
"""Written between two syncs, so that the sync of the log beside it never waits for a whole snapshot."""

_MAGIC: Final = b"RLSM"
VERSION: Final = 1
_VERSION_COVERED_SINCE: Final = 2
_HEAD: Final = struct.Struct("<4sB3xI")
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(SnapshotMeta)


class SnapshotFiles:
    """
    The directory of one node's snapshots.

    Every method blocks on the disk, and raises StorageFull or StorageError when that fails.
    """

    def __init__(self, data_dir: Path) -> None:
        self._disk = OperatingSystemFiles()
        self.directory = data_dir / DIRECTORY
        self.install_path = self.directory / "install"
        self._meta_path = self.directory / "install.meta"

    def begin(self) -> None:
        """Make the directory, and remove what a crash left half made."""
        with _storage_errors(self.directory):
            self.directory.mkdir(mode=0o700, exist_ok=True)
            for path in self.directory.iterdir():
                is_kept = path == self._meta_path or (path == self.install_path and self._meta_path.exists())
                if not is_kept:
                    path.unlink()

    def clear(self) -> None:
        """Remove all snapshots."""
        with _storage_errors(self.directory):
            self._meta_path.unlink(missing_ok=True)
        self.begin()

    def out_path(self, name: str) -> Path:
        """Return where a snapshot made here lies."""
        return self.directory / f"out-{name}"

    def part_path(self, name: str) -> Path:
        """Return where what arrives of a snapshot is gathered."""
        return self.directory / f"in-{name}.part"

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        with _storage_errors(path):
            path.unlink(missing_ok=True)

    def keep(self, part: Path, meta: SnapshotMeta) -> None:
        """Make a snapshot that has arrived durable, under a name that a restart finds."""
        with _storage_errors(self.directory):
            sync_file(part)
            part.rename(self.install_path)
            draft = self._meta_path.with_suffix(".tmp")
            payload = _ENCODER.encode(meta)
            draft.write_bytes(_HEAD.pack(_MAGIC, VERSION, _checksum(VERSION, payload)) + payload)
            sync_file(draft)
            draft.rename(self._meta_path)
            self._disk.fsync_directory(self.directory)

    def kept(self) -> SnapshotMeta | None:
        """
        Return what is to be installed, or of which the log is to be told; None if nothing is.

        Raises:
            StorageCorrupt: The file that says so is damaged.
            StorageError: A later release wrote it.
        """
        with _storage_errors(self._meta_path):
            try:
                content = self._meta_path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            magic, version, crc = _HEAD.unpack_from(content)
            payload = content[_HEAD.size :]
            if magic != _MAGIC or version == 0 or crc != _checksum(version, payload):
                raise StorageCorrupt(f"{self._meta_path}: what it says of a snapshot is damaged")
            if version > VERSION:
                raise StorageError(f"{self._meta_path}: version {version}, this release knows versions up to {VERSION}")
            return _DECODER.decode(payload)
        except (struct.error, msgspec.DecodeError) as error:
            raise StorageCorrupt(f"{self._meta_path}: what it says of a snapshot is damaged: {error}") from error

    def forget(self, meta: SnapshotMeta) -> None:
        """Note that database and log both have this snapshot, or that it is needless; another one stays."""
        if self.kept() != meta:
            return
        with _storage_errors(self.directory):
            self._meta_path.unlink(missing_ok=True)
            self.install_path.unlink(missing_ok=True)
            self._disk.fsync_directory(self.directory)


def _checksum(version: int, payload: bytes) -> int:
    covered = bytes((version,)) if version >= _VERSION_COVERED_SINCE else b""
    return crc32c(covered + payload)


class FileDigest:
    """A hash of a file, BLAKE2b unless another one is given, in steps that are short enough to share a thread."""

    def __init__(self, path: Path, digest: hashlib._Hash | None = None) -> None:
        self._path = path
        self._digest = hashlib.blake2b(digest_size=DIGEST_SIZE) if digest is None else digest
        self.size = 0
        """Bytes hashed so far."""

    def step(self) -> bool:
        """Hash the next bytes; True at the end of the file."""
        with _storage_errors(self._path), self._path.open("rb") as file:
            file.seek(self.size)
            data = file.read(STEP_BYTES)
        self._digest.update(data)
        self.size += len(data)
        return len(data) < STEP_BYTES

    def value(self) -> bytes:
        """Return the digest of what was hashed."""
        return self._digest.digest()


def read_chunk(path: Path, offset: int, size: int) -> bytes:
    """Read a part of a file; fewer bytes only where it ends."""
    with _storage_errors(path), path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def write_chunk(path: Path, offset: int, data: bytes, *, sync: bool) -> None:
    """Write a part of a file, made if need be."""
    with _storage_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                written_bytes = os.pwrite(descriptor, view, offset)
                view = view[written_bytes:]
                offset += written_bytes
            if sync:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    with _storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one of storage that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE_ERRNOS:
            raise StorageFull(f"{path}: no space left") from error
        raise StorageError(f"{path}: {error}") from error
