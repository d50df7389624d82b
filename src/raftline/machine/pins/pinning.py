"""
Pin a message, take the pin away, ask which are pinned.

In a room moderators do, and everyone who takes part sees; in a chat either of the two does. What is pinned is a
message of the conversation that an archive keeps; when its content goes, by retraction or by its time, the pin goes.
"""

from __future__ import annotations

from typing import Final

from raftline.base.limits import PIN_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.conversations.participation import Conversation, Participant, audience_of, in_chat, in_room
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pins.commands import PinMessage
from raftline.machine.pins.events import PinTold, PinView
from raftline.machine.pins.queries import PinsOf
from raftline.machine.pins.tables import Pin
from raftline.machine.records import Account, Session
from raftline.machine.rosters import account_of

_DONE: Final = Done()
_NO_MESSAGE: Final = Rejected("item-not-found", "cancel", "There is no such message in the conversation.")
_NOBODY: Final = Rejected("item-not-found", "cancel", "There is nobody there to talk to.")


def pin_message(context: Context, session: Session, action: PinMessage) -> Outcome:
    """Pin a message, or take the pin away, and tell those who are there."""
    partner = None if action.room else context.accounts.get(action.partner)
    place = _place_of(context, session, action.room, partner)
    if isinstance(place, Rejected):
        return place
    if place.room is not None and not place.is_moderator:
        return Rejected("forbidden", "auth", "Moderators alone pin messages of a room.")
    key = (*place.conversation, action.position)
    is_pinned = context.pins.get(key) is not None
    if action.is_pinned and not is_pinned:
        if not _is_there(context, session, place, partner, action):
            return _NO_MESSAGE
        if len(_pins(context, place.conversation)) >= PIN_COUNT_MAX:
            return Rejected("resource-constraint", "cancel", f"{PIN_COUNT_MAX} messages are pinned here already.")
        context.pins.insert(key, Pin(*key, context.time_ms))
    elif is_pinned and not action.is_pinned:
        context.pins.delete(key)
    if action.is_pinned != is_pinned:
        for address, groups in audience_of(context, place.conversation, place.room):
            for node_id, session_ids in groups:
                told = PinTold(node_id, session_ids, address, place.room is not None, action.position, action.is_pinned)
                context.events.append(told)
    return _DONE


def pins_of(context: Context, query: PinsOf) -> list[PinView] | Rejected:
    """Return which messages of a conversation are pinned."""
    session = context.sessions.get(query.session_id)
    if session is None:
        return _NOBODY
    partner = None if query.room else context.accounts.get(query.partner)
    place = _place_of(context, session, query.room, partner)
    if isinstance(place, Rejected):
        return place
    return [PinView(pin.position, pin.time_ms) for pin in _pins(context, place.conversation)]


def _place_of(context: Context, session: Session, room: str, partner: Account | None) -> Participant | Rejected:
    if room:
        return in_room(context, session, room)
    return _NOBODY if partner is None else in_chat(context, session, partner)


def _pins(context: Context, conversation: Conversation) -> list[Pin]:
    sql = "SELECT * FROM pin WHERE owner_id = ? AND partner_id = ? ORDER BY time_ms, position"
    return [Pin._make(row) for row in context.rows.select((context.pins,), sql, tuple(conversation))]


def _is_there(
    context: Context, session: Session, place: Participant, partner: Account | None, action: PinMessage
) -> bool:
    """Whether an archive has the message in this conversation: the room's, or that of either of the two."""
    if place.room is not None:
        return context.archive.get((place.room.room_id, action.position)) is not None
    assert partner is not None, "a chat has one"
    own = account_of(context, session)
    rows = (
        (context.archive.get((owner.account_id, action.position)), contact.address_id)
        for owner, contact in ((own, partner), (partner, own))
    )
    return any(row is not None and row.contact_id == contact_id for row, contact_id in rows)
