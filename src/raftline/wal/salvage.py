"""
What is left of a damaged log that must not be lost: term and vote.

Entries can be had from peers, which hold whatever was committed. A vote cannot: a node that forgets whom it voted for
may vote again in the same term, and two nodes lead. So term and vote are durable twice, as records of the log and in
the mark file, and whichever of the two is whole tells.

    mark    whole              it is at least as new as the log; the greater of both counts, if the log can be read
            one slot whole     the greater of both, if the log is whole; alone, it may be the older slot
            damaged or gone    the log alone, if it is whole: no record of it is damaged
    both damaged               nobody knows; the node must not come back, but be replaced
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from raftline.base.errors import StorageCorrupt
from raftline.base.ids import LogIndex
from raftline.wal import segment as segments
from raftline.wal.corruption import corruption
from raftline.wal.directory import LogIdentity, disk_errors
from raftline.wal.mark import MARK_NAME, Mark, MarkFile
from raftline.wal.record import origin_chain
from raftline.wal.recovery import Recovery

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.raft.messages import HardState
    from raftline.wal.files import FileSystem


def salvage_hard_state(files: FileSystem, directory: Path, identity: LogIdentity) -> HardState:
    """
    Return the term and vote that the log in `directory` had promised to keep.

    Nobody has the log open. It may be written to: what is not known durable at its end is, as by any start.

    Raises:
        StorageCorrupt: Neither the mark file nor the log knows for certain.
        StorageError: The directory is another node's, or was written by a later release, or the disk failed.
    """
    with disk_errors(directory):
        files.make_directory(directory)
        names = files.names(directory)
        marked, is_certain = _of_mark(files, directory, names)
        logged = _of_log(files, directory, identity, names)
    if marked is not None and logged is not None:
        # In one term a vote is given once, and then is in both.
        return max(marked, logged, key=lambda state: (state.term, state.vote is not None))
    known = marked if marked is not None and is_certain else logged
    if known is None:
        found = "both damaged or gone, or a mark of the first release, which holds neither"
        raise corruption(directory, expected="term and vote in the mark file or in the log", found=found)
    return known


def _of_mark(files: FileSystem, directory: Path, names: list[str]) -> tuple[HardState | None, bool]:
    """Return what the mark file knows, and whether there cannot have been anything newer in it."""
    if MARK_NAME not in names:
        return None, False
    try:
        mark = MarkFile.open(files, directory)
    except StorageCorrupt:
        return None, False
    mark.close()
    return mark.mark.hard_state, mark.was_whole


def _of_log(files: FileSystem, directory: Path, identity: LogIdentity, names: list[str]) -> HardState | None:
    """Read the log without regard to its mark, and to what the database has applied; None if it is damaged."""
    segment_names = [name for name in names if segments.parse_segment_name(name)]
    if not segment_names:
        return None
    origin = Mark(0, origin_chain(identity.cluster_id, identity.node_id), LogIndex(0), None)
    recovery = Recovery(
        files,
        directory,
        cluster_id=identity.cluster_id,
        node_id=identity.node_id,
        mark=origin,
        applied_index=None,
        recent_bytes_max=0,
    )
    with contextlib.suppress(StorageCorrupt):
        recovered = recovery.run(segment_names)
        recovered.close()
        return recovered.hard_state
    return None
