"""The header and the name of a segment."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.base.errors import StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.membership import MEMBERSHIP_BYTES_MAX
from raftline.raft.messages import HardState
from raftline.wal import segment as segments
from raftline.wal.segment import SegmentHeader

numbers = st.integers(0, 2**64 - 1)
HEADER = SegmentHeader(
    cluster_id="testing",
    node_id=NodeId(3),
    sequence=5,
    first_number=17,
    chain=2**63,
    base_index=LogIndex(40),
    base_term=Term(6),
    hard_state=HardState(Term(7), NodeId(2)),
    segment_bytes=65536,
)


@settings(max_examples=50, deadline=None)
@given(
    cluster_id=st.text(max_size=60),
    sequence=numbers,
    chain=numbers,
    base_index=numbers,
    term=numbers,
    vote=st.none() | st.integers(1, 2**64 - 1),
)
def test_header_comes_back(cluster_id, sequence, chain, base_index, term, vote):
    """What is encoded is decoded, in exactly the bytes before the records."""
    header = msgspec.structs.replace(
        HEADER,
        cluster_id=cluster_id,
        sequence=sequence,
        chain=chain,
        base_index=base_index,
        hard_state=HardState(Term(term), vote),
    )
    data = segments.encode_header(header)
    assert len(data) == segments.HEADER_BYTES
    assert segments.decode_header(data) == header


def test_any_flipped_bit_of_the_header_is_noticed():
    """Nothing in the first 4,096 bytes can change unnoticed, the zeros included."""
    data = segments.encode_header(HEADER)
    for offset in range(len(data)):
        flipped = bytearray(data)
        flipped[offset] ^= 1 << offset % 8
        assert isinstance(segments.decode_header(bytes(flipped)), str), offset


def test_later_version_is_named():
    """A header of a later release is not called damaged: a release that is older must not throw the log away."""
    data = segments.encode_header(msgspec.structs.replace(HEADER, version=segments.VERSION + 1))
    with pytest.raises(StorageError, match=f"version {segments.VERSION + 1}"):
        segments.decode_header(data)


def test_header_of_version_2_is_still_read():
    """Its checksum does not cover the version."""
    old = msgspec.structs.replace(HEADER, version=2, memberships=((LogIndex(7), b"members"),))
    data = segments.encode_header(old)
    assert segments.decode_header(data) == old
    digest = hashlib.sha256(data).hexdigest()
    assert digest.startswith("0556e58145caef92")


def test_header_of_version_1_is_still_read():
    """A header without memberships, as the first releases wrote it, keeps its bytes, and so the seed of its records."""
    old = msgspec.structs.replace(HEADER, version=1)
    data = segments.encode_header(old)
    assert segments.decode_header(data) == old
    assert data[8] == 1
    digest = hashlib.sha256(data).hexdigest()
    assert digest.startswith("5976c7a7f960f2fb")
    assert segments.seed_of(old) == 654923715
    end = len(data.rstrip(b"\0"))
    for place in (end, end + 1, len(data) - 1):
        assert "after its end" in str(segments.decode_header(data[:place] + b"x" + data[place + 1 :]))


def test_memberships_come_back():
    """The last two memberships of the log are in the header, at their greatest size too."""
    rows = ((LogIndex(7), b"older"), (LogIndex(2**63), bytes(range(250)) * 6 + b"x" * (MEMBERSHIP_BYTES_MAX - 1500)))
    header = msgspec.structs.replace(HEADER, cluster_id="c" * segments.CLUSTER_ID_BYTES_MAX, memberships=rows)
    assert segments.decode_header(segments.encode_header(header)) == header


def test_short_file_has_no_header():
    """A file that ends inside the header has none."""
    assert segments.decode_header(segments.encode_header(HEADER)[:-1]) == "a file that is shorter than a header"


def test_names_sort_by_sequence_and_come_back():
    """Names in a directory listing are in the order of the log."""
    names = [segments.segment_name(sequence, LogIndex(sequence * 7)) for sequence in (1, 2, 9, 10, 11, 100)]
    assert names == sorted(names)
    assert segments.parse_segment_name(names[3]) == (10, 70)


@pytest.mark.parametrize(
    "name", ["mark", "lock", "spare-0000000001", "wal-1-1", "wal-0000000001-00000000000000000001.tmp"]
)
def test_other_names_are_no_segments(name):
    """Only whole names count."""
    assert segments.parse_segment_name(name) is None


def test_seed_is_each_segments_own():
    """A record of one segment is no record in another, nor in that of another log."""
    others = [
        msgspec.structs.replace(HEADER, **change)
        for change in ({"sequence": 6}, {"node_id": NodeId(4)}, {"chain": 1}, {"cluster_id": "testinh"})
    ]
    assert len({segments.seed_of(header) for header in [HEADER, *others]}) == 5
