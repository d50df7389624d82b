"""The table of login tokens (XEP-0484) and its rows."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition

CURRENT: Final = 0
NEW: Final = 1
"""Slots of a client installation: a token is issued into the new one and moves to the current one when it is used."""

LOGIN_TOKEN: Final = TableDefinition(
    60,
    "login_token",
    ("account_id", "client", "slot", "mechanism", "verifier", "answer", "next_count", "position", "time_ms"),
    key_width=3,
)

SQL: Final = """
CREATE TABLE login_token (
    account_id INTEGER,
    client BLOB,
    slot INTEGER,
    mechanism TEXT NOT NULL,
    verifier BLOB NOT NULL,
    answer BLOB NOT NULL,
    next_count INTEGER NOT NULL,
    position INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, client, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX login_token_by_position ON login_token (position);
"""


class LoginToken(NamedTuple):
    """
    What is kept of a token.

    Attributes:
        client: Digest that names the client installation it was issued to.
        mechanism: The only SASL mechanism that it is good for.
        verifier, answer: What its holder is known by; their meaning is the mechanism's (xmpp/sasl_ht.py).
        next_count: Least replay counter that is taken.
        position, time_ms: Of the command that issued it.
    """

    account_id: AccountId
    client: bytes
    slot: int
    mechanism: str
    verifier: bytes
    answer: bytes
    next_count: int
    position: Position
    time_ms: int
