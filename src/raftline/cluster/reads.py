"""
Read barriers that wait for a read index (thesis section 6.4). Pure.

All barriers that arrive while a request is under way share the next one: at most one request is open, so a thousand
readers cost two rounds. A request has a number of its own and is never repeated: when it fails or gets no answer, its
waiters join the next, under a new number (an old answer could be older than the wait).
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import Generic, TypeVar

from raftline.base.ids import LogIndex

W = TypeVar("W")


class ReadBarriers(Generic[W]):
    """
    Waiters by what they wait for.

    Args:
        first_request_id: Greater than any number this node used in an earlier life.
    """

    def __init__(self, first_request_id: int) -> None:
        self._next_request_id = first_request_id
        self._waiting: list[W] = []
        self._asked: list[W] = []
        self._request_id: int | None = None
        self._asked_ns = 0
        self._granted: list[tuple[LogIndex, int, list[W]]] = []
        self._tie = count()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._asked) + sum(len(waiters) for _, _, waiters in self._granted)

    def add(self, waiter: W) -> None:
        """Take a waiter; a request made from now on covers it."""
        self._waiting.append(waiter)

    def next_request(self, now_ns: int) -> int | None:
        """Return the number under which to ask now; None when a request is open or nobody waits."""
        if self._request_id is not None or not self._waiting:
            return None
        self._asked, self._waiting = self._waiting, []
        self._request_id = self._next_request_id
        self._next_request_id += 1
        self._asked_ns = now_ns
        return self._request_id

    def granted(self, request_id: int, index: LogIndex) -> None:
        """Take an answer: its waiters go on once `index` is applied. An answer to an older request is ignored."""
        if request_id == self._request_id:
            heapq.heappush(self._granted, (index, next(self._tie), self._asked))
            self._asked = []
            self._request_id = None

    def failed(self, request_id: int) -> None:
        """Take a failure: the waiters join the next request. One of an older request is ignored."""
        if request_id == self._request_id:
            self._waiting[:0] = self._asked
            self._asked = []
            self._request_id = None

    def give_up_older_than(self, deadline_ns: int) -> None:
        """Let the open request go if it was made before `deadline_ns`; its answer is lost."""
        if self._request_id is not None and self._asked_ns < deadline_ns:
            self.failed(self._request_id)

    def applied(self, index: LogIndex) -> list[W]:
        """Return the waiters that may go on, in the order of their read index."""
        ready: list[W] = []
        while self._granted and self._granted[0][0] <= index:
            ready += heapq.heappop(self._granted)[2]
        return ready

    def drop(self) -> list[W]:
        """Return all waiters and forget them; for shutdown."""
        waiters = [*self._waiting, *self._asked]
        for _, _, granted in self._granted:
            waiters += granted
        self._waiting, self._asked, self._granted = [], [], []
        self._request_id = None
        return waiters
