"""Peer frames: what was encoded comes back, however it was cut; anything else is refused."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import LogIndex, NodeId, SessionId, Term
from raftline.cluster.frames import (
    FRAME_BYTES_MAX,
    HELLO_BYTES_MAX,
    KIND_RAFT,
    Frame,
    FrameReader,
    Hello,
    MediaChunk,
    MediaKept,
    MediaOffer,
    MediaRequest,
    OffLogStanza,
    Proposals,
    Refusal,
    StatusReply,
    StatusRequest,
    encode_frame,
)
from raftline.cluster.reading import EdgeFigures, LeadershipChange, Reading
from raftline.raft.messages import Append, Entry, EntryKind, Heartbeat

READING = Reading(
    release="1.0",
    machine_version=3,
    started_ms=1_700_000_000_000,
    elapsed_ns=5,
    term=Term(7),
    last_index=LogIndex(92),
    commit_index=LogIndex(91),
    is_drained=False,
    disk_state=0,
    disk_room_bytes=None,
    sync_count=4,
    sync_seconds=0.5,
    in_flight_count=1,
    edges=EdgeFigures(2, 3),
    latencies=(0, 12, 1),
    changes=(LeadershipChange(1, Term(7), "leads", NodeId(1)),),
)

FRAMES: list[Frame] = [
    Hello(1, "a cluster", NodeId(3), 1_700_000_000_000),
    Heartbeat(NodeId(1), NodeId(2), Term(7), 12, LogIndex(90)),
    Append(
        NodeId(1),
        NodeId(2),
        Term(7),
        LogIndex(89),
        Term(6),
        LogIndex(88),
        [Entry(LogIndex(90), Term(7), EntryKind.DATA, b"payload"), Entry(LogIndex(91), Term(7), EntryKind.NOOP, b"")],
    ),
    Proposals(Term(7), 4, 17, [b"one", b"", b"three" * 100]),
    Refusal(Term(8), 4, 17, busy=True),
    OffLogStanza(LogIndex(90), SessionId(5), b"<iq/>"),
    StatusRequest(9, LogIndex(90)),
    StatusRequest(9, LogIndex(0), wants_reading=True),
    StatusReply(9, "leader", Term(7), NodeId(1), LogIndex(91), LogIndex(90), {1: 91, 2: 90}, b"\x00" * 16),
    StatusReply(9, "follower", Term(7), None, LogIndex(91), LogIndex(90), {}, None),
    StatusReply(9, "leader", Term(7), NodeId(1), LogIndex(91), LogIndex(90), {}, None, 5, READING),
    MediaOffer(b"d" * 32, 1 << 32, 1_700_000_000_000),
    MediaKept(b"d" * 32, is_kept=False),
    MediaRequest(b"d" * 32, 1 << 32, 1 << 18),
    MediaChunk(b"d" * 32, 1 << 32, 0, b"x" * 1_000),
]


def open_reader() -> FrameReader:
    """A reader as after the hello."""
    reader = FrameReader()
    reader.bytes_max = FRAME_BYTES_MAX
    return reader


def read_all(reader: FrameReader) -> list[Frame]:
    frames = []
    while (frame := reader.next_frame()) is not None:
        frames.append(frame)
    return frames


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_round_trip(frame: Frame) -> None:
    """Each kind of frame comes back equal, and of its own type."""
    reader = open_reader()
    reader.feed(encode_frame(frame))
    assert read_all(reader) == [frame]


@given(st.lists(st.integers(1, 40), max_size=200))
def test_any_cut(sizes: list[int]) -> None:
    """Frames come back in order from any chunking of the stream."""
    stream = b"".join(map(encode_frame, FRAMES))
    reader = open_reader()
    frames: list[Frame] = []
    offset = 0
    for size in [*sizes, len(stream)]:
        reader.feed(stream[offset : offset + size])
        frames += read_all(reader)
        offset += size
    assert frames == FRAMES


@given(st.binary(max_size=200))
def test_garbage_is_refused_in_words(garbage: bytes) -> None:
    """Whatever arrives, it is a frame, an unfinished one, or a protocol error."""
    reader = open_reader()
    reader.feed(garbage)
    with contextlib.suppress(RemoteProtocolError):
        read_all(reader)


@given(st.data())
def test_damaged_frames(data: st.DataObject) -> None:
    """A frame with a changed byte is a frame, an unfinished one, or a protocol error."""
    stream = bytearray(encode_frame(data.draw(st.sampled_from(FRAMES))))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] ^= data.draw(st.integers(1, 255))
    reader = open_reader()
    reader.feed(bytes(stream))
    with contextlib.suppress(RemoteProtocolError):
        read_all(reader)


def test_before_the_hello_only_small_frames() -> None:
    """Somebody who has not said who it is cannot make us keep much."""
    reader = FrameReader()
    reader.feed(struct.pack("<IB", HELLO_BYTES_MAX, 1))
    assert reader.next_frame() is None
    reader = FrameReader()
    reader.feed(struct.pack("<IB", HELLO_BYTES_MAX + 1, 1))
    with pytest.raises(RemoteProtocolError, match="at most"):
        reader.next_frame()


def test_bounds() -> None:
    """Length zero and lengths beyond the bound are refused before anything is kept."""
    for length in (0, FRAME_BYTES_MAX + 1):
        reader = open_reader()
        reader.feed(struct.pack("<IB", length, KIND_RAFT))
        with pytest.raises(RemoteProtocolError):
            reader.next_frame()


def test_unknown_kind() -> None:
    """A kind nobody defined is refused."""
    reader = open_reader()
    reader.feed(struct.pack("<IB", 1, 99))
    with pytest.raises(RemoteProtocolError, match="unknown kind 99"):
        reader.next_frame()
