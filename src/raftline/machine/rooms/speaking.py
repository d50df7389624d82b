"""
Messages in rooms (XEP-0045 sections 7.4, 7.5, 7.13, 8.1): to everyone, to one occupant, to the moderators.

A message to everyone is one command, one row of a message and one row of the room's archive, however many are there;
what each session is owed follows from its visit (deliveries.py). Everyone gets the same bytes, the sender included,
whose copy says that the message is on a majority and where in the archive it is.

A marker is a message like any other (XEP-0333 section 4.3), but in a crowd: there it is remembered how far its sender
has read, for whoever asks (conversations/ticks.py), and that is all. Each message to a thousand people would else
bring a thousand markers, each of them for a thousand.

A message to one occupant is nobody's archive's: it would have to be stored twice, as each side knows it under other
addresses, and other devices of the two are not in the room. Who acknowledges owes it like any other message.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import Position
from raftline.base.limits import INBOX_MESSAGE_COUNT_MAX, ROOM_STATE_AUDIENCE_MAX
from raftline.machine import messages
from raftline.machine.blocking import BLOCKED_BY_SENDER
from raftline.machine.business.group_telling import tell_read
from raftline.machine.context import Context
from raftline.machine.conversations.read_marks import note_read_in_room
from raftline.machine.outbox import SessionOverdue
from raftline.machine.outcomes import Done, MessageArrived, Outcome, Rejected
from raftline.machine.pubsub.displayed import note_displayed
from raftline.machine.records import Owed, Session, StoredMessage
from raftline.machine.rooms import markup, moderation, pace, showing
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.alerting import tell_away
from raftline.machine.rooms.blocks import block_between
from raftline.machine.rooms.commands import RequestVoice, SpeakInRoom, WhisperInRoom
from raftline.machine.rooms.entering import find_inside
from raftline.machine.rooms.events import VoiceRequested
from raftline.machine.rooms.publishing import publish
from raftline.machine.rooms.ranks import Role
from raftline.machine.rooms.settings import PrivateMessages
from raftline.machine.rooms.tables import Occupant, Room
from raftline.machine.rooms.views import RoomBlock
from raftline.machine.rosters import account_of
from raftline.machine.timers import ephemeral

_NOWHERE: Final = Position(0)
_DONE: Final = Done()
_UNAVAILABLE: Final = Rejected("service-unavailable", "cancel")
_NO_VOICE: Final = Rejected("forbidden", "auth", "You have no voice in this room.")
_USER: Final = f"<x xmlns='{markup.USER_NAMESPACE}'/>".encode()

_ROLE_FOR_WHISPER: Final = {
    PrivateMessages.ANYONE: Role.VISITOR,
    PrivateMessages.PARTICIPANTS: Role.PARTICIPANT,
    PrivateMessages.MODERATORS: Role.MODERATOR,
}
"""The role that it takes; who is not named here lets nobody."""


def speak(context: Context, session: Session, action: SpeakInRoom) -> Outcome:
    """Say something to everyone, or set the subject."""
    found = find_inside(context, session, action.room)
    if isinstance(found, Rejected):
        return found
    return say(context, session, *found, action)


def say(context: Context, session: Session, room: Room, occupant: Occupant, action: SpeakInRoom) -> Outcome:
    """Say something as an occupant, or as who stands in for one that is not inside (business/group_speaking.py)."""
    settings = room_settings.decode(room.settings)
    if occupant.role < Role.PARTICIPANT and not (
        settings.announcements and settings.announcement_reactions and (action.reacts or action.marks_only)
    ):
        return _NO_VOICE
    if action.is_subject and not settings.subject_open and occupant.role < Role.MODERATOR:
        return Rejected("forbidden", "auth", "Moderators alone set the subject.")
    if action.is_subject and action.timer_s:
        return Rejected("not-acceptable", "modify", "A subject stays until there is another one.")
    timer_s = 0 if action.is_subject else _shorter(action.timer_s, settings.message_timer_s)
    origin = (f"{action.room}@".encode(), action.fingerprint, action.origin_id)  # no account is called so
    is_paced = settings.slow_mode_s and pace.is_paced(occupant, action.stanza)
    if is_paced:
        refusal = pace.check_turn(context, occupant, settings.slow_mode_s)
        if refusal is not None:
            is_known = action.origin_id and messages.is_known_origin(context, session, *origin)
            return _DONE if is_known else refusal
    if action.displayed:
        address = showing.address_of(context, room.name)
        refusal = note_displayed(context, account_of(context, session), address, action.displayed)
        if refusal is not None:
            return refusal
    if action.marked:
        _note_read(context, session, room, occupant, action.marked)
    if action.marks_only and len(context.occupants.of(room.room_id)) > ROOM_STATE_AUDIENCE_MAX:
        return _DONE
    if action.origin_id and messages.remember_origin(context, session, *origin) is None:
        return _DONE
    if is_paced:
        pace.note_turn(context, occupant)
    speaker = f"{showing.address_of(context, room.name)}/{occupant.nick}"
    stanza = markup.with_child(
        markup.sent_from(action.stanza, speaker), markup.occupant_id_element(room.secret, occupant.jid)
    )
    if timer_s and not action.timer_s:
        stanza = markup.with_child(stanza, ephemeral.ephemeral_element(timer_s))
    if action.is_subject:
        context.rooms.put(room.name, room._replace(subject=stanza, subject_ms=context.time_ms))
    retracted = _NOWHERE
    if action.retracts and moderation.retract_own(context, room, occupant, action.retracts, action.message_id):
        retracted = action.retracts
    kept = action.kept and settings.archived
    publish(context, room, stanza, occupant, kept=kept, timer_s=timer_s, retracted=retracted)
    if kept and not action.is_subject:
        tell_away(context, room, occupant, stanza)
    return _DONE


def _note_read(context: Context, session: Session, room: Room, reader: Occupant, position: Position) -> None:
    """Remember how far an occupant says that it has read, and tell the numbers whose messages those may be."""
    before = note_read_in_room(context, session, room, position)
    if before is not None and before < position:
        tell_read(context, room, reader.jid, before, position)


def whisper(context: Context, session: Session, action: WhisperInRoom) -> Outcome:
    """Say something to one occupant (section 7.5)."""
    found = find_inside(context, session, action.room)
    if isinstance(found, Rejected):
        return found
    room, occupant = found
    settings = room_settings.decode(room.settings)
    needed = _ROLE_FOR_WHISPER.get(settings.private_messages)
    if needed is None or occupant.role < needed:
        return Rejected("forbidden", "auth", "You may not write to single occupants of this room.")
    recipients = context.occupants.named(room.room_id, action.nick)
    if not recipients:
        return Rejected("item-not-found", "cancel", "Nobody of this name is in the room.")
    match block_between(context, room, occupant, recipients[-1]):
        case RoomBlock.SENDER:
            return BLOCKED_BY_SENDER
        case RoomBlock.RECIPIENT:
            return _UNAVAILABLE
        case RoomBlock.UNSEEN:
            return _DONE
        case RoomBlock.NOBODY:
            pass
    address = showing.address_of(context, room.name)
    added = _USER + markup.occupant_id_element(room.secret, occupant.jid)
    stanza = markup.with_child(markup.sent_from(action.stanza, f"{address}/{occupant.nick}"), added)
    speaker = f"{address}/{occupant.nick}"
    timer_s = _shorter(action.timer_s, settings.message_timer_s)
    if timer_s and not action.timer_s:
        stanza = markup.with_child(stanza, ephemeral.ephemeral_element(timer_s))
    return _DONE if _hand_over(context, recipients, stanza, speaker, timer_s, added) else _UNAVAILABLE


def _shorter(own_s: int, room_s: int) -> int:
    """Return after how many seconds a message disappears: its sender may be stricter than the room, not laxer."""
    return min(own_s, room_s) if own_s and room_s else own_s or room_s


def _hand_over(
    context: Context, recipients: list[Occupant], stanza: bytes, speaker: str, timer_s: int, added: bytes
) -> bool:
    """Give a message to the sessions of one occupant; False if one is not there."""
    position = context.position
    holders = 0
    for recipient in recipients:
        session = context.sessions.get(recipient.session_id)
        if session is None:
            return False
        if session.managed:
            if len(context.inboxes.of(session.session_id)) >= INBOX_MESSAGE_COUNT_MAX:
                context.outbox.append(SessionOverdue(session.session_id))
                continue
            context.inboxes.add(Owed(session.session_id, position, 0, position))
            holders += 1
        context.events.append(MessageArrived(session.node_id, session.session_id, position, stanza, "", None))
    if holders:
        context.messages.insert(
            position, StoredMessage(position, context.time_ms, context.address_id(speaker), "", "", holders, stanza)
        )
        if timer_s:
            ephemeral.begin(context, timer_s, added)
    return True


def request_voice(context: Context, session: Session, action: RequestVoice) -> Outcome:
    """Ask the moderators for voice (section 7.13)."""
    found = find_inside(context, session, action.room)
    if isinstance(found, Rejected):
        return found
    room, occupant = found
    if not room_settings.decode(room.settings).voice_requests:
        return Rejected("forbidden", "auth", "This room takes no requests for voice.")
    if occupant.role != Role.VISITOR:
        return Rejected("not-allowed", "cancel", "You have voice already.")
    moderators = [
        other.session_id for other in context.occupants.of(room.room_id).values() if other.role == Role.MODERATOR
    ]
    address = showing.address_of(context, room.name)
    full_jid = f"{occupant.jid}/{occupant.resource}"
    for node_id, session_ids in context.occupants.grouped(moderators):
        context.events.append(VoiceRequested(node_id, session_ids, address, full_jid, occupant.nick))
    return _DONE
