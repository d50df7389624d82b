"""Wire form of the messages."""

from __future__ import annotations

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.membership import Member, Membership
from raftline.raft.messages import Append, Entry, EntryKind, Message, ReadIndexReply, SnapshotMeta

DECODER = msgspec.msgpack.Decoder(Message)
KINDS = typing.get_args(Message)

NUMBERS = st.integers(0, (1 << 63) - 1)
ENTRIES = st.builds(Entry, NUMBERS, NUMBERS, st.sampled_from(EntryKind), st.binary())
IDS = st.lists(NUMBERS, max_size=3).map(tuple)
MEMBERS = st.lists(st.builds(Member, NUMBERS, st.text(), st.binary()), max_size=3).map(tuple)
MEMBERSHIPS = st.builds(Membership, MEMBERS, IDS, IDS, IDS, NUMBERS)
FIELDS: dict[object, st.SearchStrategy[object]] = {
    NodeId: NUMBERS,
    Term: NUMBERS,
    LogIndex: NUMBERS,
    LogIndex | None: st.none() | NUMBERS,
    int: NUMBERS,
    bool: st.booleans(),
    list[Entry]: st.lists(ENTRIES, max_size=4),
    SnapshotMeta: st.builds(SnapshotMeta, NUMBERS, st.text(), NUMBERS, NUMBERS, MEMBERSHIPS),
}
"""How to draw a field of each type."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_round_trip(kind: type[Message]) -> None:
    """Every kind of message comes back equal and of its own class."""

    @given(st.builds(kind, **{name: FIELDS[hint] for name, hint in typing.get_type_hints(kind).items()}))
    def check(message: Message) -> None:
        assert DECODER.decode(msgspec.msgpack.encode(message)) == message

    check()


def test_tags_are_stable() -> None:
    """The tag of each message is part of the wire format."""
    assert {kind.__struct_config__.tag: kind.__name__ for kind in KINDS} == {
        1: "PreVoteRequest",
        2: "PreVoteReply",
        3: "VoteRequest",
        4: "VoteReply",
        5: "Append",
        6: "AppendReply",
        7: "Heartbeat",
        8: "HeartbeatReply",
        9: "CommitNotice",
        10: "ReadIndexRequest",
        11: "ReadIndexReply",
        12: "TimeoutNow",
        13: "InstallSnapshot",
        14: "InstallSnapshotReply",
    }


def test_layout_is_an_array_behind_the_tag() -> None:
    """An append is the array of its tag and fields, its entries arrays too."""
    entry = Entry(LogIndex(5), Term(2), EntryKind.DATA, b"x")
    message = Append(NodeId(1), NodeId(2), Term(3), LogIndex(4), Term(2), LogIndex(4), [entry])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(message)) == [5, 1, 2, 3, 4, 2, 4, [[5, 2, 1, b"x"]]]


def test_unknown_tag_is_refused() -> None:
    """A message of a later version is an error, not something else."""
    with pytest.raises(msgspec.ValidationError):
        DECODER.decode(msgspec.msgpack.encode([15, 1, 2, 3]))


def test_a_later_field_is_ignored() -> None:
    """A longer array, from a version that added a field, is read up to what is known."""
    reply = ReadIndexReply(NodeId(1), NodeId(2), Term(3), 4, None)
    assert DECODER.decode(msgspec.msgpack.encode([11, 1, 2, 3, 4, None, "later"])) == reply
