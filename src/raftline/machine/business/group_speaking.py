"""
What a number says in a group: a message of the room like any other, by somebody who is not inside.

It is said under the number's verified name, which is kept for it as a nickname, as far as nobody else has it; then it
is the number itself. Its affiliation decides what it may, as it would on entering.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import SessionId
from raftline.base.limits import RESOURCE_SIZE_MAX
from raftline.machine.business import pace, statuses
from raftline.machine.business.group_commands import PinFromNumber, SpeakFromNumber
from raftline.machine.business.group_events import tell_status
from raftline.machine.business.questions import ask
from raftline.machine.business.sending import DEREGISTERED, NO_NUMBER, number_named, stand_in
from raftline.machine.business.tables import MessageStatus, Number
from raftline.machine.business.values import Sent
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pins.commands import PinMessage
from raftline.machine.pins.pinning import pin_message
from raftline.machine.rooms import ranks, speaking
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.entering import NO_SUCH_ROOM, is_nick_free
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Occupant, Room, RoomAffiliation

_NOT_A_MEMBER: Final = Rejected("item-not-found", "cancel", "There is no such group that the number is a member of.")


def speak_from_number(context: Context, action: SpeakFromNumber) -> Outcome:
    """Say something to everyone in a group."""
    number = number_named(context, action.localpart)
    if number is None:
        return NO_NUMBER
    if not number.is_registered:
        return DEREGISTERED
    room = context.rooms.get(action.message.room)
    if room is None:
        return NO_SUCH_ROOM
    row = context.room_affiliations.get((room.room_id, context.bare_jid(number.localpart)))
    if row is None or row.affiliation < Affiliation.MEMBER:
        return _NOT_A_MEMBER
    if action.message_id and (refusal := pace.take_turn(context, number, room.address_id)) is not None:
        return refusal
    occupant = _stand_in(context, number, room, row)
    outcome = speaking.say(context, stand_in(context, number), room, occupant, action.message)
    if not isinstance(outcome, Done):
        return outcome
    if action.message_id:
        statuses.remember(context, number, room.address_id, action.message_id, MessageStatus.SENT, action.opaque)
        tell_status(context, number, room.name, occupant.jid, context.position, MessageStatus.SENT, action.opaque)
        ask(context, number, room.address_id, action.prompt)
    return Done(Sent(context.position, action.fingerprint))


def pin_from_number(context: Context, action: PinFromNumber) -> Outcome:
    """Pin a message of a group, or take the pin away."""
    number = number_named(context, action.localpart)
    if number is None:
        return NO_NUMBER
    if not number.is_registered:
        return DEREGISTERED
    pin = PinMessage(action.room, "", action.position, action.is_pinned)
    outcome = pin_message(context, stand_in(context, number), pin)
    return Done(Sent(context.position, action.fingerprint)) if isinstance(outcome, Done) else outcome


def _stand_in(context: Context, number: Number, room: Room, row: RoomAffiliation) -> Occupant:
    """Return what the number would be in the room if it were there."""
    settings = room_settings.decode(room.settings)
    role = ranks.initial_role(row.affiliation, moderated=settings.moderated, announces=settings.announcements)
    return Occupant(
        room.room_id,
        SessionId(0),
        number.account_id,
        row.jid,
        "",
        _nick_of(context, number, room, row),
        row.affiliation,
        role,
        context.position,
        b"",
    )


def _nick_of(context: Context, number: Number, room: Room, row: RoomAffiliation) -> str:
    """Return the nickname of a number, and keep it for it."""
    if row.nick == number.verified_name:
        return row.nick
    nick = number.verified_name
    if not 0 < len(nick.encode()) <= RESOURCE_SIZE_MAX or not is_nick_free(context, room, nick, row.jid):
        nick = number.localpart
    if row.nick != nick:
        context.room_affiliations.put((room.room_id, row.jid), row._replace(nick=nick))
        context.watchers.touch(room.room_id, row.jid)
    return nick
