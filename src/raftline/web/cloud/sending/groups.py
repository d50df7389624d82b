"""
What numbers send to groups: every type of message, pins, and how far they have read.

A message to a group is a message of its room (docs/groups.md). Its answers and reactions name others by the ids that
the room gave them. A pin is none: people see it at once, and nobody is told of it by a status; it stays until it is
taken away, so that `expiration_days` counts for nothing.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from raftline.base.cloud_limits import OPAQUE_LENGTH_MAX
from raftline.base.errors import Refused
from raftline.base.ids import Position
from raftline.machine.business.group_commands import GroupAction, PinFromNumber, SpeakFromNumber
from raftline.machine.business.ids import group_id
from raftline.machine.business.values import KnownMessage, Sent
from raftline.machine.context import ROOMS_LABEL
from raftline.machine.message_commands import MessageKind
from raftline.machine.rooms.commands import SpeakInRoom
from raftline.web.cloud.call import Call
from raftline.web.cloud.errors import missing, wrong
from raftline.web.cloud.group_views import unknown_group
from raftline.web.cloud.sending.answers import sent_reply
from raftline.web.cloud.sending.composing import answered_by, compose, find_message, is_of_group, reference_to
from raftline.web.cloud.sending.drafts import COMMENT, bounded, element, seal
from raftline.web.cloud.sending.keys import draw_key, key_of, message_id_of, require_same, send_once, sent_by
from raftline.web.cloud.sending.requests import MessageRequest
from raftline.xmpp.stanza import parse_stanza

PIN: Final = "pin"
UNPIN: Final = "unpin"


async def send_to_group(call: Call, request: MessageRequest, written: str, room: str) -> Response:
    """
    Send a message to a group, or pin one there.

    Args:
        written: Id of the group, as the program wrote it.
        room: Local part of its room.

    Raises:
        GraphError: 131041 for a group that is not there or that the number is not in; as for messages to people.
        Refused: `forbidden` to who has no voice there, or may not pin.
    """
    key = await key_of(call)
    contact = {"input": written, "wa_id": written}
    if key.earlier is not None:
        sent = sent_by(key.earlier)
        require_same(sent, key)
        return sent_reply(call, request, contact, sent)
    if request.type == PIN:
        action: GroupAction = await _pin(call, request, room, key.fingerprint)
    else:
        action = await _speak(call, request, room, key.key, key.fingerprint)
    sent = await _send(call, key.key, action, written)
    require_same(sent, key)
    return sent_reply(call, request, contact, sent)


async def group_reacted_to(call: Call, request: MessageRequest) -> str | None:
    """
    Return the local part of the room whose message a request reacts to; None for any other request.

    Programs react to what was said in a group by way of its author; a reaction is where its message is.

    Raises:
        GraphError: 131009, there is no such message.
    """
    if request.reaction is None:
        return None
    known = await find_message(call, request.reaction.message_id, "reaction.message_id")
    return known.peer.partition("@")[0] if is_of_group(call, known) else None


async def note_read_in_group(call: Call, known: KnownMessage) -> None:
    """Tell a group that one of its messages, and all before it, were read (XEP-0333)."""
    key = draw_key(call)
    room = known.peer.partition("@")[0]
    named = reference_to(call, known, parse_stanza(known.stanza))
    marker = element("displayed", "urn:xmpp:chat-markers:0", id=named)
    stanza = f"<message type='groupchat' id='{message_id_of(key)}'>{marker}</message>"
    message = SpeakInRoom(
        room,
        stanza.encode(),
        is_subject=False,
        kept=True,
        origin_id="",
        fingerprint=b"",
        marked=known.position,
        marks_only=True,
    )
    await _send(call, key, SpeakFromNumber(call.number.number.localpart, message, ""), group_id(room))


async def _speak(call: Call, request: MessageRequest, room: str, key: bytes, fingerprint: bytes) -> SpeakFromNumber:
    number = call.number.number
    address = f"{room}@{ROOMS_LABEL}.{call.node.domain}"
    draft = await compose(call, request, address)
    answered = await answered_by(call, request, address)
    message_id = message_id_of(key)
    kind = MessageKind.GROUPCHAT
    sealed = seal(draft, kind, "", "", message_id, name=number.verified_name, answered=answered)
    message = SpeakInRoom(
        room,
        sealed.stanza,
        is_subject=False,
        kept=True,
        origin_id="",
        fingerprint=b"",
        reacts=draft.traits == COMMENT and not draft.body,
    )
    return SpeakFromNumber(
        number.localpart,
        message,
        message_id if draft.is_message else "",
        bounded(request.biz_opaque_callback_data, "biz_opaque_callback_data", OPAQUE_LENGTH_MAX),
        fingerprint,
        draft.prompt,
    )


async def _pin(call: Call, request: MessageRequest, room: str, fingerprint: bytes) -> PinFromNumber:
    pin = request.pin
    if pin is None:
        raise missing("pin")
    if pin.type not in {PIN, UNPIN}:
        raise wrong("pin.type", f"is neither {PIN} nor {UNPIN}")
    known = await find_message(call, pin.message_id, "pin.message_id")
    if known.peer != f"{room}@{ROOMS_LABEL}.{call.node.domain}":
        raise wrong("pin.message_id", "names a message of another conversation")
    position: Position = known.position
    return PinFromNumber(call.number.number.localpart, room, position, pin.type == PIN, fingerprint)


async def _send(call: Call, key: bytes, action: GroupAction, written: str) -> Sent:
    try:
        return await send_once(call, key, action)
    except Refused as error:
        if error.condition == "item-not-found":
            raise unknown_group(written) from error
        raise
