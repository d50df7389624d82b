"""
The tables of what is viewed once, and their rows.

What is sealed takes its id from the accounts' counter, as polls do: who has opened it in a room is deleted in steps.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition

SEALED: Final = TableDefinition(
    124,
    "sealed",
    ("position", "sealed_id", "owner_id", "partner_id", "author_id", "due_ms", "tokens", "content"),
)
SEALED_OPENING: Final = TableDefinition(125, "sealed_opening", ("sealed_id", "account_id"), key_width=2)

TABLES: Final = (SEALED, SEALED_OPENING)

SQL: Final = """
CREATE TABLE sealed (
    position INTEGER PRIMARY KEY,
    sealed_id INTEGER NOT NULL,
    owner_id INTEGER NOT NULL,
    partner_id INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    tokens BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE INDEX sealed_by_owner ON sealed (owner_id);
CREATE INDEX sealed_by_partner ON sealed (partner_id) WHERE partner_id > 0;
CREATE INDEX sealed_by_author ON sealed (author_id);
CREATE INDEX sealed_by_due ON sealed (due_ms) WHERE due_ms > 0;

CREATE TABLE sealed_opening (
    sealed_id INTEGER, account_id INTEGER, PRIMARY KEY (sealed_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sealed_opening_by_account ON sealed_opening (account_id);
"""


class Sealed(NamedTuple):
    """
    What is to be viewed once.

    Attributes:
        position: Of its message.
        sealed_id: Owner of the openings.
        owner_id, partner_id: The conversation, as in conversations/participation.py.
        due_ms: Cluster time at which it goes, opened or not.
        tokens: Of uploads that are part of it, one after another, each of `UPLOAD_TOKEN_SIZE` bytes.
        content: XML, for a place without a default namespace.
    """

    position: Position
    sealed_id: AccountId
    owner_id: AccountId
    partner_id: AccountId
    author_id: AccountId
    due_ms: int
    tokens: bytes
    content: bytes


class SealedOpening(NamedTuple):
    """An account of a room has opened it."""

    sealed_id: AccountId
    account_id: AccountId
