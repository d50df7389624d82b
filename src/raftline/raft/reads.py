"""
Linearizable reads by read index (thesis section 6.4).

A read may be answered from a state machine that has applied the *read index*: the commit index of a leader at a moment
after the read arrived, provided that node still led at that moment. Two parts:

- `LeaderReads` lives as long as one leadership. Reads wait until an entry of the leader's own term is committed (before
  that its commit index may be behind what the old leader acknowledged), take the commit index, and join the next
  heartbeat round; a quorum's answers to that round, or a later one, confirm them. At most one round is under way for
  reads, and all reads that arrive meanwhile share the next.
- `ForwardedReads` lives on a follower. All reads since the last `ready` share one request to the leader. A request is
  named by a context that no other request of this node ever had, in this life or an earlier one: the counter starts at
  a random place. A late answer thus never confirms a younger read. Requests are not repeated; reads without an answer
  fail, and whoever asked decides.

Round numbers are not shared between leaderships, because a node leads a term at most once and replies carry the term.
Lease reads are not offered: they would trade this for trust in clocks.
"""

from __future__ import annotations

from collections import deque

import msgspec

from raftline.base.ids import LogIndex, NodeId

FORWARD_CONTEXT_BASE_MAX = 1 << 62
"""Contexts start at a random number below this; they stay below 2**63."""


class RemoteRead(msgspec.Struct, frozen=True, gc=False):
    """A request of a follower, standing for any number of its reads."""

    sender: NodeId
    context: int


class _Round(msgspec.Struct, frozen=True, gc=False):
    number: int
    index: LogIndex
    reads: list[int | RemoteRead]


class LeaderReads:
    """Reads a leader has to confirm: a request id of its own, or a request of a follower."""

    __slots__ = ("_rounds", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[int | RemoteRead] = []
        self._rounds: deque[_Round] = deque()

    @property
    def wants_round(self) -> bool:
        """Whether reads wait and no round is under way for others."""
        return bool(self._waiting) and not self._rounds

    def add(self, read: int | RemoteRead) -> None:
        """Let a read wait for the next round."""
        self._waiting.append(read)

    def round_started(self, number: int, commit_index: LogIndex) -> None:
        """Give the waiting reads their index; the answers to round `number` confirm them."""
        if self._waiting:
            self._rounds.append(_Round(number, commit_index, self._waiting))
            self._waiting = []

    def confirmed(self, number: int) -> list[tuple[int | RemoteRead, LogIndex]]:
        """Return the reads that a quorum's answers to round `number` confirm, oldest first."""
        done: list[tuple[int | RemoteRead, LogIndex]] = []
        while self._rounds and self._rounds[0].number <= number:
            finished = self._rounds.popleft()
            done += [(read, finished.index) for read in finished.reads]
        return done

    @property
    def is_waiting(self) -> bool:
        """Whether a round is under way that reads depend on."""
        return bool(self._rounds)

    def abandon(self) -> list[int | RemoteRead]:
        """Return all unconfirmed reads and forget them: the leadership ended."""
        reads = [read for pending in self._rounds for read in pending.reads] + self._waiting
        self._rounds.clear()
        self._waiting = []
        return reads


class ForwardedReads:
    """Reads a follower sent, or is about to send, to its leader."""

    __slots__ = ("_context", "_pending", "_waiting")

    def __init__(self, context_base: int) -> None:
        self._context = context_base
        self._waiting: list[int] = []
        self._pending: dict[int, tuple[list[int], int]] = {}
        """Context -> request ids, time sent; oldest first."""

    def add(self, request_id: int) -> None:
        """Let a read wait for the next request."""
        self._waiting.append(request_id)

    def take_request(self, now_ns: int) -> int | None:
        """Return the context of a new request for all waiting reads; None if none waits."""
        if not self._waiting:
            return None
        self._context += 1
        self._pending[self._context] = (self._waiting, now_ns)
        self._waiting = []
        return self._context

    def answered(self, context: int) -> list[int]:
        """Return the request ids that `context` stood for; empty if it is not known (any more)."""
        request = self._pending.pop(context, None)
        return request[0] if request else []

    def expire(self, sent_before_ns: int) -> list[int]:
        """Return the request ids of requests sent before that time, and forget them."""
        expired: list[int] = []
        while self._pending:
            context = next(iter(self._pending))
            if self._pending[context][1] >= sent_before_ns:
                break
            expired += self._pending.pop(context)[0]
        return expired

    def abandon(self) -> list[int]:
        """Return all unanswered request ids and forget them: the leader is gone."""
        reads = [request_id for ids, _ in self._pending.values() for request_id in ids] + self._waiting
        self._pending.clear()
        self._waiting = []
        return reads
