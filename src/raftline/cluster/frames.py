"""
Frames of a peer link, as bytes and as values. No I/O.

    ┌───────────────────┬─────────┬───────────────────────────┐
    │ length            │ kind    │ body                      │
    │ u32, of kind+body │ u8      │ msgpack array             │
    └───────────────────┴─────────┴───────────────────────────┘

The length is little-endian. The first frame each way is a Hello, but for a node that asks to be let in (JoinRequest)
and for the answer to whoever is not (Farewell). Bodies are arrays, so a field may only ever be added at the end, with a
default; `PROTOCOL_VERSION` grows when that is not enough, and `PROTOCOL_VERSION_MIN` when an older one is understood no
more: two nodes talk if each understands what the other speaks. A batch of commands or an append holds the bytes its
maker encoded; nothing on the way decodes them.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import LogIndex, NodeId, SessionId, Term
from raftline.cluster.reading import Reading
from raftline.raft.confchange import MembershipChange
from raftline.raft.membership import Member
from raftline.raft.messages import Message

PROTOCOL_VERSION: Final = 1
PROTOCOL_VERSION_MIN: Final = 1

FRAME_BYTES_MAX: Final = 8 << 20
"""Largest frame taken: an append holds 1 MiB of entries, or a single entry of little more."""

HELLO_BYTES_MAX: Final = 4 << 10
"""Largest frame taken before the other side has said who it is."""

_HEADER: Final = struct.Struct("<IB")
_LENGTH_SIZE: Final = 4


class Hello(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    First frame of each side of a connection; the dialer speaks first.

    Attributes:
        version: `PROTOCOL_VERSION` of the sender.
        incarnation: The life of the sender's node that this connection belongs to.
        is_unfit: The sender takes no leadership: its disk is short of space, or it is drained. Repeated on change.
        is_transfer: This connection is no link: the dialer fetches a snapshot, or uploaded files, over it, the acceptor
            answers.
        members, membership_index: Whom the sender's log names as members, and since which entry.
        version_min: The oldest version of the protocol that the sender understands.
        machine_version: The latest version of the state machine that it understands.
        data_id: Names its data directory; an empty disk under a known name has another.
    """

    version: int
    cluster_id: str
    node_id: NodeId
    incarnation: int
    is_unfit: bool = False
    is_transfer: bool = False
    members: tuple[Member, ...] = ()
    membership_index: LogIndex = LogIndex(0)
    version_min: int = 1
    machine_version: int = 1
    data_id: bytes = b""


class Farewell(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Instead of a hello: this node does not talk to you.

    Attributes:
        is_dismissed: You were a member once, and are none any more.
    """

    reason: str
    is_dismissed: bool = False


class JoinRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Instead of a hello: let me in, by the token of an invitation. The certificate names the id that was given out.

    Attributes:
        address: Where the others reach this node, `host:port`.
        data_id: Of its data directory, which is empty.
    """

    cluster_id: str
    token: bytes
    address: str
    data_id: bytes
    machine_version: int


class JoinReply(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Answer to JoinRequest.

    Attributes:
        error: Why not; empty when the sender will be a member.
        is_final: Asking again will not help.
        members: Whom to talk to.
    """

    error: str
    is_final: bool
    members: tuple[Member, ...]


class ChangeRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Begin this change of the membership; for the leader."""

    request_id: int
    change: MembershipChange


class ChangeReply(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Answer to ChangeRequest.

    Attributes:
        error: Why not; empty when the change has begun.
        is_final: Asking again will not help.
    """

    request_id: int
    error: str
    is_final: bool


class DrainRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An operator wants the receiver to serve no clients and not to lead; or to do so again."""

    is_drained: bool


class Proposals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Commands a follower hands to the leader, in order.

    Attributes:
        term: The receiver's term of leadership as the sender knows it; the leader of another term refuses.
        round: Grows each time the sender starts over from its oldest unresolved command. Once a frame of a round was
            refused, the receiver refuses the rest of the round, so no command overtakes another.
        first_ticket: Ticket of the first command; the others have greater ones.
        commands: Encoded, at least one.
    """

    term: Term
    round: int
    first_ticket: int
    commands: list[bytes]


class Refusal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Commands of this round, from this ticket on, entered no log.

    Attributes:
        busy: The leader is overloaded or has no space: try again later. Otherwise the sender does not lead that term.
    """

    term: Term
    round: int
    first_ticket: int
    busy: bool


class OffLogStanza(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A stanza for a session of the receiver, to be handed over once `applied_index` is applied there."""

    applied_index: LogIndex
    session_id: SessionId
    stanza: bytes


class StatusRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    How are you?

    Attributes:
        digest_index: Index at which the state hash is asked for; 0 for none.
        after_index: The answer waits until this index is applied.
        wants_reading: Somebody watches the cluster and asks for the figures as well; an earlier release ignores it.
    """

    request_id: int
    digest_index: LogIndex
    after_index: LogIndex = LogIndex(0)
    wants_reading: bool = False


class StatusReply(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Answer to StatusRequest.

    Attributes:
        match: The leader's view of how far each node's log agrees with its own; empty from others.
        digest: State hash at the index asked for; None if it is not known (any more).
        wall_ms: Wall clock of whoever answers, in milliseconds since 1970; 0 from an earlier release.
        reading: Its figures, if they were asked for.
    """

    request_id: int
    role: str
    term: Term
    leader_id: NodeId | None
    commit_index: LogIndex
    applied_index: LogIndex
    match: dict[int, int]
    digest: bytes | None
    wall_ms: int = 0
    reading: Reading | None = None


class TransferRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    An operator wants another leader; for the leader, which tries, and answers by what then happens.

    Attributes:
        target: Who is to lead; 0 leaves the choice to the leader.
    """

    target: NodeId


class ChunkRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Give me `size` bytes of a snapshot from `offset` on; fewer only where it ends. Over a transfer connection."""

    snapshot_id: str
    offset: int
    size: int


class SnapshotDoubt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What arrived of a snapshot has another hash than was announced: is it damaged on the sender's disk?"""

    snapshot_id: str


class SnapshotChunk(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Answer to ChunkRequest, in the order of the requests.

    Attributes:
        total_size: Bytes of the whole snapshot; -1 if it is not on offer (any more), and then the rest is empty.
        digest: BLAKE2b of the whole snapshot, 32 bytes.
    """

    snapshot_id: str
    total_size: int
    digest: bytes
    offset: int
    data: bytes


class MediaOffer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    An uploaded file is here: fetch it, and say when you have it. From machine version 3 on, as the next three.

    Attributes:
        digest, size: Which file, by its SHA-256.
        time_ms: Cluster time as the sender knows it; the receiver may be behind.
    """

    digest: bytes
    size: int
    time_ms: int


class MediaKept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Answer to MediaOffer: the file is durable here; or it will not be, for want of space."""

    digest: bytes
    is_kept: bool


class MediaRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Give me `size` bytes of a file from `offset` on; fewer only where it ends. Over a transfer connection."""

    digest: bytes
    offset: int
    size: int


class MediaChunk(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Answer to MediaRequest, in the order of the requests.

    Attributes:
        total_size: Bytes of the whole file; -1 if it is not here, and then `data` is empty.
    """

    digest: bytes
    total_size: int
    offset: int
    data: bytes


LinkFrame = (
    Hello
    | Message
    | Proposals
    | Refusal
    | OffLogStanza
    | StatusRequest
    | StatusReply
    | TransferRequest
    | ChangeRequest
    | ChangeReply
    | DrainRequest
    | MediaOffer
    | MediaKept
)
"""What passes over a link."""

TransferFrame = ChunkRequest | SnapshotDoubt | MediaRequest
"""What a node that fetches a snapshot or a file says."""

OFF_LINK: Final = frozenset(
    {ChunkRequest, SnapshotDoubt, SnapshotChunk, MediaRequest, MediaChunk, JoinRequest, JoinReply, Farewell}
)
"""Kinds of frame that no link carries."""

Frame = LinkFrame | TransferFrame | SnapshotChunk | MediaChunk | JoinRequest | JoinReply | Farewell

KIND_HELLO: Final = 1
KIND_RAFT: Final = 2
_PLAIN_KINDS: Final[dict[type, int]] = {
    Hello: KIND_HELLO,
    Proposals: 3,
    Refusal: 4,
    OffLogStanza: 5,
    StatusRequest: 6,
    StatusReply: 7,
    TransferRequest: 8,
    ChunkRequest: 9,
    SnapshotChunk: 10,
    SnapshotDoubt: 11,
    Farewell: 12,
    JoinRequest: 13,
    JoinReply: 14,
    ChangeRequest: 15,
    ChangeReply: 16,
    DrainRequest: 17,
    MediaOffer: 24,
    MediaKept: 25,
    MediaRequest: 26,
    MediaChunk: 27,
}

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODERS: Final[dict[int, msgspec.msgpack.Decoder[Any]]] = {
    KIND_RAFT: msgspec.msgpack.Decoder(Message),
    **{kind: msgspec.msgpack.Decoder(frame_type) for frame_type, kind in _PLAIN_KINDS.items()},
}


def encode_frame(frame: Frame) -> bytes:
    """
    Return a frame as it stands on the wire.

    The caller keeps batches small enough; a frame beyond `FRAME_BYTES_MAX` is a programmer's error.
    """
    kind = _PLAIN_KINDS.get(type(frame), KIND_RAFT)
    buffer = bytearray(_HEADER.size)
    _ENCODER.encode_into(frame, buffer, _HEADER.size)
    length = len(buffer) - _LENGTH_SIZE
    assert length <= FRAME_BYTES_MAX, f"{type(frame).__name__} of {length} bytes"
    _HEADER.pack_into(buffer, 0, length, kind)
    return bytes(buffer)


class FrameReader:
    """
    Cuts what arrives into frames.

    `bytes_max` starts at `HELLO_BYTES_MAX`; whoever checked the hello sets it to `FRAME_BYTES_MAX`.
    """

    __slots__ = ("_buffer", "bytes_max")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.bytes_max = HELLO_BYTES_MAX

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrived."""
        self._buffer += data

    def next_frame(self) -> Frame | None:
        """
        Return the next whole frame; None until more arrives.

        Raises:
            RemoteProtocolError: It is too large, of an unknown kind or malformed. The link must be dropped.
        """
        buffer = self._buffer
        if len(buffer) < _HEADER.size:
            return None
        length, kind = _HEADER.unpack_from(buffer)
        if not 1 <= length <= self.bytes_max:
            raise RemoteProtocolError(f"peer frame of {length} bytes, at most {self.bytes_max} are taken")
        end = _LENGTH_SIZE + length
        if len(buffer) < end:
            return None
        decoder = _DECODERS.get(kind)
        if decoder is None:
            raise RemoteProtocolError(f"peer frame of unknown kind {kind}")
        try:
            with memoryview(buffer) as view:
                frame: Frame = decoder.decode(view[_HEADER.size : end])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RemoteProtocolError(f"peer frame of kind {kind} is malformed: {error}") from error
        del buffer[:end]
        return frame
