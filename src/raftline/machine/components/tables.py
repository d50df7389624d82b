"""
The table of components, its row and its SQL.

A component has a row from its first connection on. Its id comes from the accounts' counter, so that what is owed to a
connection and what waits without one are rows of `inbox` and `offline` like those of an account (connections.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId
from raftline.machine.tables import TableDefinition


class Component(NamedTuple):
    """
    A component that was connected at least once.

    Attributes:
        label: It lives at `label.DOMAIN`.
        owner_id: Owner of its session, and of what waits for it.
    """

    label: str
    owner_id: AccountId


COMPONENT: Final = TableDefinition(86, "component", ("label", "owner_id"), cached=True)

TABLES: Final = (COMPONENT,)

SQL: Final = """
CREATE TABLE component (label TEXT PRIMARY KEY, owner_id INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
