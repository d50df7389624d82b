"""The table of messages that disappear (XEP-0466), and its row."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import Position
from raftline.machine.tables import TableDefinition

MESSAGE_TIMER: Final = TableDefinition(104, "message_timer", ("position", "due_ms", "remains"))

TABLES: Final = (MESSAGE_TIMER,)

SQL: Final = """
CREATE TABLE message_timer (position INTEGER PRIMARY KEY, due_ms INTEGER NOT NULL, remains BLOB NOT NULL) STRICT;
CREATE INDEX message_timer_by_due ON message_timer (due_ms) WHERE due_ms > 0;

CREATE INDEX account_by_id ON account (account_id);
"""


class MessageTimer(NamedTuple):
    """
    When the content of a message goes. The row may outlive the message, which its last holder takes along.

    Attributes:
        due_ms: Cluster time.
        remains: What takes the place of the content, as XML.
    """

    position: Position
    due_ms: int
    remains: bytes
