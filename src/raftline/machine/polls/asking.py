"""
A question begins with its message: the place of the message in the log is the question's name.

The message goes the way of any other, with its text for clients that know nothing of questions. It must be kept by an
archive, else nobody could name the question once it was delivered.
"""

from __future__ import annotations

from typing import Final

from raftline.base.limits import POLL_OPEN_COUNT_MAX
from raftline.machine import messages
from raftline.machine.context import Context
from raftline.machine.conversations.participation import Conversation, chat_taken, conversation_in, conversation_of
from raftline.machine.message_commands import SendPoll, Storage
from raftline.machine.outcomes import Outcome, Rejected
from raftline.machine.polls.checks import refusal_of
from raftline.machine.polls.commands import AskInRoom
from raftline.machine.polls.tables import OPEN, Poll
from raftline.machine.polls.terms import PollTerms, encode, encode_counts
from raftline.machine.records import Session
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms import speaking
from raftline.machine.rooms.entering import find_inside
from raftline.machine.timers import ephemeral

_UNKEPT: Final = Rejected("not-acceptable", "modify", "A question is asked where an archive keeps it.")


def ask_in_room(context: Context, session: Session, action: AskInRoom) -> Outcome:
    """Say a question to everyone, as somebody who may speak there."""
    found = find_inside(context, session, action.room)
    if isinstance(found, Rejected):
        return found
    room, _ = found
    conversation = conversation_in(room)
    if not (action.kept and room_settings.decode(room.settings).archived) or action.is_subject:
        return _UNKEPT
    refusal = _refusal_of(context, conversation, action.poll)
    if refusal is not None:
        return refusal
    outcome = speaking.speak(context, session, action)
    if context.archive.get((room.room_id, context.position)) is not None:  # it was not said before
        _begin(context, session, conversation, action.poll)
    return outcome


def ask_in_chat(context: Context, session: Session, action: SendPoll) -> Outcome:
    """Send a question to a contact; it begins once both sides have taken the message (`message_stored`)."""
    if not action.storage & Storage.ARCHIVE:
        return _UNKEPT
    partner = context.accounts.get(action.to_localpart)
    if partner is not None:
        conversation = conversation_of(session.account_id, partner.account_id)
        refusal = _refusal_of(context, conversation, action.poll)
        if refusal is not None:
            return refusal
    return messages.send_message(context, session, action)


def message_stored(context: Context, session: Session, action: SendPoll) -> None:
    """The message of a question is kept by either side, so it begins, unless the other side does not take it."""
    if action.timer_s:
        ephemeral.begin(context, action.timer_s)
    chat = chat_taken(context, session, action.to_localpart)
    if chat is not None:
        _begin(context, session, chat, action.poll)


def _refusal_of(context: Context, conversation: Conversation, terms: PollTerms) -> Rejected | None:
    refusal = refusal_of(terms, context.time_ms)
    if refusal is not None:
        return refusal
    sql = "SELECT count(*) FROM poll WHERE owner_id = ? AND partner_id = ? AND state = 0"
    ((count,),) = context.rows.select((context.polls.polls,), sql, tuple(conversation))
    if count >= POLL_OPEN_COUNT_MAX:
        return Rejected("resource-constraint", "wait", f"{POLL_OPEN_COUNT_MAX} questions are open here already.")
    return None


def _begin(context: Context, session: Session, conversation: Conversation, terms: PollTerms) -> None:
    poll = Poll(
        context.position,
        context.new_owner_id(),
        conversation.owner_id,
        conversation.partner_id,
        int(terms.kind),
        session.account_id,
        OPEN,
        terms.closes_ms,
        0,
        encode(terms),
        encode_counts((0,) * len(terms.options)),
    )
    context.polls.polls.insert(poll.position, poll)
