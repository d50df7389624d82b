"""What a question is: its text, its options, how many of them may be chosen, when it ends (checks.py)."""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from raftline.machine.tables import NATURAL

POLLS_NAMESPACE: Final = "urn:raftline:polls:0"
EVENTS_NAMESPACE: Final = "urn:raftline:events:0"

ANSWERS: Final = ("yes", "no", "maybe")
"""Options of every event."""


class QuestionKind(enum.IntEnum):
    """What is asked."""

    POLL = 1
    EVENT = 2


class PollTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    A question as its author puts it.

    Attributes:
        title: The question, or what the event is called.
        choice_count_max: Options that one member may choose.
        is_anonymous: Nobody is told who chose what.
        closes_ms: Cluster time at which it ends; 0 for when somebody ends it.
        message_id: The `id` of its message, by which its author's client knows it before the archive tells its place.
    """

    kind: QuestionKind
    title: str
    options: tuple[str, ...]
    choice_count_max: Annotated[int, NATURAL] = 1
    is_anonymous: bool = False
    closes_ms: Annotated[int, NATURAL] = 0
    message_id: str = ""

    @property
    def namespace(self) -> str:
        """Of the extension whose words are used for it."""
        return EVENTS_NAMESPACE if self.kind is QuestionKind.EVENT else POLLS_NAMESPACE


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(PollTerms)
_COUNTS: Final = msgspec.msgpack.Decoder(tuple[int, ...])


def encode(terms: PollTerms) -> bytes:
    """Return terms as they stand in the question's row."""
    return _ENCODER.encode(terms)


@lru_cache(maxsize=1024)
def decode(data: bytes) -> PollTerms:
    """Read terms back."""
    return _DECODER.decode(data)


def encode_counts(counts: tuple[int, ...]) -> bytes:
    """Return a count of each option as it stands in the row."""
    return _ENCODER.encode(counts)


def decode_counts(data: bytes) -> tuple[int, ...]:
    """Read counts back."""
    return _COUNTS.decode(data)
