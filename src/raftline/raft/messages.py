"""
What goes into and comes out of the consensus core, as values.

Entries carry opaque bytes: to the core a batch of commands is one payload, encoded once by whoever proposes and kept
as the same bytes on the wire and on disk.
"""

from __future__ import annotations

import enum
from typing import Protocol

import msgspec

from raftline.base.ids import LogIndex, NodeId, Term


class EntryKind(enum.IntEnum):
    """What the payload of an entry means to the core."""

    NOOP = 0
    """The first entry of a leader's term (Raft thesis section 6.4); empty payload."""

    DATA = 1
    """A payload for the state machine."""

    MEMBERSHIP = 2
    """A cluster configuration (Raft thesis chapter 4); reserved, nothing proposes one yet."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of the log."""

    index: LogIndex
    term: Term
    kind: EntryKind
    payload: bytes


class HardState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What must be durable before a reply leaves: the term, and whom this node voted for in it (thesis fig. 3.1)."""

    term: Term
    vote: NodeId | None


class LogReader(Protocol):
    """
    The durable part of the log, as the core reads it. Entries not yet durable live in the core itself.

    Implemented by `raftline.wal` and, in memory, by simulations. Calls are synchronous and must not block on a slow
    disk for long: recent entries come from memory.
    """

    @property
    def first_index(self) -> LogIndex:
        """Index of the first entry kept; `last_index + 1` when none is."""

    @property
    def last_index(self) -> LogIndex:
        """Index of the last durable entry; 0 when there never was one."""

    def term_at(self, index: LogIndex) -> Term | None:
        """Term of the entry at `index`; 0 for index 0; None if it is not kept."""

    def entries(self, low: LogIndex, high: LogIndex, bytes_max: int) -> list[Entry]:
        """
        Entries `low` to `high`, both included, cut after `bytes_max` payload bytes but never before the first one.

        Raises:
            StorageCorrupt: An entry that was durable cannot be read back.
        """
