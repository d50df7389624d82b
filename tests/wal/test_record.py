"""The format of records: round trips, damage, and what cannot pass for a record."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import Entry, EntryKind, HardState
from raftline.wal import record as records
from raftline.wal.record import Damage, Record, RecordKind

numbers = st.integers(0, 2**64 - 1)
payloads = st.lists(st.tuples(st.integers(0, 2**63), st.sampled_from(EntryKind), st.binary(max_size=50)), max_size=6)


def encode(kind: RecordKind, body: list[bytes], **fields: int) -> tuple[bytes, int]:
    given_fields = {"number": 7, "previous_chain": 11, "durable_upto": 5, "seed": 3} | fields
    data, chain = records.encode_record(kind, body, **given_fields)
    return bytes(data), chain


def decode(data: bytes, offset: int = 0, seed: int = 3) -> Record | Damage:
    return records.decode_record(memoryview(data), offset, seed)


def entries_of(drawn: list, first: int) -> list[Entry]:
    return [
        Entry(LogIndex(index), Term(term), kind, payload) for index, (term, kind, payload) in enumerate(drawn, first)
    ]


@settings(deadline=None)
@given(drawn=payloads, first=st.integers(1, 2**60), number=numbers, chain=numbers, upto=numbers)
def test_entries_come_back(drawn, first, number, chain, upto):
    """What is encoded is decoded, header and entries alike, and takes the bytes that were announced."""
    if not drawn:
        return
    entries = entries_of(drawn, first)
    data, own_chain = encode(
        RecordKind.ENTRIES, records.entries_body(entries), number=number, previous_chain=chain, durable_upto=upto
    )
    record = decode(data)
    assert isinstance(record, Record)
    assert (record.kind, record.number, record.previous_chain, record.durable_upto) == (1, number, chain, upto)
    assert record.chain == own_chain
    assert record.size == len(data) == records.record_size(records.entries_body_bytes(entries))
    assert records.decode_length(data[: records.HEADER_BYTES]) == len(data)
    assert records.decode_entries(record.body) == entries
    assert records.decode_terms(record.body) == (first, [entry.term for entry in entries])


def test_size_is_a_multiple_of_the_alignment():
    """Records of any length keep the next one aligned, and the padding is zeros."""
    for length in range(20):
        data, _ = encode(RecordKind.ENTRIES, [b"x" * length])
        assert len(data) % 8 == 0
        assert data[40 + length :] == bytes(len(data) - 40 - length)


@pytest.mark.parametrize("hard_state", [HardState(Term(0), None), HardState(Term(2**60), NodeId(9))])
def test_hard_state_comes_back(hard_state):
    """A vote of none is not a vote for a node."""
    assert records.decode_hard_state(memoryview(b"".join(records.hard_state_body(hard_state)))) == hard_state


def test_truncation_comes_back():
    """Index and term keep their order."""
    body = b"".join(records.truncate_body(LogIndex(12), Term(3)))
    assert records.decode_truncate(memoryview(body)) == (12, 3)


def test_any_flipped_bit_is_damage():
    """Header, body and padding are all covered by the checksum."""
    data, _ = encode(RecordKind.ENTRIES, records.entries_body(entries_of([(1, EntryKind.DATA, b"hello")], 1)))
    assert isinstance(decode(data), Record)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert isinstance(decode(bytes(flipped)), Damage), bit


def test_any_cut_is_damage():
    """A record that is not all there is none."""
    data, _ = encode(RecordKind.HARD_STATE, records.hard_state_body(HardState(Term(1), NodeId(2**64 - 1))))
    for length in range(len(data)):
        assert isinstance(decode(data[:length]), Damage)
        assert isinstance(decode(data[:length].ljust(len(data), b"\0")), Damage), length


def test_damage_says_what_was_found():
    """The reasons end up in complaints to people."""
    data, _ = encode(RecordKind.HARD_STATE, [b"12345678"])
    assert decode(bytes(64)) == Damage("zeros")
    assert decode(b"\1" * 64) == Damage("no record")
    assert decode(data[:20]) == Damage("the end of the file")
    assert decode(data[:8] + b"\xff\xff\xff\x7f" + data[12:]) == Damage("a record of impossible length 2147483647")
    assert decode(data, seed=4) == Damage("a record whose checksum does not hold")


def test_chain_depends_on_everything():
    """Another body, number, kind or past gives another chain value."""
    chains = {
        encode(RecordKind.ENTRIES, [b"a"])[1],
        encode(RecordKind.ENTRIES, [b"b"])[1],
        encode(RecordKind.HARD_STATE, [b"a"])[1],
        encode(RecordKind.ENTRIES, [b"a"], number=8)[1],
        encode(RecordKind.ENTRIES, [b"a"], previous_chain=12)[1],
    }
    assert len(chains) == 5


def test_origin_is_each_nodes_own():
    """Logs of different nodes or clusters never share a chain."""
    origins = {records.origin_chain("a", NodeId(1)), records.origin_chain("a", NodeId(2))}
    origins |= {records.origin_chain("b", NodeId(1)), records.origin_chain("b1", NodeId(1))}
    assert len(origins) == 4


def test_later_records_are_found_behind_damage():
    """The search finds every whole record, at any aligned place, and nothing else."""
    data, _ = encode(RecordKind.ENTRIES, [b"first"])
    second, _ = encode(RecordKind.ENTRIES, [b"second"], number=8)
    buffer = b"garbage!" + data + b"RLR\x01RLR\x01" + second[:24] + second + bytes(16)
    found = list(records.later_records(memoryview(buffer), 0, 3))
    assert [(record.number, record.offset) for record in found] == [(7, 8), (8, 8 + len(data) + 8 + 24)]
    assert [record.number for record in records.later_records(memoryview(buffer), 16, 3)] == [8]
    assert list(records.later_records(memoryview(b"1234" + data), 0, 3)) == []
    adjacent = b"".join(encode(RecordKind.ENTRIES, [b"next"], number=number)[0] for number in (8, 9, 10))
    assert [record.number for record in records.later_records(memoryview(adjacent), 0, 3)] == [8, 9, 10]


def test_payload_cannot_pass_for_a_record():
    """A record made by someone who does not know the seed is not found inside a damaged one."""
    forged, _ = encode(RecordKind.ENTRIES, [b"x"], number=99, durable_upto=98, seed=0)
    data, _ = encode(RecordKind.ENTRIES, records.entries_body(entries_of([(1, EntryKind.DATA, forged)], 1)), seed=77)
    assert data.find(forged) % 8 == 0
    assert [record.number for record in records.later_records(memoryview(data), 0, 77)] == [7]
    assert list(records.later_records(memoryview(data), 8, 77)) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 15,
        bytes(8) + b"\2\0\0\0" + bytes(4) + bytes(16),
        b"".join(records.entries_body(entries_of([(1, EntryKind.DATA, b"x")], 1))) + b"y",
        b"".join(records.entries_body(entries_of([(1, EntryKind.DATA, b"x")], 1)))[:-1],
        bytes(8) + b"\1\0\0\0" + bytes(4) + bytes(12) + b"\x63\0\0\0",
    ],
)
def test_inconsistent_batches_are_refused(body):
    """A whole record with a senseless body raises what is documented, nothing else."""
    with pytest.raises(ValueError, match=r"batch"):
        records.decode_terms(memoryview(body))
    with pytest.raises(ValueError, match=r"batch"):
        records.decode_entries(memoryview(body))


@given(body=st.binary(max_size=80))
def test_any_body_is_entries_or_refused(body):
    """Reading a batch ends in entries or in ValueError."""
    try:
        entries = records.decode_entries(memoryview(body))
    except ValueError:
        return
    assert sum(len(entry.payload) for entry in entries) <= len(body)


def test_wrong_length_of_small_bodies_is_refused():
    """Hard state and truncation have one length."""
    for decode_body in (records.decode_hard_state, records.decode_truncate):
        with pytest.raises(ValueError, match="16 are due"):
            decode_body(memoryview(bytes(17)))
