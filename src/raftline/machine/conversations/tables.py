"""The table of read marks."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition

READ_MARK: Final = TableDefinition(78, "read_mark", ("owner_id", "contact_id", "position", "since"), key_width=2)

TABLES: Final = (READ_MARK,)

SQL: Final = """
CREATE TABLE read_mark (
    owner_id INTEGER, contact_id INTEGER, position INTEGER NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (owner_id, contact_id)
) STRICT, WITHOUT ROWID;
"""


class ReadMark(NamedTuple):
    """
    How far an account has told others that it has read a conversation (XEP-0333).

    Attributes:
        contact_id: Stands for the bare JID of the contact or the room.
        position: Of the message that was marked; it only grows. In a room it begins as `since`.
        since: Of the command by which the account came into the room, or was put on its list; 0 for a contact.
    """

    owner_id: AccountId
    contact_id: int
    position: Position
    since: Position
