"""
What leaves the core, and when it may.

Three kinds of message, by what must be durable before they leave:

    send              nothing (pre-votes, appends, heartbeats, commit notices)
    send_after_term   the current term: replies that let the receiver count on this node having seen the term
    send_after_log    everything accepted so far: votes, vote requests, acknowledgements of entries

The last two ride on the log write that makes them true. If nothing new is to be written but earlier writes are under
way, they wait here for the last of these (a repeated append is never acknowledged before its first copy is durable);
if all is durable, they leave at once. Term, vote and entries share one sequence of writes, so a durable entry implies
a durable term.

When the term rises, promises of the older term that have not left are withdrawn: the log writes they were meant for
may never happen in that form. Withdrawing is safe, since any message may be lost.
"""

from __future__ import annotations

from collections import deque

from raftline.raft.invariants import ensure
from raftline.raft.messages import Entry, HardState, Message, SnapshotMeta
from raftline.raft.ready import LogWrite


class Outbox:
    """Collects messages and forms log writes."""

    __slots__ = ("_after_log", "_completed", "_hard_state_dirty", "_hard_state_sequence", "_held", "_now", "_sequence")

    def __init__(self) -> None:
        self._now: list[Message] = []
        self._after_log: list[Message] = []
        self._held: deque[tuple[int, Message]] = deque()
        self._sequence = 0
        self._completed = 0
        self._hard_state_dirty = False
        self._hard_state_sequence = 0

    @property
    def sequence(self) -> int:
        """Sequence of the last log write handed out; 0 before the first."""
        return self._sequence

    @property
    def term_is_durable(self) -> bool:
        """Whether term and vote as they are now are durable."""
        return not self._hard_state_dirty and self._completed >= self._hard_state_sequence

    def send(self, message: Message) -> None:
        """Send at once."""
        self._now.append(message)

    def send_after_term(self, message: Message) -> None:
        """Send when the current term and vote are durable."""
        if self.term_is_durable:
            self._now.append(message)
        else:
            self._after_log.append(message)

    def send_after_log(self, message: Message) -> None:
        """Send when everything accepted so far is durable."""
        self._after_log.append(message)

    def hard_state_changed(self) -> None:
        """Term or vote changed and must be written."""
        self._hard_state_dirty = True

    def term_rose(self) -> None:
        """Withdraw the promises of the older term that have not left."""
        self.hard_state_changed()
        self._after_log.clear()
        self._held.clear()

    def io_completed(self, sequence: int) -> bool:
        """Note that the log writes up to `sequence` are durable; False if that was known."""
        ensure(sequence <= self._sequence, "a log write completed that was never issued", sequence, self._sequence)
        if sequence <= self._completed:
            return False
        self._completed = sequence
        while self._held and self._held[0][0] <= sequence:
            self._now.append(self._held.popleft()[1])
        return True

    def take_write(
        self, hard_state: HardState, entries: list[Entry], snapshot: SnapshotMeta | None = None
    ) -> LogWrite | None:
        """Form the next log write out of what changed; None if nothing is to be written."""
        if not (self._hard_state_dirty or entries or snapshot):
            self._release_or_hold()
            return None
        self._sequence += 1
        write = LogWrite(
            sequence=self._sequence,
            hard_state=hard_state if self._hard_state_dirty else None,
            entries=entries,
            messages=self._after_log,
            snapshot=snapshot,
        )
        if self._hard_state_dirty:
            self._hard_state_dirty = False
            self._hard_state_sequence = self._sequence
        self._after_log = []
        return write

    def take_messages(self) -> list[Message]:
        """Return what may leave now; to be called after `take_write`."""
        messages, self._now = self._now, []
        return messages

    def _release_or_hold(self) -> None:
        if not self._after_log:
            return
        if self._completed >= self._sequence:
            self._now += self._after_log
        else:
            self._held.extend((self._sequence, message) for message in self._after_log)
        self._after_log.clear()
