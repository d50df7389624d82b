"""Tables of who asks to be let into a room, and their rows."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId
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


JOIN_REQUEST: Final = TableDefinition(
    115, "join_request", ("room_id", "jid", "nick", "asked_ms", "due_ms"), key_width=2
)

TABLES: Final = (JOIN_REQUEST,)

SQL: Final = """
CREATE TABLE join_request (
    room_id INTEGER, jid TEXT, nick TEXT NOT NULL, asked_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    PRIMARY KEY (room_id, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX join_request_by_jid ON join_request (jid);
CREATE INDEX join_request_by_due ON join_request (due_ms) WHERE due_ms > 0;
"""
