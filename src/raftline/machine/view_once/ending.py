"""
What is sealed goes with its message, with its conversation and with its author; and when it was seen.

The files that belong to it go as well: at once, or, after it was opened, when the device has had time to fetch them.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId, Position
from raftline.base.limits import UPLOAD_TOKEN_SIZE
from raftline.machine.context import Context
from raftline.machine.media import uploads
from raftline.machine.records import Doomed
from raftline.machine.view_once.tables import Sealed

VIEW_ONCE_NAMESPACE: Final = "urn:raftline:view-once:0"
MARK: Final = f"<view-once xmlns='{VIEW_ONCE_NAMESPACE}'/>".encode()
"""What stands in the message in the place of the content."""


def message_gone(context: Context, position: Position, stanza: bytes) -> None:
    """Forget what was sealed in a message, if anything was; `stanza` is the message as it was."""
    if MARK in stanza:
        sealed = context.sealed.contents.get(position)
        if sealed is not None:
            drop(context, sealed)


def drop(context: Context, sealed: Sealed, *, file_grace_ms: int = 0) -> None:
    """Forget what was sealed, and let its files go after so much cluster time."""
    context.sealed.contents.delete(sealed.position)
    context.doomed.insert(sealed.sealed_id, Doomed(sealed.sealed_id))
    for start in range(0, len(sealed.tokens), UPLOAD_TOKEN_SIZE):
        token = sealed.tokens[start : start + UPLOAD_TOKEN_SIZE]
        uploads.end_by(context, token, sealed.author_id, context.time_ms + file_grace_ms)


def forget_some(context: Context, owner_id: AccountId, budget: int) -> int:
    """Delete some of what an account, a room or what was sealed has left here; return how many rows."""
    openings, contents = context.sealed.openings, context.sealed.contents
    spent = 0
    for column in ("sealed_id", "account_id"):
        sql = f"SELECT * FROM sealed_opening WHERE {column} = ? ORDER BY sealed_id, account_id LIMIT ?"  # noqa: S608 - own names
        for key in context.rows.select((openings,), sql, (owner_id, max(budget - spent, 0))):
            openings.delete(key)
            spent += 1
    for column in ("owner_id", "partner_id", "author_id"):
        sql = f"SELECT * FROM sealed WHERE {column} = ? AND {column} > 0 ORDER BY position LIMIT ?"  # noqa: S608 - as above
        for row in context.rows.select((contents,), sql, (owner_id, max(budget - spent, 0))):
            drop(context, Sealed._make(row))
            spent += 1
    return spent
