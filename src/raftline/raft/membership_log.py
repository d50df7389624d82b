"""
The memberships of a log, and the one in force.

A membership is in force as soon as its entry is in the log, committed or not, and out of force when that entry is cut
(Raft thesis section 4.1): this follows the log and decides nothing. The history starts with the one in force where the
kept log begins, so neither a cut nor a removed beginning leaves the node without.

A leader begins a change only when the last one is committed, so at most the last membership of any log is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from raftline.base.ids import LogIndex
from raftline.raft.invariants import ensure
from raftline.raft.membership import Membership, decode_membership
from raftline.raft.messages import Entry, EntryKind
from raftline.raft.quorum import Quorum, quorum_of

_MEMBERSHIP: Final = EntryKind.MEMBERSHIP


class MembershipLog:
    """
    Memberships by index, oldest first.

    Attributes:
        current: In force.
        index: Since when.
        quorum: Counts its majorities.
        deciders: As `current.deciders`, and `is_joint` the same, at hand for every turn.
    """

    __slots__ = ("_history", "current", "deciders", "index", "is_joint", "quorum")

    def __init__(self, initial: Membership, stored: Iterable[tuple[LogIndex, bytes]]) -> None:
        """
        Take over what a log holds.

        Args:
            initial: In force before the first one stored; of no meaning if one is stored for where the log begins.
            stored: (index, payload), indexes growing, as `LogReader.memberships` gives them.

        Raises:
            ValueError: A payload is no membership.
        """
        decoded = [(index, decode_membership(payload)) for index, payload in stored]
        self._history: list[tuple[LogIndex, Membership]] = decoded or [(LogIndex(0), initial)]
        if self._history[0][0] > 0:
            # What is stored may be cut, and then what was before counts again.
            self._history.insert(0, (LogIndex(0), initial))
        self._settle()

    def _settle(self) -> None:
        self.index, self.current = self._history[-1]
        self.quorum: Quorum = quorum_of(self.current)
        self.deciders = self.current.deciders
        self.is_joint = self.current.is_joint

    @property
    def previous(self) -> Membership | None:
        """The one before the one in force; None if it is not known."""
        return self._history[-2][1] if len(self._history) > 1 else None

    def at(self, index: LogIndex) -> Membership:
        """Return the membership in force at `index`, which must be kept or the one before the first kept."""
        for since, membership in reversed(self._history):
            if since <= index:
                return membership
        raise AssertionError(f"no membership is known for {index}")

    def appended(self, entries: Sequence[Entry]) -> None:
        """Follow entries that were added to the log."""
        for entry in entries:
            if entry.kind is _MEMBERSHIP:
                self._history.append((entry.index, decode_membership(entry.payload)))
                self._settle()

    def cut_from(self, index: LogIndex) -> None:
        """Follow a cut: entries from `index` on are gone."""
        if self.index < index:
            return
        while self._history[-1][0] >= index:
            self._history.pop()
            ensure(bool(self._history), "no membership is left", index)
        self._settle()

    def compacted(self, base_index: LogIndex) -> None:
        """Forget what was in force only before `base_index`."""
        while len(self._history) > 1 and self._history[1][0] <= base_index:
            del self._history[0]

    def installed(self, base_index: LogIndex, membership: Membership) -> None:
        """Start anew from a snapshot that ends at `base_index`."""
        self._history = [(base_index, membership)]
        self._settle()
