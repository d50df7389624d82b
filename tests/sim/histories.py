"""
What clients did to registers, and when: the material of the linearizability check.

A register is what an account keeps under one name: its vCard, or an element of private storage. It is set by a command
of a session, and read behind a read barrier from the replica of any node. Moments are numbers that grow with everything
that begins or ends, so none falls together with another.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.linearizability import Operation, Undecided, is_linearizable
from sim.scheduler import Scheduler


@dataclass
class Attempt:
    """An operation that has begun; `ended` is None while nobody knows of its end."""

    key: str
    is_set: bool
    value: bytes | None
    began: int
    ended: int | None = None
    is_void: bool = False


class Histories:
    """
    All operations on all registers.

    Attributes:
        read_count: Reads that were answered.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._attempts: list[Attempt] = []
        self._moment = 0
        self.read_count = 0

    def _now(self) -> int:
        self._moment += 1
        return self._moment

    def begin_set(self, key: str, value: bytes) -> Attempt:
        """A client is about to set a register."""
        attempt = Attempt(key, is_set=True, value=value, began=self._now())
        self._attempts.append(attempt)
        return attempt

    def begin_get(self, key: str) -> Attempt:
        """A client is about to read a register."""
        return Attempt(key, is_set=False, value=None, began=self._now())

    def end_set(self, attempt: Attempt) -> None:
        """The client knows that it took effect."""
        if attempt.ended is None:
            attempt.ended = self._now()

    def void(self, attempt: Attempt) -> None:
        """The client knows that it had no effect and will have none."""
        attempt.is_void = True

    def end_get(self, attempt: Attempt, value: bytes | None) -> None:
        """The client has its answer."""
        attempt.value = value
        attempt.ended = self._now()
        self._attempts.append(attempt)
        self.read_count += 1

    def check(self) -> None:
        """Fail the world if a register was no register."""
        by_key: dict[str, list[Operation]] = {}
        for attempt in self._attempts:
            if not attempt.is_void:
                operation = Operation(attempt.began, attempt.ended, attempt.is_set, attempt.value)
                by_key.setdefault(attempt.key, []).append(operation)
        for key, operations in by_key.items():
            try:
                if not is_linearizable(operations):
                    self._scheduler.fail("a register is not linearizable", key, operations)
            except Undecided as undecided:
                self._scheduler.note("undecided", key, str(undecided))
