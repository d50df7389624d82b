"""
What is known of the content of stored files: dimensions, duration, waveform, thumbnail.

    StoreUpload ──▶ undescribed_file ── DescribeFile ──▶ file_description ── its file's last holder ──▶ deleted

Apply looks into no file. A node finds out (cluster/media/describing), stores the thumbnail like any other file, and
tells by a command; so all nodes have the same, whatever versions of codecs they run. The row of what is not described
yet lets another node do it when the first one dies.

Nodes may find different things, and the first counts. Of the other's thumbnail nobody knows then, so that it is deleted
like everything that nobody refers to. A command that comes so late that this may have happened to its own is refused.
"""

from __future__ import annotations

from typing import Final

from raftline.base.limits import (
    MEDIA_PIXEL_COUNT_MAX,
    THUMBNAIL_BYTES_MAX,
    THUMBNAIL_EDGE_MAX,
    UPLOAD_DIGEST_SIZE,
    WAVEFORM_SIZE,
)
from raftline.machine.context import Context
from raftline.machine.media.commands import DescribeFile
from raftline.machine.media.files import hold
from raftline.machine.media.tables import FileDescription, UndescribedFile
from raftline.machine.outcomes import Done, Outcome, Rejected

LACKS: Final = frozenset({"plain", "unreadable", "too-large", "too-slow", "no-decoder"})
"""
Why nothing is known of a file: it is no picture, sound or film; it cannot be read as what it begins like; it has too
many pixels or is too long; it took too long or too much memory; the node had no ffmpeg.
"""

THUMBNAIL_TYPES: Final = frozenset({"image/jpeg", "image/png"})
_DURATION_MS_MAX: Final = 1 << 40
_LOUDNESS_MAX: Final = 100


def await_description(context: Context, digest: bytes, size: int) -> None:
    """Note that a file wants a description, unless it has one."""
    media = context.media
    if media.descriptions.get(digest) is None and media.undescribed.get(digest) is None:
        media.undescribed.insert(digest, UndescribedFile(digest, size))


def describe_file(context: Context, action: DescribeFile) -> Outcome:
    """Keep what a node found out of a file."""
    media = context.media
    if media.descriptions.get(action.digest) is not None:
        return Done()
    if media.undescribed.get(action.digest) is None:
        return Rejected("item-not-found", "cancel", "There is no such file that waits for a description.")
    if action.due_ms <= context.time_ms:
        return Rejected("gone", "cancel", "The thumbnail was stored too long ago.")
    if not _can_be(action):
        return Rejected("bad-request", "modify", "No file can be like this.")
    media.undescribed.delete(action.digest)
    description = FileDescription(
        action.digest,
        action.width,
        action.height,
        action.duration_ms,
        action.waveform,
        action.thumbnail,
        action.thumbnail_size,
        action.thumbnail_type,
        action.thumbnail_width,
        action.thumbnail_height,
        action.lack,
    )
    media.descriptions.insert(action.digest, description)
    if action.thumbnail:
        hold(context, action.thumbnail, action.thumbnail_size)
    return Done()


def _can_be(action: DescribeFile) -> bool:
    if action.lack:
        return action == DescribeFile(action.digest, action.due_ms, lack=action.lack) and action.lack in LACKS
    return (
        action.width * action.height <= MEDIA_PIXEL_COUNT_MAX
        and action.duration_ms <= _DURATION_MS_MAX
        and len(action.waveform) in {0, WAVEFORM_SIZE}
        and max(action.waveform, default=0) <= _LOUDNESS_MAX
        and _thumbnail_can_be(action)
    )


def _thumbnail_can_be(action: DescribeFile) -> bool:
    if not action.thumbnail:
        return (
            not action.thumbnail_size
            and not action.thumbnail_type
            and not action.thumbnail_width
            and not action.thumbnail_height
        )
    return (
        len(action.thumbnail) == UPLOAD_DIGEST_SIZE
        and action.thumbnail != action.digest
        and 0 < action.thumbnail_size <= THUMBNAIL_BYTES_MAX
        and action.thumbnail_type in THUMBNAIL_TYPES
        and 0 < action.thumbnail_width <= THUMBNAIL_EDGE_MAX
        and 0 < action.thumbnail_height <= THUMBNAIL_EDGE_MAX
    )
