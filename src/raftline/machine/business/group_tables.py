"""The table of links to groups that numbers share, and its row."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId
from raftline.machine.tables import TableDefinition


class GroupLink(NamedTuple):
    """
    The link to a group that is told again whenever a program asks for it; goes with the room.

    The token stands here as it is, which no other invitation's does: a link that can be asked for has to be known.

    Attributes:
        digest: Of the token; names the invitation (invites/tables.py).
    """

    room_id: AccountId
    token: str
    digest: bytes


GROUP_LINK: Final = TableDefinition(155, "business_group_link", ("room_id", "token", "digest"))

TABLES: Final = (GROUP_LINK,)

SQL: Final = """
CREATE TABLE business_group_link (room_id INTEGER PRIMARY KEY, token TEXT NOT NULL, digest BLOB NOT NULL) STRICT;
"""
