"""
Format of the log's records. Pure: bytes in, bytes out.

A record is what one write adds to the log: a batch of entries, a hard state, a truncation, or a snapshot. Integers are
little-endian; a record starts at a multiple of 8 bytes and is padded with zeros to the next.

    0        4       8        12     13      14         16       24           32             40
    | magic  | crc   | length | kind | flags | reserved | number | prev chain | durable upto | body ... | padding |
      4s       u32     u32      u8     u8      u16        u64      u64          u64

    magic         `RLR` and the format version
    crc           CRC-32C of everything from `length` to the end of the padding, started from the seed of the segment
    length        bytes from the magic to the end of the body
    number        records are counted from 1 over the whole life of the log
    prev chain    chain value of the record before
    durable upto  number of the last record known durable when this one was written

    body of ENTRIES     | first index u64 | count u32 | reserved u32 | count rows | payloads, one after the other |
                row     | term u64 | payload length u32 | entry kind u8 | reserved 3 bytes |
    body of HARD_STATE  | term u64 | vote u64, 0 for none |
    body of TRUNCATE    | last index kept u64 | its term u64 |
    body of SNAPSHOT_MARK | last index u64 | its term u64 | membership |

The chain value of a record is a hash of its header, which holds the checksum of the rest and the chain value before:
a record in the wrong place, from another time or another node's log does not continue the chain.

The seed of the checksum comes from the segment's header. A payload therefore cannot contain bytes that pass for a
record, which matters because recovery searches the bytes after a damaged record for later ones.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from typing import TYPE_CHECKING, Final

import msgspec
from crc32c import crc32c

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import Entry, EntryKind, HardState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAGIC: Final = b"RLR\x01"
"""Starts every record; its last byte is the version of the format."""

HEADER: Final = struct.Struct("<4sIIBBHQQQ")
HEADER_BYTES: Final = HEADER.size
ALIGNMENT_BYTES: Final = 8

_CRC: Final = struct.Struct("<I")
_CRC_OFFSET: Final = 4
_CRC_FROM: Final = 8
_ENTRIES_HEAD: Final = struct.Struct("<QII")
_ENTRY_ROW: Final = struct.Struct("<QIB3x")
_TWO_NUMBERS: Final = struct.Struct("<QQ")
_PADDING: Final = tuple(bytes(count) for count in range(ALIGNMENT_BYTES))
_ENTRY_KINDS: Final = {int(kind): kind for kind in EntryKind}


class RecordKind(enum.IntEnum):
    """What the body of a record is."""

    ENTRIES = 1
    """A batch of entries that continue the log."""

    HARD_STATE = 2
    """Term and vote from here on."""

    TRUNCATE = 3
    """The log ends at an earlier index from here on."""

    SNAPSHOT_MARK = 4
    """The log begins anew, behind a snapshot: no entry before this record counts any more."""


class Record(msgspec.Struct, frozen=True):
    """
    A record whose checksum holds. Whether it continues the log is for the reader to compare.

    Attributes:
        kind: A `RecordKind`; kept as a number so that later kinds can be named in a complaint.
        number: Its place in the log, from 1.
        previous_chain: Chain value of the record before it.
        chain: Its own chain value.
        durable_upto: Number of the last record known durable when this one was written.
        offset: Where it starts in the buffer it was read from.
        size: Its bytes, padding included.
        body: A view of the buffer.
    """

    kind: int
    number: int
    previous_chain: int
    chain: int
    durable_upto: int
    offset: int
    size: int
    body: memoryview


class Damage(msgspec.Struct, frozen=True):
    """Why the bytes at a place are no record; `reason` completes the sentence "found ..."."""

    reason: str


def origin_chain(cluster_id: str, node_id: NodeId) -> int:
    """Return the chain value before the first record: another one for every node of every cluster."""
    digest = hashlib.blake2b(f"{cluster_id}\0{node_id}".encode(), digest_size=8, person=b"raftline-wal")
    return int.from_bytes(digest.digest(), "little")


def padded_size(size: int) -> int:
    """Return `size` rounded up to the alignment of records."""
    return (size + ALIGNMENT_BYTES - 1) & -ALIGNMENT_BYTES


def record_size(body_bytes: int) -> int:
    """Return the bytes of a record with a body of `body_bytes`, padding included."""
    return padded_size(HEADER_BYTES + body_bytes)


def encode_record(
    kind: RecordKind, body: Sequence[bytes], *, number: int, previous_chain: int, durable_upto: int, seed: int
) -> tuple[bytearray, int]:
    """
    Build a record.

    Args:
        kind: What the body is.
        body: Its parts, in order, from one of the `*_body` functions.
        number: Number of the record before, plus one.
        previous_chain: Chain value of the record before.
        durable_upto: Number of the last record known durable.
        seed: Seed of the segment it goes to.

    Returns: (the bytes with padding, the chain value).
    """
    length = HEADER_BYTES + sum(map(len, body))
    header = HEADER.pack(MAGIC, 0, length, kind, 0, 0, number, previous_chain, durable_upto)
    data = bytearray().join((header, *body, _PADDING[-length % ALIGNMENT_BYTES]))
    with memoryview(data) as view:
        _CRC.pack_into(data, _CRC_OFFSET, crc32c(view[_CRC_FROM:], seed))
        return data, _chain_of(view[:HEADER_BYTES])


def decode_record(buffer: memoryview, offset: int, seed: int) -> Record | Damage:
    """Read the record at `offset` of a segment, or of a copy of a part of it."""
    if len(buffer) - offset < HEADER_BYTES:
        return Damage("the end of the file")
    header = buffer[offset : offset + HEADER_BYTES]
    magic, crc, length, kind, _flags, _reserved, number, previous_chain, durable_upto = HEADER.unpack(header)
    if magic != MAGIC:
        return Damage("no record" if any(header) else "zeros")
    size = padded_size(length)
    if length < HEADER_BYTES or size > len(buffer) - offset:
        return Damage(f"a record of impossible length {length}")
    if crc32c(buffer[offset + _CRC_FROM : offset + size], seed) != crc:
        return Damage("a record whose checksum does not hold")
    return Record(
        kind=kind,
        number=number,
        previous_chain=previous_chain,
        chain=_chain_of(header),
        durable_upto=durable_upto,
        offset=offset,
        size=size,
        body=buffer[offset + HEADER_BYTES : offset + length],
    )


def decode_length(header: bytes) -> int:
    """Return the padded size that the first `HEADER_BYTES` bytes of a record promise; nothing is verified."""
    return padded_size(int(HEADER.unpack(header)[2]))


def later_records(buffer: memoryview, offset: int, seed: int) -> Iterator[Record]:
    """
    Search for records from `offset` on, whatever stands between them.

    Limits: one pass over the buffer; a checksum only where the magic stands at a record's alignment.
    """
    data = bytes(buffer)
    place = data.find(MAGIC, offset)
    while place >= 0:
        record = decode_record(buffer, place, seed) if place % ALIGNMENT_BYTES == 0 else None
        if isinstance(record, Record):
            yield record
            place += record.size - 1
        place = data.find(MAGIC, place + 1)


def entries_body_bytes(entries: Sequence[Entry]) -> int:
    """Return the bytes of the body that `entries_body` would build."""
    return _ENTRIES_HEAD.size + sum(map(entry_body_bytes, entries))


def entry_body_bytes(entry: Entry) -> int:
    """Return what one entry adds to the body of a record."""
    return _ENTRY_ROW.size + len(entry.payload)


ENTRIES_HEAD_BYTES: Final = _ENTRIES_HEAD.size
"""Bytes of the body of a batch without entries."""


def entries_body(entries: Sequence[Entry]) -> list[bytes]:
    """Build the body of an ENTRIES record; indexes must follow one another."""
    parts = [_ENTRIES_HEAD.pack(entries[0].index, len(entries), 0)]
    pack = _ENTRY_ROW.pack
    parts.extend([pack(entry.term, len(entry.payload), entry.kind) for entry in entries])
    parts.extend([entry.payload for entry in entries])
    return parts


def decode_terms(body: memoryview) -> tuple[LogIndex, list[Term]]:
    """
    Read first index and terms of an ENTRIES record without touching the payloads.

    Raises:
        ValueError: The body is not what its head says.
    """
    first_index, rows = _decode_rows(body)
    return first_index, [Term(term) for term, _length, _kind in rows]


def decode_entries(body: memoryview) -> list[Entry]:
    """
    Read the entries of an ENTRIES record.

    Raises:
        ValueError: The body is not what its head says.
    """
    first_index, rows = _decode_rows(body)
    place = _ENTRIES_HEAD.size + len(rows) * _ENTRY_ROW.size
    entries = []
    for index, (term, length, kind) in enumerate(rows, first_index):
        payload = bytes(body[place : place + length])
        entries.append(Entry(LogIndex(index), Term(term), _ENTRY_KINDS[kind], payload))
        place += length
    return entries


def _decode_rows(body: memoryview) -> tuple[LogIndex, list[tuple[int, int, int]]]:
    if len(body) < _ENTRIES_HEAD.size:
        raise ValueError("the batch has no head")
    first_index, count, _reserved = _ENTRIES_HEAD.unpack_from(body)
    payloads_at = _ENTRIES_HEAD.size + count * _ENTRY_ROW.size
    if payloads_at > len(body):
        raise ValueError(f"the batch says {count} entries and holds fewer")
    rows: list[tuple[int, int, int]] = list(_ENTRY_ROW.iter_unpack(body[_ENTRIES_HEAD.size : payloads_at]))
    if payloads_at + sum(row[1] for row in rows) != len(body):
        raise ValueError("the payloads of the batch are not as long as its rows say")
    if any(row[2] not in _ENTRY_KINDS for row in rows):
        raise ValueError("the batch holds an entry of a kind this release does not know")
    return LogIndex(first_index), rows


def decode_memberships(body: memoryview) -> list[tuple[LogIndex, bytes]]:
    """
    Read index and payload of the entries of kind MEMBERSHIP in an ENTRIES record; nearly always none.

    Raises:
        ValueError: The body is not what its head says.
    """
    _first_index, rows = _decode_rows(body)
    if all(row[2] != EntryKind.MEMBERSHIP for row in rows):
        return []
    return [(entry.index, entry.payload) for entry in decode_entries(body) if entry.kind is EntryKind.MEMBERSHIP]


def hard_state_body(hard_state: HardState) -> list[bytes]:
    """Build the body of a HARD_STATE record."""
    return [_TWO_NUMBERS.pack(hard_state.term, hard_state.vote or 0)]


def decode_hard_state(body: memoryview) -> HardState:
    """
    Read a HARD_STATE record.

    Raises:
        ValueError: The body has another length.
    """
    term, vote = _decode_two_numbers(body)
    return HardState(Term(term), NodeId(vote) if vote else None)


def truncate_body(last_index: LogIndex, last_term: Term) -> list[bytes]:
    """Build the body of a TRUNCATE record: the log ends at `last_index`, whose term is `last_term`."""
    return [_TWO_NUMBERS.pack(last_index, last_term)]


def decode_truncate(body: memoryview) -> tuple[LogIndex, Term]:
    """
    Read a TRUNCATE record.

    Raises:
        ValueError: The body has another length.
    """
    last_index, last_term = _decode_two_numbers(body)
    return LogIndex(last_index), Term(last_term)


def snapshot_mark_body(last_index: LogIndex, last_term: Term, membership: bytes) -> list[bytes]:
    """Build the body of a SNAPSHOT_MARK record: the log goes on behind `last_index`, whose term is `last_term`."""
    return [_TWO_NUMBERS.pack(last_index, last_term), membership]


def decode_snapshot_mark(body: memoryview) -> tuple[LogIndex, Term, bytes]:
    """
    Read a SNAPSHOT_MARK record as (last index, its term, membership).

    Raises:
        ValueError: The body is too short.
    """
    last_index, last_term = _decode_two_numbers(body[: _TWO_NUMBERS.size])
    return LogIndex(last_index), Term(last_term), bytes(body[_TWO_NUMBERS.size :])


def _decode_two_numbers(body: memoryview) -> tuple[int, int]:
    if len(body) != _TWO_NUMBERS.size:
        raise ValueError(f"the body has {len(body)} bytes where {_TWO_NUMBERS.size} are due")
    first, second = _TWO_NUMBERS.unpack(body)
    return first, second


def _chain_of(header: memoryview) -> int:
    return int.from_bytes(hashlib.blake2b(header, digest_size=8).digest(), "little")
