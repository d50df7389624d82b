"""The table of invitations and its rows."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId
from raftline.machine.tables import TableDefinition

NOBODY: Final = AccountId(0)
"""Stands for an operator as the inviter, and for who has not come yet."""

INVITE: Final = TableDefinition(
    98,
    "invite",
    (
        "digest",
        "inviter_id",
        "inviter",
        "username",
        "purposes",
        "expires_ms",
        "account_id",
        "room",
        "room_id",
        "uses",
    ),
)

SQL: Final = """
CREATE TABLE invite (
    digest BLOB PRIMARY KEY,
    inviter_id INTEGER NOT NULL,
    inviter TEXT NOT NULL,
    username TEXT NOT NULL,
    purposes INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    room TEXT NOT NULL,
    room_id INTEGER NOT NULL,
    uses INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX invite_by_inviter ON invite (inviter_id) WHERE account_id = 0;
CREATE INDEX invite_by_username ON invite (username) WHERE username <> '';
CREATE INDEX invite_by_expiry ON invite (expires_ms) WHERE account_id = 0;
CREATE INDEX invite_by_account ON invite (account_id) WHERE account_id <> 0;
CREATE INDEX invite_by_room ON invite (room_id, expires_ms) WHERE room_id <> 0;
"""


class Invite(NamedTuple):
    """
    An invitation that is open, or that an account was opened by.

    Attributes:
        digest: Of the token, which is kept nowhere. Where somebody opened an account by one that is good for others
            still, the row that remembers it has the account's id behind the digest, so that no token finds it.
        inviter_id, inviter: The account that invites; NOBODY and empty for an operator. A name whose account has
            another id is that of somebody else.
        username: The only name that it opens an account under, which nobody else gets meanwhile; empty for any.
        purposes: Sum of `commands.Purpose` flags.
        expires_ms: Cluster time from which on it is good for nothing; 0 once it is used.
        account_id: The account that was opened by it; NOBODY while it is open.
        room, room_id: The room that it makes members of; empty and NOBODY for none. A room of this name with another
            id is another room.
        uses: How many may use it still.
    """

    digest: bytes
    inviter_id: AccountId
    inviter: str
    username: str
    purposes: int
    expires_ms: int
    account_id: AccountId
    room: str = ""
    room_id: AccountId = NOBODY
    uses: int = 1
