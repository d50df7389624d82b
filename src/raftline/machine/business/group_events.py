"""
What numbers make of what rooms tell them (group_telling.py): events for their applications (events.py).

A number hears nothing of what it says itself, but that it is sent. In a room nobody acknowledges messages for others,
so after `sent` comes what people tell by markers (XEP-0333): `read`, from each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from raftline.base.business_limits import BUSINESS_MARKED_COUNT_MAX
from raftline.base.ids import Position
from raftline.machine.business.events import write_event
from raftline.machine.business.group_handovers import GroupChanged, GroupRead, GroupSpoke
from raftline.machine.business.naming import name_at
from raftline.machine.business.questions import answer_to
from raftline.machine.business.reading import read_message
from raftline.machine.business.tables import EventKind, MessageStatus, Number
from raftline.machine.business.values import StatusDetail
from raftline.machine.context import Context
from raftline.machine.records import StoredMessage

_ENCODER: Final = msgspec.msgpack.Encoder()
_NOWHERE: Final = Position(0)


def hear_spoken(context: Context, spoke: GroupSpoke) -> None:
    """Write an event, which holds the message as an archive does."""
    number = context.business.number_of(spoke.account_id)
    if number is None or spoke.author == context.bare_jid(number.localpart):
        return
    answer = answer_to(context, number, spoke.address_id, read_message(spoke.stanza), spoke.target)
    kind, target, detail = EventKind.MESSAGE, spoke.target, b""
    if answer is not None:
        kind, target, detail = EventKind.ANSWER, answer.question, _ENCODER.encode(answer.choice)
    before = context.message_holders
    write_event(
        context,
        number,
        kind,
        peer=spoke.author,
        room=spoke.room,
        message=context.position,
        target=target,
        name=name_at(context, spoke.author),
        detail=detail,
        holds=kind is EventKind.MESSAGE,
    )
    # The message is stored already, where anybody holds it: the room does that.
    held, context.message_holders = context.message_holders - before, before
    if held:
        _hold(context, spoke, held)


def hear_read(context: Context, read: GroupRead) -> None:
    """Write that messages of a number's own were read by somebody: the latest of them, in order."""
    number = context.business.number_of(read.account_id)
    if number is None or read.reader == context.bare_jid(number.localpart):
        return
    sql = (
        "SELECT position, opaque FROM business_message WHERE account_id = ? AND peer_id = ?"
        " AND position > ? AND position <= ? ORDER BY position DESC LIMIT ?"
    )
    bindings = (read.account_id, read.address_id, read.after, read.position, BUSINESS_MARKED_COUNT_MAX)
    found = context.rows.select((context.business.messages,), sql, bindings)
    for position, opaque in reversed(found):
        tell_status(context, number, read.room, read.reader, Position(position), MessageStatus.READ, opaque)


def hear_changed(context: Context, changed: GroupChanged) -> None:
    """Write what has become of a group."""
    number = context.business.number_of(changed.account_id)
    if number is not None:
        detail = _ENCODER.encode(changed.news)
        write_event(
            context, number, EventKind.GROUP, peer=changed.address, room=changed.room, message=_NOWHERE, detail=detail
        )


def tell_status(
    context: Context, number: Number, room: str, peer: str, position: Position, status: MessageStatus, opaque: str
) -> None:
    """Write how far a message of a number has come in a room, with somebody there."""
    detail = _ENCODER.encode(StatusDetail(int(status), opaque))
    name = name_at(context, peer)
    write_event(context, number, EventKind.STATUS, peer=peer, room=room, message=position, name=name, detail=detail)


def _hold(context: Context, spoke: GroupSpoke, count: int) -> None:
    """Let the message of this command stay for so many events."""
    position = context.position
    message = context.messages.get(position)
    if message is None:
        row = StoredMessage(position, context.time_ms, spoke.address_id, spoke.nick, "", count, spoke.stanza)
        context.messages.insert(position, row)
    else:
        context.messages.put(position, message._replace(holders=message.holders + count))


GROUP_RECEIVERS: Final[Mapping[type, Callable[[Context, Any], None]]] = MappingProxyType(
    {GroupSpoke: hear_spoken, GroupRead: hear_read, GroupChanged: hear_changed}
)
