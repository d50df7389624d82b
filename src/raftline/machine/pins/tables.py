"""The table of pinned messages, and its row."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition

PIN: Final = TableDefinition(123, "pin", ("owner_id", "partner_id", "position", "time_ms"), key_width=3)

TABLES: Final = (PIN,)

SQL: Final = """
CREATE TABLE pin (
    owner_id INTEGER, partner_id INTEGER, position INTEGER, time_ms INTEGER NOT NULL,
    PRIMARY KEY (owner_id, partner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_by_partner ON pin (partner_id) WHERE partner_id > 0;
CREATE INDEX pin_by_position ON pin (position);
"""


class Pin(NamedTuple):
    """A message that is pinned since a cluster time; the conversation as in conversations/participation.py."""

    owner_id: AccountId
    partner_id: AccountId
    position: Position
    time_ms: int
