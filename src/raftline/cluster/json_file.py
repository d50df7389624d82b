"""Small files of a data directory that are written whole, durably and in one step, and say which format they have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from raftline.base.errors import StorageCorrupt, StorageError
from raftline.wal.directory import disk_errors
from raftline.wal.files import OperatingSystemFiles

T = TypeVar("T", bound=msgspec.Struct)


class _Head(msgspec.Struct):
    format: int


def read_json_file(path: Path, kind: type[T], *, format_max: int) -> T | None:
    """
    Return what a file holds; None if there is none.

    Raises:
        StorageCorrupt: It cannot be read.
        StorageError: A later release wrote it, or the disk failed.
    """
    with disk_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        found = msgspec.json.decode(content, type=_Head).format
        if found > format_max:
            raise StorageError(f"{path}: format {found}, this release knows formats up to {format_max}")
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise StorageCorrupt(f"{path} is damaged: {error}") from error


def write_json_file(path: Path, content: msgspec.Struct) -> None:
    """
    Let a file hold this and nothing else; a crash leaves the old content or the new.

    Raises:
        StorageError: The disk failed.
    """
    draft = path.with_name(f"{path.name}.tmp")
    with disk_errors(path):
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        OperatingSystemFiles().fsync_directory(path.parent)
