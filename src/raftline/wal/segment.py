"""
One segment file of the log.

A segment is a header of 4,096 bytes and then records, one after the other, up to a fixed size. It is zero-filled to
that size before it gets its name, so that a write never changes the file's size or its blocks, which makes the sync
of a write about twice as fast; and after the last record there are only zeros.

    wal-<sequence, 10 digits>-<index after the last entry at its start, 20 digits>

    0       8         12    16         24        32             40      48           56          64     72     80
    | magic | version | crc | sequence | node id | first number | chain | base index | base term | term | vote | ->
      8s      u32       u32   u64        u64       u64            u64     u64          u64         u64    u64

    80              88                       90
    | segment bytes | length of cluster id | cluster id, UTF-8 | count | memberships ... | zeros to 4,096 |
      u64             u16                                          u8

    first number  number of the first record in this segment
    chain         chain value of the record before it
    base          last index of the log, and its term, when the segment was begun
    term, vote    hard state when the segment was begun
    memberships   the last ones of the log then, two at most, each | index u64 | length u16 | payload |

So a log whose older segments are gone can still be opened. Two memberships, because the last one may yet be cut, and
then the one before is in force again; that one is committed. A segment gets its name only when its header is durable,
and is begun only when everything in the one before is.

The CRC-32C covers the version and `sequence` to the last byte of the header, so that a later version is told from a
damaged number. It does not cover the version in headers of versions 1 and 2, which are still read; those of version 1
end with the cluster id.
"""

from __future__ import annotations

import hashlib
import re
import struct
from typing import TYPE_CHECKING, Final

import msgspec
from crc32c import crc32c

from raftline.base.errors import StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import HardState
from raftline.wal import record as records
from raftline.wal.corruption import corruption

if TYPE_CHECKING:
    from pathlib import Path

    from raftline.raft.messages import Entry
    from raftline.wal.files import File, FileSystem
    from raftline.wal.index import StoredMembership

MAGIC: Final = b"RLWALseg"
VERSION: Final = 3
_VERSION_COVERED_SINCE: Final = 3
HEADER_BYTES: Final = 4096
CLUSTER_ID_BYTES_MAX: Final = 255
MEMBERSHIP_COUNT_MAX: Final = 2
SEGMENT_BYTES_MIN: Final = 2 * HEADER_BYTES
SEGMENT_BYTES_MAX: Final = 1 << 31

_NAME: Final = re.compile(r"wal-(\d{10})-(\d{20})")
_HEAD: Final = struct.Struct("<8sII")
_BODY: Final = struct.Struct("<QQQQQQQQQH")
_MEMBERSHIP: Final = struct.Struct("<QH")


class SegmentHeader(msgspec.Struct, frozen=True):
    """What a segment knows of itself and of the log before it; see the head of this module."""

    cluster_id: str
    node_id: NodeId
    sequence: int
    first_number: int
    chain: int
    base_index: LogIndex
    base_term: Term
    hard_state: HardState
    segment_bytes: int
    memberships: tuple[StoredMembership, ...] = ()
    version: int = VERSION


class Segment:
    """
    An open segment.

    Attributes:
        path: Its file, for complaints.
        file: Its file, open.
        header: Its header.
        seed: Where the checksums of its records start.
        end: Offset after its last record, where the next one goes.
        last_index_max: Highest index that any record of it holds; its base where none does.
    """

    __slots__ = ("end", "file", "header", "last_index_max", "path", "seed")

    def __init__(self, path: Path, file: File, header: SegmentHeader) -> None:
        self.path = path
        self.file = file
        self.header = header
        self.seed = seed_of(header)
        self.end = HEADER_BYTES
        self.last_index_max = header.base_index

    @property
    def room(self) -> int:
        """Bytes left for records."""
        return self.header.segment_bytes - self.end

    def read_entries(self, offset: int) -> list[Entry]:
        """
        Read the batch of the record at `offset` back, verified.

        Raises:
            StorageCorrupt: It was durable and is damaged now.
        """
        head = self.file.pread(records.HEADER_BYTES, offset)
        data = b""
        if len(head) == records.HEADER_BYTES:
            data = self.file.pread(min(records.decode_length(head), self.header.segment_bytes), offset)
        found = records.decode_record(memoryview(data), 0, self.seed)
        if isinstance(found, records.Record) and found.kind == records.RecordKind.ENTRIES:
            return records.decode_entries(found.body)
        reason = found.reason if isinstance(found, records.Damage) else "a record of another kind"
        raise corruption(self.path, expected="a batch of entries", found=reason, offset=offset)


def begin_segment(files: FileSystem, directory: Path, spare: Path, file: File, header: SegmentHeader) -> Segment:
    """
    Turn a spare, a zero-filled file open as `file`, into the segment that `header` describes, durably.

    Order: only when everything in the segment before is durable.
    """
    file.pwrite(encode_header(header), 0)
    file.fdatasync()
    path = directory / segment_name(header.sequence, LogIndex(header.base_index + 1))
    files.rename(spare, path)
    files.fsync_directory(directory)
    return Segment(path, file, header)


def segment_name(sequence: int, next_index: LogIndex) -> str:
    """Return the name of a segment; `next_index` follows the last entry at its start."""
    return f"wal-{sequence:010d}-{next_index:020d}"


def parse_segment_name(name: str) -> tuple[int, LogIndex] | None:
    """Read the name of a segment back as (sequence, next index); None if it is no segment's."""
    match = _NAME.fullmatch(name)
    return (int(match[1]), LogIndex(int(match[2]))) if match else None


def encode_header(header: SegmentHeader) -> bytes:
    """Build the bytes of a header, with the zeros after it."""
    body = _encode_header_body(header)
    if header.version > 1:
        body = body.ljust(HEADER_BYTES - _HEAD.size, b"\0")
    crc = crc32c(_covered_version(header.version) + body)
    return (_HEAD.pack(MAGIC, header.version, crc) + body).ljust(HEADER_BYTES, b"\0")


def _covered_version(version: int) -> bytes:
    """Return what the checksum says of the version."""
    return version.to_bytes(4, "little") if version >= _VERSION_COVERED_SINCE else b""


def _encode_header_body(header: SegmentHeader) -> bytes:
    cluster_id = header.cluster_id.encode()
    assert len(cluster_id) <= CLUSTER_ID_BYTES_MAX, header.cluster_id
    numbers = _BODY.pack(
        header.sequence,
        header.node_id,
        header.first_number,
        header.chain,
        header.base_index,
        header.base_term,
        header.hard_state.term,
        header.hard_state.vote or 0,
        header.segment_bytes,
        len(cluster_id),
    )
    if header.version == 1:
        return numbers + cluster_id
    assert len(header.memberships) <= MEMBERSHIP_COUNT_MAX, header.memberships
    rows = b"".join(_MEMBERSHIP.pack(index, len(payload)) + payload for index, payload in header.memberships)
    return numbers + cluster_id + bytes((len(header.memberships),)) + rows


def decode_header(data: bytes) -> SegmentHeader | str:
    """
    Read a header from the first `HEADER_BYTES` bytes of a file; a string says what was found instead.

    Raises:
        StorageError: A later release wrote it.
    """
    if len(data) < HEADER_BYTES:
        return "a file that is shorter than a header"
    magic, version, crc = _HEAD.unpack_from(data)
    if magic != MAGIC:
        return "no header"
    rest = data[_HEAD.size : HEADER_BYTES]
    id_bytes = int.from_bytes(rest[_BODY.size - 2 : _BODY.size], "little")
    end = _BODY.size + id_bytes if version == 1 else len(rest)
    if version == 0 or crc32c(_covered_version(version) + rest[:end]) != crc:
        return "a header whose checksum does not hold"
    if version > VERSION:
        raise StorageError(f"a segment has version {version}, this release knows versions up to {VERSION}")
    if id_bytes > CLUSTER_ID_BYTES_MAX:
        return "a header with a cluster id of impossible length"
    if any(rest[end:]):
        return "a header with something after its end"
    sequence, node_id, first_number, chain, base_index, base_term, term, vote, segment_bytes, _ = _BODY.unpack_from(
        rest
    )
    return SegmentHeader(
        cluster_id=rest[_BODY.size : _BODY.size + id_bytes].decode(),
        node_id=NodeId(node_id),
        sequence=sequence,
        first_number=first_number,
        chain=chain,
        base_index=LogIndex(base_index),
        base_term=Term(base_term),
        hard_state=HardState(Term(term), NodeId(vote) if vote else None),
        segment_bytes=segment_bytes,
        memberships=() if version == 1 else _decode_memberships(rest, _BODY.size + id_bytes),
        version=version,
    )


def _decode_memberships(rest: bytes, place: int) -> tuple[StoredMembership, ...]:
    """Read the memberships at `place`, of which the checksum has been found to hold."""
    found: list[StoredMembership] = []
    count = rest[place]
    place += 1
    for _ in range(count):
        index, length = _MEMBERSHIP.unpack_from(rest, place)
        place += _MEMBERSHIP.size
        found.append((LogIndex(index), rest[place : place + length]))
        place += length
    return tuple(found)


def seed_of(header: SegmentHeader) -> int:
    """Return where the checksums of a segment's records start; nobody outside this node can know it."""
    digest = hashlib.blake2b(_encode_header_body(header), digest_size=4, person=b"raftline-seed")
    return int.from_bytes(digest.digest(), "little")
