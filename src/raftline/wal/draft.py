"""From what is to be appended to the records that will hold it: all but their numbers and chain values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.errors import LocalProtocolError
from raftline.raft.membership import MEMBERSHIP_BYTES_MAX
from raftline.raft.messages import EntryKind
from raftline.wal import record as records
from raftline.wal.index import SnapshotMark, Truncation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raftline.raft.messages import Entry, HardState

RECORD_BYTES_MAX: Final = 16 << 20
"""No record is larger, so that reading one entry back never reads more."""


class Draft(NamedTuple):
    """A record to be; `change` is what it means, `size` its bytes on disk."""

    kind: records.RecordKind
    body: list[bytes]
    size: int
    change: HardState | Truncation | SnapshotMark | Sequence[Entry]


def draft_hard_state(hard_state: HardState) -> Draft:
    """Draft the record of a term and vote."""
    body = records.hard_state_body(hard_state)
    return Draft(records.RecordKind.HARD_STATE, body, records.record_size(sum(map(len, body))), hard_state)


def draft_truncation(truncation: Truncation) -> Draft:
    """Draft the record that cuts the log."""
    body = records.truncate_body(truncation.last_index, truncation.last_term)
    return Draft(records.RecordKind.TRUNCATE, body, records.record_size(sum(map(len, body))), truncation)


def draft_snapshot_mark(mark: SnapshotMark) -> Draft:
    """Draft the record that lets the log begin anew."""
    _check_membership(mark.membership)
    body = records.snapshot_mark_body(mark.last_index, mark.last_term, mark.membership)
    return Draft(records.RecordKind.SNAPSHOT_MARK, body, records.record_size(sum(map(len, body))), mark)


def _check_membership(payload: bytes) -> None:
    if len(payload) > MEMBERSHIP_BYTES_MAX:
        raise LocalProtocolError(f"a membership of {len(payload)} bytes, more than {MEMBERSHIP_BYTES_MAX}")


def draft_entries(entries: Sequence[Entry], room: int) -> Iterator[Draft]:
    """
    Draft the records of entries that follow one another; nearly always a single one.

    Args:
        entries: At least one.
        room: Bytes for records in an empty segment.

    Raises:
        LocalProtocolError: An entry does not fit a record, a membership does not fit a segment's header, or they do
            not follow one another.
    """
    if any(entry.index != index for index, entry in enumerate(entries, entries[0].index)):
        raise LocalProtocolError(f"entries from {entries[0].index} do not follow one another")
    for entry in entries:
        if entry.kind is EntryKind.MEMBERSHIP:
            _check_membership(entry.payload)
    for batch in _split(entries, (min(RECORD_BYTES_MAX, room) & -records.ALIGNMENT_BYTES) - records.HEADER_BYTES):
        size = records.record_size(records.entries_body_bytes(batch))
        yield Draft(records.RecordKind.ENTRIES, records.entries_body(batch), size, batch)


def _split(entries: Sequence[Entry], body_bytes_max: int) -> Iterator[Sequence[Entry]]:
    if records.entries_body_bytes(entries) <= body_bytes_max:
        yield entries
        return
    start = 0
    body_bytes = records.ENTRIES_HEAD_BYTES
    for place, entry in enumerate(entries):
        entry_bytes = records.entry_body_bytes(entry)
        if records.ENTRIES_HEAD_BYTES + entry_bytes > body_bytes_max:
            raise LocalProtocolError(f"entry {entry.index} has {len(entry.payload)} bytes, too large for a record")
        if body_bytes + entry_bytes > body_bytes_max:
            yield entries[start:place]
            start, body_bytes = place, records.ENTRIES_HEAD_BYTES
        body_bytes += entry_bytes
    yield entries[start:]
