"""
Stored files: bytes that the cluster keeps once, counted by what refers to them: uploads, and descriptions as to their
thumbnails. The last holder takes the file along, with its description and what that holds.
"""

from __future__ import annotations

from raftline.machine.context import Context
from raftline.machine.media.tables import StoredFile


def hold(context: Context, digest: bytes, size: int) -> None:
    """One holder more."""
    files = context.media.files
    stored = files.get(digest) or StoredFile(digest, size, 0)
    files.put(digest, stored._replace(holders=stored.holders + 1))


def release(context: Context, digest: bytes) -> None:
    """One holder less; with the last one the file goes, and its description."""
    media = context.media
    while digest:
        stored = media.files.get(digest)
        assert stored is not None, "what is held is there"
        if stored.holders > 1:
            media.files.put(digest, stored._replace(holders=stored.holders - 1))
            return
        media.files.delete(digest)
        media.undescribed.delete(digest)
        description = media.descriptions.delete(digest)
        digest = b"" if description is None else description.thumbnail
