"""
How far messages of a number have come, and what they are known by.

A message of a conversation has a row under its author's `id` for a month, so that receipts, markers and references
find it without a look at the archive. A status never falls; a marker names the last of what was read, so all before it
become read as well (XEP-0333 section 4).
"""

from __future__ import annotations

from typing import Final

import msgspec

from raftline.base.business_limits import BUSINESS_ID_LENGTH_MAX, BUSINESS_MARKED_COUNT_MAX
from raftline.base.ids import Position, parse_stanza_id
from raftline.machine.business.events import write_event
from raftline.machine.business.naming import name_at
from raftline.machine.business.tables import BusinessMessage, EventKind, MessageStatus, Number
from raftline.machine.business.values import StatusDetail
from raftline.machine.context import Context

UNDELIVERABLE: Final = 131026
"""Code of the Cloud API: the message cannot be delivered."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_NOWHERE: Final = Position(0)


def remember(
    context: Context, number: Number, peer_id: int, message_id: str, status: MessageStatus, opaque: str = ""
) -> BusinessMessage:
    """Remember the message of this command under its id, unless that is none, or longer than any of ours."""
    row = BusinessMessage(
        number.account_id, peer_id, message_id, context.position, context.time_ms, int(status), opaque
    )
    if 0 < len(message_id) <= BUSINESS_ID_LENGTH_MAX:
        context.business.messages.put(row[:3], row)
    return row


def position_named(context: Context, number: Number, peer_id: int, message_id: str) -> Position:
    """Return which message of a conversation an id names: its author's, or a stanza id; 0 for none that is known."""
    if not message_id:
        return _NOWHERE
    row = context.business.messages.get((number.account_id, peer_id, message_id))
    if row is not None:
        return row.position
    stanza_id = parse_stanza_id(message_id)
    if stanza_id is None:
        return _NOWHERE
    archived = context.archive.get((number.account_id, stanza_id[1]))
    return stanza_id[1] if archived is not None and archived.contact_id == peer_id else _NOWHERE


def advance(
    context: Context, number: Number, peer: str, message_id: str, status: MessageStatus, error: int = 0, text: str = ""
) -> None:
    """Let the message of a number under an id come to a status, and tell of it, unless it has come further."""
    address = context.addresses.get(peer)
    if address is None:
        return
    row = context.business.messages.get((number.account_id, address.address_id, message_id))
    if row is None:
        return
    if status == MessageStatus.READ:
        for earlier in _unread(context, row):
            _move(context, number, peer, earlier, status)
    elif status == MessageStatus.FAILED:
        if row.status in {MessageStatus.SENT, MessageStatus.DELIVERED}:
            _move(context, number, peer, row, status, error, text)
    elif MessageStatus.RECEIVED < row.status < status:
        _move(context, number, peer, row, status)


def tell(context: Context, number: Number, peer: str, row: BusinessMessage, error: int = 0, text: str = "") -> None:
    """Tell of the status that a message has."""
    detail = _ENCODER.encode(StatusDetail(row.status, row.opaque, error, text))
    name = name_at(context, peer)
    write_event(context, number, EventKind.STATUS, peer=peer, message=row.position, name=name, detail=detail)


def _move(
    context: Context,
    number: Number,
    peer: str,
    row: BusinessMessage,
    status: MessageStatus,
    error: int = 0,
    text: str = "",
) -> None:
    row = row._replace(status=int(status))
    context.business.messages.put(row[:3], row)
    tell(context, number, peer, row, error, text)


def _unread(context: Context, last: BusinessMessage) -> list[BusinessMessage]:
    """Return what becomes read with a message, the oldest first."""
    sql = (
        "SELECT * FROM business_message WHERE account_id = ? AND peer_id = ? AND position <= ? AND status IN (?, ?)"
        " ORDER BY position DESC, message_id LIMIT ?"
    )
    bindings = (
        last.account_id,
        last.peer_id,
        last.position,
        int(MessageStatus.SENT),
        int(MessageStatus.DELIVERED),
        BUSINESS_MARKED_COUNT_MAX,
    )
    found = context.rows.select((context.business.messages,), sql, bindings)
    return [BusinessMessage._make(row) for row in reversed(found)]
