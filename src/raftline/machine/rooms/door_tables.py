"""Tables of who asks to be let into a room, and of whose turn it is to speak, and their rows."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition


class JoinRequestRow(NamedTuple):
    """
    Somebody who asks to be a member of a room (join_requests.py).

    Attributes:
        jid: Bare JID.
        nick: The nickname that is to be kept for them.
        asked_ms: Cluster time.
        due_ms: Cluster time at which nobody has answered.
    """

    room_id: AccountId
    jid: str
    nick: str
    asked_ms: int
    due_ms: int


class RoomTurn(NamedTuple):
    """When an account last spoke in a room where that matters (pace.py); pruned once nothing waits for it."""

    room_id: AccountId
    account_id: AccountId
    position: Position
    time_ms: int


JOIN_REQUEST: Final = TableDefinition(
    115, "join_request", ("room_id", "jid", "nick", "asked_ms", "due_ms"), key_width=2
)

ROOM_TURN: Final = TableDefinition(116, "room_turn", ("room_id", "account_id", "position", "time_ms"), key_width=2)

TABLES: Final = (JOIN_REQUEST, ROOM_TURN)

SQL: Final = """
CREATE TABLE join_request (
    room_id INTEGER, jid TEXT, nick TEXT NOT NULL, asked_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    PRIMARY KEY (room_id, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX join_request_by_jid ON join_request (jid);
CREATE INDEX join_request_by_due ON join_request (due_ms) WHERE due_ms > 0;

CREATE TABLE room_turn (
    room_id INTEGER, account_id INTEGER, position INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    PRIMARY KEY (room_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_turn_by_position ON room_turn (position);
"""
