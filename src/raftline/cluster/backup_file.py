"""
The file of a backup: what a whole cluster had agreed on at one position of its log.

    0         8          12             16
    | magic   | format   | header size  | header, JSON | SHA-256 of all before | part | part | ...
      8s        u32 LE     u32 LE                        32 bytes

The header says what the file is and names its parts in order, each with its size and SHA-256. So no byte is outside of
a digest, a file that was cut short lacks something that is named, and one that was added to has something that is not.
Parts are files of their own, one behind the other:

    state       the database of the state machine (`raftline.machine.snapshot`), always there and always first
    media/...   a file that people uploaded, under its SHA-256 in hexadecimal digits

Other parts are passed over by a release that does not know them.

The frame (all up to the parts) is the same in every format, so that a later one is told from damage and refused by its
number. The header is JSON, so that people can look at it: `head -c 2000 FILE`.

A file is written under another name, synced and renamed: there is never half a backup under the name that was asked
for. Decided against: a digest behind each part, which would let parts be written before they are known (a backup is
made of what exists, so all is known when it begins), and a container such as tar, whose headers have no digest.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Final, Self

import msgspec

from raftline.base.errors import StorageCorrupt, StorageError, StorageFull
from raftline.wal.files import NO_SPACE_ERRNOS

MAGIC: Final = b"RLBACKUP"
FORMAT: Final = 1
STATE_PART: Final = "state"
MEDIA_PREFIX: Final = "media/"
HEADER_BYTES_MAX: Final = 64 << 20
"""Of the header: some hundreds of thousands of parts."""

BLOCK_BYTES: Final = 1 << 20
"""How much is read or written at a time."""

_FRAME: Final = struct.Struct("<8sII")
_DIGEST_SIZE: Final = 32
_HEX_DIGEST: Final = msgspec.Meta(pattern="^[0-9a-f]{64}$")
_NATURAL: Final = msgspec.Meta(ge=0, le=(1 << 63) - 1)

Progress = Callable[[int], object]
"""Told how many bytes more were read or written."""


class Part(msgspec.Struct, frozen=True):
    """A part of a backup; `sha256` in hexadecimal digits."""

    name: str
    size: Annotated[int, _NATURAL]
    sha256: Annotated[str, _HEX_DIGEST]


class BackupHeader(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a backup is.

    Attributes:
        cluster_id: Of the cluster that it is of; one that is founded with it is another cluster.
        cluster_epoch: First part of the stanza ids that were given out there.
        node_id: Who made it.
        applied_index, applied_term: The last entry of the log that it contains.
        machine_version: By which rules that was applied.
        state_hash, entry_chain: Heads of both chains there, in hexadecimal digits.
        made_ms: When, in milliseconds since 1970, by that node's clock.
        release: Of Raftline that wrote it.
        missing: SHA-256 of uploaded files that the state knows and no node had that could be reached.
    """

    cluster_id: str
    domain: str
    cluster_epoch: Annotated[int, msgspec.Meta(ge=1)]
    node_id: Annotated[int, _NATURAL]
    applied_index: Annotated[int, _NATURAL]
    applied_term: Annotated[int, _NATURAL]
    machine_version: Annotated[int, _NATURAL]
    state_hash: Annotated[str, _HEX_DIGEST]
    entry_chain: Annotated[str, _HEX_DIGEST]
    made_ms: Annotated[int, _NATURAL]
    release: str
    parts: tuple[Part, ...]
    missing: tuple[str, ...] = ()

    @property
    def state(self) -> Part:
        """The database."""
        return self.parts[0]

    @property
    def content_bytes(self) -> int:
        """Size of all parts."""
        return sum(part.size for part in self.parts)


class BackupWriter:
    """
    A backup that is being written.

    Order: `write` the bytes of all parts in order, then `finish`; leaving the `with` without that leaves no file.

    Raises:
        StorageCorrupt: What was written is not what the header promises.
        StorageFull, StorageError: The disk failed.
    """

    def __init__(self, path: Path, header: BackupHeader) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._parts = iter(header.parts)
        self._part: Part | None = None
        self._left_bytes = 0
        self._is_finished = False
        head = _encode_head(header)
        with disk_errors(self._draft):
            descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(descriptor, "wb", buffering=BLOCK_BYTES)
            self._file.write(head)
        self._next_part()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()
        if not self._is_finished:
            self._draft.unlink(missing_ok=True)

    def _next_part(self) -> None:
        """Go on to the next part that has bytes."""
        self._digest = hashlib.sha256()
        self._part = next((part for part in self._parts if part.size), None)
        self._left_bytes = 0 if self._part is None else self._part.size

    def write(self, data: bytes) -> None:
        """Write the next bytes of a part, which do not reach into another one."""
        part = self._part
        if part is None or len(data) > self._left_bytes:
            raise StorageCorrupt("more arrived than was announced of the backup")
        with disk_errors(self._draft):
            self._file.write(data)
        self._digest.update(data)
        self._left_bytes -= len(data)
        if not self._left_bytes:
            if self._digest.hexdigest() != part.sha256:
                raise StorageCorrupt(f"the part {part.name} of the backup did not arrive as it was announced")
            self._next_part()

    def finish(self) -> None:
        """Make the file durable under its name; another file of that name is replaced."""
        if self._part is not None:
            raise StorageCorrupt(f"{self._left_bytes} bytes are missing of the part {self._part.name} of the backup")
        with disk_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._draft.rename(self._path)
            self._is_finished = True
            descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def read_header(path: Path) -> BackupHeader:
    """
    Return what a file says of itself, after its frame, header and size were checked; its parts are not.

    Raises:
        StorageCorrupt: It is damaged, cut short, or no backup.
        StorageError: A later release wrote it, or the disk failed.
    """
    with disk_errors(path), path.open("rb") as file:
        header, offset = _read_head(path, file)
        size = file.seek(0, os.SEEK_END)
    expected = offset + header.content_bytes
    if size != expected:
        change = "is cut short" if size < expected else "has more than it should"
        raise StorageCorrupt(f"{path} {change}: {size} bytes of {expected}")
    return header


def read_parts(path: Path, prefix: str = "") -> Iterator[tuple[Part, Iterator[bytes]]]:
    """
    Yield the parts whose names begin with `prefix`, in order, each with its bytes in blocks.

    Order: the blocks of a part are read before the next part is asked for. Whoever uses them before their end does so
    unverified.

    Raises:
        StorageCorrupt: The file is damaged; known at the end of the part at the latest.
        StorageError: A later release wrote the file, or the disk failed.
    """
    with disk_errors(path), path.open("rb") as file:
        header, offset = _read_head(path, file)
        for part in header.parts:
            if part.name.startswith(prefix):
                file.seek(offset)
                yield part, _checked(path, file, part)
            offset += part.size


def read_part(path: Path, name: str) -> Iterator[bytes]:
    """
    Yield a part's bytes in blocks, as `read_parts` does.

    Raises:
        StorageError: As there; or there is no such part.
    """
    for part, blocks in read_parts(path, name):
        if part.name == name:
            yield from blocks
            return
    raise StorageError(f"{path} has no part {name}")


def verify_parts(path: Path, told: Progress = lambda _count: None) -> list[str]:
    """
    Read a whole file whose header is good, and return what is wrong with its parts.

    Raises:
        StorageError: As `read_header`.
    """
    complaints = []
    read_header(path)
    for _part, blocks in read_parts(path):
        try:
            for block in blocks:
                told(len(block))
        except StorageCorrupt as error:
            complaints.append(str(error))
    return complaints


def _checked(path: Path, file: IO[bytes], part: Part) -> Iterator[bytes]:
    digest = hashlib.sha256()
    left_bytes = part.size
    while left_bytes:
        block = file.read(min(left_bytes, BLOCK_BYTES))
        if not block:
            raise StorageCorrupt(f"{path} is cut short: {left_bytes} bytes of the part {part.name} are missing")
        digest.update(block)
        left_bytes -= len(block)
        yield block
    if digest.hexdigest() != part.sha256:
        raise StorageCorrupt(f"{path} is damaged: the part {part.name} is not what was written")


def _encode_head(header: BackupHeader) -> bytes:
    payload = msgspec.json.format(msgspec.json.encode(header), indent=1) + b"\n"
    if len(payload) > HEADER_BYTES_MAX:
        raise StorageError(f"a backup of {len(header.parts)} parts: its header is larger than {HEADER_BYTES_MAX} bytes")
    head = _FRAME.pack(MAGIC, FORMAT, len(payload)) + payload
    return head + hashlib.sha256(head).digest()


def _read_head(path: Path, file: IO[bytes]) -> tuple[BackupHeader, int]:
    """Return the header, and where the first part begins."""
    frame = file.read(_FRAME.size)
    if len(frame) < _FRAME.size or frame[: len(MAGIC)] != MAGIC:
        raise StorageCorrupt(f"{path} is no backup, or its first bytes are damaged")
    _magic, version, size = _FRAME.unpack(frame)
    if size > HEADER_BYTES_MAX:
        raise StorageCorrupt(f"{path} is damaged: a header of {size} bytes")
    payload, digest = file.read(size), file.read(_DIGEST_SIZE)
    if len(payload) < size or digest != hashlib.sha256(frame + payload).digest():
        raise StorageCorrupt(f"{path} is damaged or cut short: its header is not what was written")
    if version != FORMAT:
        raise StorageError(f"{path} is a backup of format {version}, this release knows formats up to {FORMAT}")
    try:
        header = msgspec.json.decode(payload, type=BackupHeader)
    except msgspec.DecodeError as error:
        raise StorageCorrupt(f"{path} is damaged: its header cannot be read: {error}") from error
    _require_parts(path, header.parts)
    return header, _FRAME.size + size + _DIGEST_SIZE


def _require_parts(path: Path, parts: Sequence[Part]) -> None:
    names = [part.name for part in parts]
    if not names or names[0] != STATE_PART or len(set(names)) != len(names):
        raise StorageCorrupt(f"{path} is damaged: parts {names[:10]}")
    for part in parts:
        if part.name.startswith(MEDIA_PREFIX) and part.name != MEDIA_PREFIX + part.sha256:
            raise StorageCorrupt(f"{path} is damaged: {part.name} is no name of a file with SHA-256 {part.sha256}")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one of storage that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE_ERRNOS:
            raise StorageFull(f"{path}: no space left") from error
        raise StorageError(f"{path}: {error.strerror or error}") from error
