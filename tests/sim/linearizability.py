"""
Whether a history of operations on one register could have happened one after the other, each at a moment between its
beginning and its end (Herlihy and Wing 1990).

The search is that of Wing and Gong with the improvement of Lowe, as Porcupine does it: operations are taken one by one
in an order that time allows; a state of the search is the set of operations taken, as a bit mask, and the value of the
register, and no such state is looked at twice.

    calls and returns in order of time:   c1  c2  r1  c3  r2  r3
    one may be taken if its call lies before the first return that is left

An operation whose outcome nobody knows may have happened at any time after it began, or never: its end is `None`, which
counts as later than everything. A `set` of that kind whose value nobody has read is left out beforehand: it changes no
answer. Histories of independent registers are to be checked one by one, which is far cheaper than together.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

STATE_COUNT_MAX: Final = 2_000_000
"""States of the search; a history that needs more is one that this check cannot decide."""


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One operation.

    Attributes:
        began, ended: Moments; `ended` is None when its outcome is unknown.
        is_set: It writes `value`; otherwise it has read it.
    """

    began: float
    ended: float | None
    is_set: bool
    value: Hashable


class Undecided(Exception):
    """The search grew too large."""


class _Node:
    """A call or a return in a list that is linked both ways; a call knows its return as `match`."""

    __slots__ = ("match", "next", "number", "operation", "previous")

    def __init__(self, number: int, operation: Operation) -> None:
        self.number = number
        self.operation = operation
        self.match: _Node | None = None
        self.previous: _Node | None = None
        self.next: _Node | None = None


def is_linearizable(operations: Sequence[Operation], initial: Hashable = None) -> bool:
    """
    Return whether the operations could have happened one after the other, on a register with this value at first.

    Raises:
        Undecided: The search took more than `STATE_COUNT_MAX` states.
    """
    read = {operation.value for operation in operations if not operation.is_set}
    relevant = [
        operation
        for operation in operations
        if operation.ended is not None or (operation.is_set and operation.value in read)
    ]
    return _search(_linked(relevant), len(relevant), initial)


def _linked(operations: list[Operation]) -> _Node:
    """Return the head of the list of calls and returns; at the same time calls come first."""
    events: list[tuple[float, int, int, _Node]] = []
    for number, operation in enumerate(operations):
        call, end = _Node(number, operation), _Node(number, operation)
        call.match = end
        events.append((operation.began, 0, number, call))
        events.append((math.inf if operation.ended is None else operation.ended, 1, number, end))
    events.sort(key=lambda event: event[:3])
    head = last = _Node(-1, Operation(0, 0, is_set=False, value=None))
    for *_, node in events:
        last.next, node.previous = node, last
        last = node
    return head


def _lift(call: _Node) -> None:
    """Take a call and its return out of the list."""
    for node in (call, call.match):
        assert node is not None
        assert node.previous is not None
        node.previous.next = node.next
        if node.next is not None:
            node.next.previous = node.previous


def _unlift(call: _Node) -> None:
    """Put them back."""
    for node in (call.match, call):
        assert node is not None
        assert node.previous is not None
        node.previous.next = node
        if node.next is not None:
            node.next.previous = node


def _search(head: _Node, count: int, initial: Hashable) -> bool:
    value = initial
    taken = 0
    seen: set[tuple[int, Hashable]] = set()
    path: list[tuple[_Node, Hashable]] = []
    node = head.next
    while len(path) < count:
        assert node is not None
        if node.match is not None:
            operation = node.operation
            possible = operation.is_set or operation.value == value
            after = operation.value if operation.is_set else value
            state = (taken | 1 << node.number, after)
            if possible and state not in seen:
                seen.add(state)
                if len(seen) > STATE_COUNT_MAX:
                    raise Undecided(f"{count} operations")
                path.append((node, value))
                value, taken = after, state[0]
                _lift(node)
                node = head.next
            else:
                node = node.next
        elif node.operation.ended is None:
            return True  # only those are left of which nobody knows whether they happened
        elif path:
            # A return: whoever it belongs to should have been taken. Go back one step and try the next.
            call, value = path.pop()
            taken &= ~(1 << call.number)
            _unlift(call)
            node = call.next
        else:
            return False
    return True
