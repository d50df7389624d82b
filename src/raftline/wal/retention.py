"""
How much of the log to keep behind a checkpoint; pure.

Once the database is checkpointed up to an index, this node needs none of the entries before it. Others may: a node that
was away for a moment continues from the log if it is still there, and needs a whole snapshot if it is not. Sending
a few segments is always cheaper than that, so the last 64 MiB stay, and of a long log a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from raftline.base.ids import LogIndex

TRAILING_BYTES_MIN: Final = 64 << 20
TRAILING_SHARE: Final = 0.1


class LogExtent(NamedTuple):
    """One segment: the highest index it holds, or that of its beginning where it holds none, and bytes of records."""

    last_index: LogIndex
    byte_count: int


def trim_index(
    extents: Sequence[LogExtent],
    checkpoint_index: LogIndex,
    *,
    trailing_bytes_min: int = TRAILING_BYTES_MIN,
    trailing_share: float = TRAILING_SHARE,
) -> LogIndex:
    """
    Return up to where the log may be trimmed; 0 if all of it is to stay.

    Args:
        extents: What `WriteAheadLog.extents` gives: oldest first.
        checkpoint_index: Up to where the database is checkpointed and synced.
        trailing_bytes_min: Bytes of records to keep at least.
        trailing_share: Share of all bytes of records to keep at least.
    """
    left = max(trailing_bytes_min, int(trailing_share * sum(extent.byte_count for extent in extents)))
    for newer, older in zip(reversed(extents), reversed(extents[:-1]), strict=False):
        left -= newer.byte_count
        if left <= 0:
            return min(older.last_index, checkpoint_index)
    return LogIndex(0)
