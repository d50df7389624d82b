"""
What must never be false inside one core.

A violation is a programmer error or two cores that do not speak the same protocol; the node must stop, because going
on could lose what was acknowledged. The checks stay on in production and survive `python -O`, which is why they raise
rather than `assert`. The invariants *between* nodes (election safety, log matching, leader completeness) are checked
by the simulation in `tests/raft/simulation/checkers.py`.
"""

from __future__ import annotations


class InvariantViolated(AssertionError):
    """The core reached a state the protocol excludes. The node must stop."""


def ensure(condition: bool, text: str, *values: object) -> None:
    """
    Stop unless `condition` holds.

    Raises:
        InvariantViolated: It does not; the message is `text` followed by `values`.
    """
    if not condition:
        raise InvariantViolated(f"{text}: {', '.join(map(str, values))}" if values else text)
