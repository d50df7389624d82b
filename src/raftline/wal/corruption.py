"""The one form of a complaint about damage: where, what was due, what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import StorageCorrupt

if TYPE_CHECKING:
    from pathlib import Path

REMEDY: Final = (
    "What this node had promised to keep is damaged or gone, so it must not vote or acknowledge with what is left"
)


def corruption(path: Path, *, expected: str, found: str, offset: int | None = None) -> StorageCorrupt:
    """Build the error for `path`; `expected` and `found` are noun phrases."""
    place = f"{path}" if offset is None else f"{path}, offset {offset}"
    return StorageCorrupt(f"{place}: expected {expected}, found {found}. {REMEDY}")
