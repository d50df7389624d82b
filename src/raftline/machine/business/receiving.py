"""
What comes for a number, on its way through machine/messages.py: made into events for programs.

A number archives, and devices that are signed in to it get their copies, as with any account. Nothing waits offline
for it: what a program is told waits as an event.

| comes | becomes |
|---|---|
| something new, a correction, a reaction, a retraction | an event of kind MESSAGE |
| an answer to a question (questions.py) | an event of kind ANSWER |
| a receipt, a marker, a note that a sound was played, an error for a message of the number | events of kind STATUS |
| anything else | nothing |
"""

from __future__ import annotations

from typing import Final

import msgspec

from raftline.base.ids import Position
from raftline.machine.business import statuses
from raftline.machine.business.events import is_full, write_event
from raftline.machine.business.naming import name_at
from raftline.machine.business.questions import answer_to
from raftline.machine.business.reading import Reading, read_message
from raftline.machine.business.statuses import UNDELIVERABLE
from raftline.machine.business.tables import EventKind, MessageStatus, Number
from raftline.machine.context import Context
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.outbox import MessageHandedOver, MessageReturned
from raftline.machine.rooms.moderation import address_at

_OFFLINE: Final = int(Storage.OFFLINE)
_ENCODER: Final = msgspec.msgpack.Encoder()
_REFUSED: Final = "The recipient's device has refused the message."
_NOT_TAKEN: Final = "The recipient cannot be reached."


def take(context: Context, number: Number, handed: MessageHandedOver) -> MessageHandedOver | None:
    """
    The recipient's side, for a number: write the events; return the message as its devices get it.

    Returns: None for what no application has room for: it is not accepted, so nothing that was is lost.
    """
    if handed.sender_id != number.account_id and handed.kind != MessageKind.GROUPCHAT:
        reading = read_message(handed.stanza)
        if handed.kind == MessageKind.ERROR:
            failed = MessageStatus.FAILED
            statuses.advance(context, number, handed.sender, reading.message_id, failed, UNDELIVERABLE, _REFUSED)
        elif (reading.says_something or reading.is_retraction) and is_full(context, number):
            return None
        else:
            _note_statuses(context, number, handed.sender, reading)
            _tell(context, number, handed, reading)
    return handed._replace(storage=handed.storage & ~_OFFLINE)


def returned(context: Context, message: MessageReturned) -> None:
    """A message came back to its sender: if that is a number, it has failed."""
    localpart = context.account_named(message.to)
    account = None if localpart is None else context.accounts.get(localpart)
    number = None if account is None else context.business.number_of(account.account_id)
    if number is None or message.session_id:
        return
    sql = "SELECT * FROM business_message WHERE position = ? AND account_id = ? ORDER BY peer_id, message_id"
    bindings = (context.position, number.account_id)
    for row in context.rows.select((context.business.messages,), sql, bindings):
        peer = address_at(context, row[1])
        assert peer is not None, row
        statuses.advance(context, number, peer, row[2], MessageStatus.FAILED, UNDELIVERABLE, _NOT_TAKEN)


def _note_statuses(context: Context, number: Number, peer: str, reading: Reading) -> None:
    for message_id, status in (
        (reading.received, MessageStatus.DELIVERED),
        (reading.displayed, MessageStatus.READ),
        (reading.played, MessageStatus.PLAYED),
    ):
        if message_id:
            statuses.advance(context, number, peer, message_id, status)


def _tell(context: Context, number: Number, handed: MessageHandedOver, reading: Reading) -> None:
    position = context.position
    peer = handed.sender
    if reading.is_retraction:
        if handed.retraction is not None and handed.retraction.positions:
            target = Position(min(handed.retraction.positions))  # corrections come after what they correct
            _write(context, number, peer, target)
        return
    if not reading.says_something:
        return
    peer_id = context.address_id(peer)
    statuses.remember(context, number, peer_id, reading.message_id, MessageStatus.RECEIVED)
    refers_to = statuses.position_named(context, number, peer_id, reading.refers_to)
    answer = answer_to(context, number, peer_id, reading, refers_to)
    if answer is None:
        _write(context, number, peer, refers_to)
        return
    write_event(
        context,
        number,
        EventKind.ANSWER,
        peer=peer,
        message=position,
        target=answer.question,
        name=name_at(context, peer),
        detail=_ENCODER.encode(answer.choice),
    )


def _write(context: Context, number: Number, peer: str, target: Position) -> None:
    name = name_at(context, peer)
    write_event(
        context,
        number,
        EventKind.MESSAGE,
        peer=peer,
        message=context.position,
        target=target,
        name=name,
        holds=True,
    )
