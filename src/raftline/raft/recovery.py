"""
A node that has lost what it had acknowledged: its disk damaged a log that others may have counted on.

It still knows its term and its vote (they are durable twice), so what it says of terms holds. What it says of entries
does not, and two promises must not be broken by it:

    an entry that it acknowledged is on a majority    so it must not count towards a commit with less than it had
    who is elected has all committed entries          so it must not vote, nor stand, with a log that lacks some

Therefore, from its first message on, it tells whoever leads that it is recovering. The leader then counts nothing of
what this node stores, and nothing of what it acknowledged before, and answers a read index. Every entry that was ever
committed with this node's help is at or below that index: it was committed before the leader knew, or it is not
committed by an acknowledgement of this node's. When its log is durable up to there and known to equal the leader's, it
has back whatever could be missing, and is a node like any other.

        recovering ── a leader is known: ask ──▶ index known ── durable up to it ──▶ recovered

The leader changes meanwhile: the index stays good, since committed entries are in every later leader's log. A crash
meanwhile: the next life is told that it is recovering, and asks anew. Each life that recovers draws an id, by which a
leader tells that the log was lost once more. What this node sent before it lost its log must not be heard after its
first message of recovering; a new connection ends the old one, which is for the driver to keep.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import LogIndex

READ_ID: Final = -1
"""Request id under which the index is asked for; callers use none below zero."""

RECOVERY_ID_MAX: Final = 1 << 32


class Recovery:
    """
    Whether this node may vouch for its log.

    Attributes:
        id: Which recovery is under way, 0 for none.
    """

    __slots__ = ("_index", "_is_asking", "id")

    def __init__(self, recovery_id: int) -> None:
        self.id = recovery_id
        self._index: LogIndex | None = None
        self._is_asking = False

    @property
    def is_on(self) -> bool:
        """Whether it may not."""
        return self.id != 0

    def take_request(self) -> bool:
        """Say whether the index is to be asked for now; once until `answered` or `failed`."""
        if not self.is_on or self._is_asking or self._index is not None:
            return False
        self._is_asking = True
        return True

    def answered(self, index: LogIndex) -> None:
        """Take the leader's answer."""
        self._is_asking = False
        self._index = index

    def failed(self) -> None:
        """Note that there was no answer; it is asked for again."""
        self._is_asking = False

    def stored(self, index: LogIndex) -> bool:
        """Note up to where the log is durable and known to equal the leader's; True if that ends the recovery."""
        if not self.is_on or self._index is None or index < self._index:
            return False
        self.id = 0
        return True
