"""The table of rounds of notifications, and its row."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition

ALERT_ROUND: Final = TableDefinition(
    110,
    "room_alert_round",
    (
        "room_id",
        "room",
        "due_ms",
        "began_ms",
        "position",
        "message_count",
        "after",
        "next_position",
        "next_message_count",
    ),
)

TABLES: Final = (ALERT_ROUND,)

SQL: Final = """
CREATE TABLE room_alert_round (
    room_id INTEGER PRIMARY KEY,
    room TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    began_ms INTEGER NOT NULL,
    position INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    after TEXT NOT NULL,
    next_position INTEGER NOT NULL,
    next_message_count INTEGER NOT NULL
) STRICT;
CREATE INDEX room_alert_round_by_due ON room_alert_round (due_ms) WHERE due_ms > 0;
"""


class AlertRound(NamedTuple):
    """
    How far a room has come in telling its members who are away; one row for each room that has ever had too many of
    them for one command.

    Attributes:
        room: Local part of its address.
        due_ms: Cluster time of the next step; 0 when nobody is to be told of anything.
        began_ms: Cluster time of the first step of the latest round.
        position: Of the message they are told of.
        message_count: Messages since the round before, this one included.
        after: Address of the last member who was told; empty before the first.
        next_position, next_message_count: The same of the next round; 0 if nothing was said since this one began.
    """

    room_id: AccountId
    room: str
    due_ms: int
    began_ms: int
    position: Position
    message_count: int
    after: str
    next_position: Position
    next_message_count: int
