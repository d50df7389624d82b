"""
What is sealed is given to the one session that asks first, and to no other of its account.

It is given as a message of its own, which no archive keeps. A session that acknowledges owes it like any other
message, so a lost connection loses nothing; if the session ends before, the account's next one is given it instead.
In a chat the content is deleted here at the same moment, and the message says from there on that it was opened. In a
room others may not have seen it, so it stays until its time is over, and who has opened it is remembered.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId, Position
from raftline.base.limits import INBOX_MESSAGE_COUNT_MAX, SEALED_FILE_GRACE_MS
from raftline.machine.context import Context
from raftline.machine.conversations.participation import (
    Conversation,
    Participant,
    account_with,
    audience_of,
    in_chat,
    in_room,
)
from raftline.machine.message_commands import Storage
from raftline.machine.outcomes import Done, MessageArrived, Outcome, Rejected
from raftline.machine.records import Owed, Session, StoredMessage
from raftline.machine.rooms import showing
from raftline.machine.rooms.markup import quoted
from raftline.machine.view_once.commands import OpenSealed
from raftline.machine.view_once.ending import MARK, VIEW_ONCE_NAMESPACE, drop
from raftline.machine.view_once.events import SealedOpened
from raftline.machine.view_once.tables import Sealed, SealedOpening

_DONE: Final = Done()
_NOT_THERE: Final = Rejected("item-not-found", "cancel", "There is nothing to be opened.")
_GONE: Final = Rejected("gone", "cancel", "It was opened, or its time is over.", f"{{{VIEW_ONCE_NAMESPACE}}}gone")


def open_sealed(context: Context, session: Session, action: OpenSealed) -> Outcome:
    """Give what is sealed to a session."""
    found = _find(context, session, action)
    if isinstance(found, Rejected):
        return found
    sealed, place, address = found
    if sealed.author_id == session.account_id:
        return Rejected("not-allowed", "cancel", "Who sent it does not open it.")
    if sealed.due_ms <= context.time_ms or context.sealed.openings.get((sealed.sealed_id, session.account_id)):
        return _GONE
    if session.managed and len(context.inboxes.of(session.session_id)) >= INBOX_MESSAGE_COUNT_MAX:
        return Rejected("resource-constraint", "wait", "Acknowledge what you were given before.")
    _give(context, session, sealed, address, action.stanza_id)
    if place.room is not None:
        key = (sealed.sealed_id, session.account_id)
        context.sealed.openings.insert(key, SealedOpening(*key))
        return _DONE
    drop(context, sealed, file_grace_ms=SEALED_FILE_GRACE_MS)
    _say_in_message(context, sealed.position, "opened")
    for other, groups in audience_of(context, place.conversation, None):
        for node_id, session_ids in groups:
            context.events.append(SealedOpened(node_id, session_ids, other, sealed.position))
    return _DONE


def expire_sealed(context: Context, position: Position) -> None:
    """Nobody may open it any more."""
    sealed = context.sealed.contents.get(position)
    assert sealed is not None, position
    drop(context, sealed)
    _say_in_message(context, position, "expired")


def _find(context: Context, session: Session, action: OpenSealed) -> tuple[Sealed, Participant, str] | Rejected:
    """Return what is sealed, how the account takes part, and the address it comes from; or why there is nothing."""
    place = in_room(context, session, action.room) if action.room else None
    if isinstance(place, Rejected):
        return place
    sealed = context.sealed.contents.get(action.position)
    if place is not None:
        if sealed is None or Conversation(sealed.owner_id, sealed.partner_id) != place.conversation:
            return _missing(context, action.position, place.conversation.owner_id)
        assert place.room is not None
        return sealed, place, showing.address_of(context, place.room.name)
    own_id = session.account_id
    if sealed is None or own_id not in {sealed.owner_id, sealed.partner_id} or not sealed.partner_id:
        return _missing(context, action.position, own_id)
    partner = account_with(context, sealed.owner_id if sealed.partner_id == own_id else sealed.partner_id)
    if partner is None:
        return _NOT_THERE
    found = in_chat(context, session, partner)
    return found if isinstance(found, Rejected) else (sealed, found, context.bare_jid(partner.localpart))


def _missing(context: Context, position: Position, owner_id: AccountId) -> Rejected:
    """Say that it is gone to who has the message, which says so too; to others that there is nothing."""
    message = context.messages.get(position)
    is_theirs = context.archive.get((owner_id, position)) is not None
    return _GONE if is_theirs and message is not None and VIEW_ONCE_NAMESPACE.encode() in message.stanza else _NOT_THERE


def _give(context: Context, session: Session, sealed: Sealed, address: str, stanza_id: str) -> None:
    """Hand the content to the session, as a message that lives until it is acknowledged."""
    position = context.position
    to = f"{context.bare_jid(session.localpart)}/{session.resource}"
    head = f"<message from='{quoted(address)}' to='{quoted(to)}'><content xmlns='{VIEW_ONCE_NAMESPACE}'"
    stanza = b"%b id='%b'>%b</content></message>" % (head.encode(), quoted(stanza_id).encode(), sealed.content)
    context.events.append(MessageArrived(session.node_id, session.session_id, position, stanza, "", None))
    if session.managed:
        context.inboxes.add(Owed(session.session_id, position, int(Storage.OFFLINE), position))
        sender_id = context.address_id(address)
        row = StoredMessage(position, context.time_ms, sender_id, "", session.resource, 1, stanza)
        context.messages.insert(position, row)


def _say_in_message(context: Context, position: Position, state: str) -> None:
    """Let the message say what has become of its part, wherever it is read."""
    message = context.messages.get(position)
    if message is not None:
        told = MARK.removesuffix(b"/>") + f" state='{state}'/>".encode()
        context.messages.put(position, message._replace(stanza=message.stanza.replace(MARK, told)))
