"""The tables of retention and their rows."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId
from raftline.machine.tables import TableDefinition

RETENTION_RULE: Final = TableDefinition(132, "retention_rule", ("kind", "age_ms", "owner_id", "due_ms"))
KEPT_DOOMED: Final = TableDefinition(133, "kept_doomed", ("account_id", "due_ms"))

TABLES: Final = (RETENTION_RULE, KEPT_DOOMED)

SQL: Final = """
CREATE TABLE retention_rule (
    kind TEXT PRIMARY KEY, age_ms INTEGER NOT NULL, owner_id INTEGER NOT NULL, due_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE kept_doomed (account_id INTEGER PRIMARY KEY, due_ms INTEGER NOT NULL) STRICT;
CREATE INDEX kept_doomed_by_due ON kept_doomed (due_ms) WHERE due_ms > 0;
"""


class RetentionRule(NamedTuple):
    """
    A limit.

    Attributes:
        kind: One of `rules.KINDS`.
        age_ms: What is older, by cluster time, goes.
        owner_id: Of archives: the last owner with whom this round is done.
        due_ms: Cluster time of the next step; 0 where there are none.
    """

    kind: str
    age_ms: int
    owner_id: int
    due_ms: int


class KeptDoomed(NamedTuple):
    """A deleted account whose leftovers are kept until `due_ms`."""

    account_id: AccountId
    due_ms: int
