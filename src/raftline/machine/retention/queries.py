"""The question about retention; see machine/queries.py."""

from __future__ import annotations

from raftline.machine.queries import Query


class RetentionRules(Query, frozen=True, array_like=True, tag=172):
    """Answer: `list[RetentionRule]`, the limits that are set, by kind."""
