"""
What a number sends to a person: a message like any other, by nobody's session.

A program speaks for the number, so the message goes the way that one of a session goes, archives, copies, block lists
and all (machine/messages.py), for a session that is none. What it brings beside is a row under which receipts find it,
its first status, and the question that it may ask.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import NodeId, SessionId
from raftline.machine import messages
from raftline.machine.business import pace, statuses
from raftline.machine.business.commands import SendFromNumber
from raftline.machine.business.questions import ask
from raftline.machine.business.tables import MessageStatus, Number
from raftline.machine.business.values import Sent
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Session

NO_NUMBER: Final = Rejected("item-not-found", "cancel", "There is no such number.")
DEREGISTERED: Final = Rejected("not-allowed", "cancel", "The number is not registered.", "number")


def number_named(context: Context, localpart: str) -> Number | None:
    """Return the number whose account has this name."""
    account = context.accounts.get(localpart)
    return None if account is None else context.business.number_of(account.account_id)


def stand_in(context: Context, number: Number) -> Session:
    """Return a session of a number that is none: no session has this id, and nobody is told of what happens to it."""
    return Session(SessionId(0), number.account_id, number.localpart, "", NodeId(0), 0, context.time_ms, 0, 0, 0, 0)


def send_from_number(context: Context, action: SendFromNumber) -> Outcome:
    """The number's side."""
    number = number_named(context, action.localpart)
    if number is None:
        return NO_NUMBER
    if not number.is_registered:
        return DEREGISTERED
    message = action.message
    peer = context.bare_jid(message.to_localpart)
    peer_id = context.address_id(peer)
    if action.message_id and (refusal := pace.take_turn(context, number, peer_id)) is not None:
        return refusal
    outcome = messages.send_message(context, stand_in(context, number), message)
    if not isinstance(outcome, Done):
        return outcome
    if action.message_id:
        sent = MessageStatus.SENT
        row = statuses.remember(context, number, peer_id, action.message_id, sent, action.opaque)
        statuses.tell(context, number, peer, row)
        ask(context, number, peer_id, action.prompt)
    return Done(Sent(context.position, action.fingerprint))


def store_message(context: Context, action: SendFromNumber) -> None:
    """Store the message of this command once, as machine.messages.store_message does."""
    number = number_named(context, action.localpart)
    assert number is not None, action.localpart
    messages.store_message(context, stand_in(context, number), action.message)
