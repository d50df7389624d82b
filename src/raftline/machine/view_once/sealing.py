"""A message of which a part is viewed once: it goes the way of any other, and the part stays here."""

from __future__ import annotations

from typing import Final

from raftline.base.limits import SEALED_COUNT_MAX, SEALED_LIFETIME_MS
from raftline.machine import messages
from raftline.machine.context import Context
from raftline.machine.conversations.participation import Conversation, chat_taken, conversation_in
from raftline.machine.message_commands import SendSealed, Storage
from raftline.machine.outcomes import Outcome, Rejected
from raftline.machine.records import Session
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms import speaking
from raftline.machine.rooms.entering import find_inside
from raftline.machine.timers import ephemeral
from raftline.machine.view_once.commands import SealedContent, SealInRoom
from raftline.machine.view_once.tables import Sealed

_UNKEPT: Final = Rejected("not-acceptable", "modify", "What is viewed once is sent where an archive keeps the message.")


def seal_in_room(context: Context, session: Session, action: SealInRoom) -> Outcome:
    """Say it to everyone, as somebody who may speak there."""
    found = find_inside(context, session, action.room)
    if isinstance(found, Rejected):
        return found
    room, _ = found
    if not (action.kept and room_settings.decode(room.settings).archived) or action.is_subject:
        return _UNKEPT
    refusal = _refusal_of(context, session)
    if refusal is not None:
        return refusal
    outcome = speaking.speak(context, session, action)
    if context.archive.get((room.room_id, context.position)) is not None:  # it was not said before
        _keep(context, session, conversation_in(room), action.sealed)
    return outcome


def seal_in_chat(context: Context, session: Session, action: SendSealed) -> Outcome:
    """Send it to a contact; the part is kept once both sides have taken the message (`message_stored`)."""
    if not action.storage & Storage.ARCHIVE or action.to_localpart == session.localpart:
        return _UNKEPT
    return _refusal_of(context, session) or messages.send_message(context, session, action)


def message_stored(context: Context, session: Session, action: SendSealed) -> None:
    """The message is kept by either side, so its part is, unless the other side does not take it."""
    if action.timer_s:
        ephemeral.begin(context, action.timer_s)
    chat = chat_taken(context, session, action.to_localpart)
    if chat is not None:
        _keep(context, session, chat, action.sealed)


def _refusal_of(context: Context, session: Session) -> Rejected | None:
    sql = "SELECT count(*) FROM sealed WHERE author_id = ?"
    ((count,),) = context.rows.select((context.sealed.contents,), sql, (session.account_id,))
    if count >= SEALED_COUNT_MAX:
        return Rejected("resource-constraint", "wait", f"{SEALED_COUNT_MAX} messages of yours wait to be opened.")
    return None


def _keep(context: Context, session: Session, conversation: Conversation, sealed: SealedContent) -> None:
    row = Sealed(
        context.position,
        context.new_owner_id(),
        conversation.owner_id,
        conversation.partner_id,
        session.account_id,
        context.time_ms + SEALED_LIFETIME_MS,
        b"".join(sealed.tokens),
        sealed.content,
    )
    context.sealed.contents.insert(row.position, row)
