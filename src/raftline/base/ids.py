"""
Identifiers and the log position.

A *position* names one command in the replicated log. A log entry holds a batch of commands, so a position joins the
index of the entry with the place of the command in it:

    position = entry index << 16 | place in the entry       (place < 65,536)

Positions grow in log order, fit SQLite's 64-bit integers, and key the archive. Outside the cluster a position is
written as a *stanza id*, `"{epoch}-{position}"`: the cluster epoch in front keeps ids unique should a cluster ever
move to another log. What was written before it moved keeps its id.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple, NewType

import msgspec

NodeId = NewType("NodeId", int)
"""A server of the cluster, from 1. Never used twice."""

Term = NewType("Term", int)
"""Election term, from 1; 0 before the first election (Raft thesis section 3.3)."""

LogIndex = NewType("LogIndex", int)
"""Place of an entry in the log, from 1; 0 is the empty log."""

Position = NewType("Position", int)
"""Place of a command in the log; see the head of this module."""

SessionId = NewType("SessionId", int)
"""A bound session, unique in the cluster, never used twice."""

AccountId = NewType("AccountId", int)
"""An account, unique in the cluster, never used twice."""

_NATURAL: Final = msgspec.Meta(ge=0, le=(1 << 63) - 1)


class Cursor(NamedTuple):
    """
    Place in the order in which messages were delivered to one session; (0, 0) lies before all.

    Attributes:
        delivered: Position of the command that delivered: for a message that waited, later than its own.
        position: Of the message.
    """

    delivered: Annotated[Position, _NATURAL]
    position: Annotated[Position, _NATURAL]


CURSOR_START: Final = Cursor(Position(0), Position(0))

_POSITION_END: Final = 1 << 63
POSITION_PLACE_BITS: Final = 16
POSITION_PLACE_COUNT_MAX: Final = 1 << POSITION_PLACE_BITS


def position_of(index: LogIndex, place: int) -> Position:
    """Join the index of an entry with the place of a command in it."""
    assert 0 <= place < POSITION_PLACE_COUNT_MAX, place
    return Position(index << POSITION_PLACE_BITS | place)


def index_of(position: Position) -> LogIndex:
    """Return the index of the entry that holds the command at `position`."""
    return LogIndex(position >> POSITION_PLACE_BITS)


class Epochs(NamedTuple):
    """
    Which epoch stanza ids have: a cluster that was founded with the state of another one keeps the ids given out there.

    Attributes:
        present: Of what is said now.
        former: Of each former cluster its last position and its epoch, the oldest first.
    """

    present: int
    former: tuple[tuple[Position, int], ...] = ()

    def of(self, position: Position) -> int:
        """Return the epoch of the id of a position."""
        for last, epoch in self.former:
            if position <= last:
                return epoch
        return self.present


def format_stanza_id(epochs: Epochs, position: Position) -> str:
    """Write a position as the stanza id that clients see (XEP-0359 section 3.1)."""
    return f"{epochs.of(position) if epochs.former else epochs.present}-{position}"


def parse_stanza_id(text: str) -> tuple[int, Position] | None:
    """Read a stanza id back; None if no server of this kind wrote it."""
    epoch, dash, position = text.partition("-")
    if not dash or not (epoch.isascii() and epoch.isdigit()):
        return None
    if not (position.isascii() and position.isdigit()) or len(position) > 19 or int(position) >= _POSITION_END:
        return None
    return int(epoch), Position(int(position))
