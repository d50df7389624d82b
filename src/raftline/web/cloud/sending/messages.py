"""
`POST /P/messages`: a number sends a message, or says that one was read.

The way of a message: who is meant, and may it reach them; what it says (composing.py); under which key (keys.py); one
command; the answer with the id that later events name it by. A text to somebody who is known costs four look-ups in
memory and the command.

Whoever is not there and whoever has blocked the number look the same, as on any other way (XEP-0191 section 3.3).
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from raftline.base.cloud_limits import OPAQUE_LENGTH_MAX
from raftline.machine.business.commands import SendFromNumber
from raftline.machine.business.ids import parse_group_id
from raftline.machine.business.values import Identity
from raftline.machine.message_commands import MessageKind, SendMessage
from raftline.machine.queries import Block, BlockBetween
from raftline.web.cloud.access import MESSAGING
from raftline.web.cloud.addressing import find_identity, person_of
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import Code, GraphError, missing, wrong
from raftline.web.cloud.sending.answers import PRODUCT, sent_reply
from raftline.web.cloud.sending.composing import answered_by, compose
from raftline.web.cloud.sending.drafts import bounded, seal
from raftline.web.cloud.sending.groups import group_reacted_to, send_to_group
from raftline.web.cloud.sending.keys import (
    blocked_by_number,
    key_of,
    message_id_of,
    require_same,
    send_once,
    sent_by,
)
from raftline.web.cloud.sending.reading import note_read
from raftline.web.cloud.sending.requests import MessageRequest

_RECIPIENT_TYPES: Final = frozenset({None, "individual", "group"})


async def post_message(call: Call) -> Response:
    """Send a message, or note that one was read."""
    request = await call.json(MessageRequest)
    if request.messaging_product != PRODUCT:
        raise wrong("messaging_product", f"is not {PRODUCT}")
    if not call.number.number.is_registered:
        raise GraphError(Code.NOT_REGISTERED, "The number is not registered; register it to send again.")
    if request.status is not None:
        return await note_read(call, request)
    written = written_recipient(request)
    # Clients take any name that is neither a number nor a BSUID for that of a group, so its type tells nothing.
    room = parse_group_id(written) or await group_reacted_to(call, request)
    if room is not None:
        return await send_to_group(call, request, written, room)
    return await _send_to_person(call, request, written)


def written_recipient(request: MessageRequest) -> str:
    """
    Return who a message is for, as the program wrote it.

    Raises:
        GraphError: 131008 for nobody, 131009 for a type of recipient that there is not, or an identity that is wanted.
    """
    if request.recipient_type not in _RECIPIENT_TYPES:
        raise wrong("recipient_type", "is neither individual nor group")
    if request.recipient_identity_key_hash:
        # A message that is to go to nobody else may not go though nothing was compared.
        raise wrong("recipient_identity_key_hash", "cannot be compared with anything here")
    written = request.recipient if request.to is None else str(request.to)
    if not written:
        raise missing("to")
    return written


async def _send_to_person(call: Call, request: MessageRequest, written: str) -> Response:
    node, number = call.node, call.number.number
    identity = await find_identity(node, written)
    key = await key_of(call)
    if key.earlier is not None and identity is not None:
        sent = sent_by(key.earlier)
        require_same(sent, key)
        return sent_reply(call, request, person_of(identity).as_contact(written), sent)
    person = await _reachable(call, identity)
    sender, peer = f"{number.localpart}@{node.domain}", f"{person.localpart}@{node.domain}"
    draft = await compose(call, request, peer)
    message_id = message_id_of(key.key)
    sealed = seal(
        draft,
        MessageKind.CHAT,
        sender,
        peer,
        message_id,
        name=number.verified_name,
        answered=None if request.context is None else await answered_by(call, request, peer),
    )
    message = SendMessage(person.localpart, None, MessageKind.CHAT, sealed.storage, sealed.stanza, "", b"")
    action = SendFromNumber(
        number.localpart,
        message,
        message_id if draft.is_message else "",
        bounded(request.biz_opaque_callback_data, "biz_opaque_callback_data", OPAQUE_LENGTH_MAX),
        key.fingerprint,
        draft.prompt,
    )
    sent = await send_once(call, key.key, action)
    require_same(sent, key)
    return sent_reply(call, request, person_of(person).as_contact(written), sent)


async def _reachable(call: Call, identity: Identity | None) -> Identity:
    """
    Return a person whom the number may write to.

    Raises:
        GraphError: 131021 for the number itself, 131026 for who is not there or has blocked the number, or whom the
            number has blocked.
    """
    node, number = call.node, call.number.number
    if identity is not None:
        if identity.account_id == number.account_id:
            raise GraphError(Code.RECIPIENT_IS_SENDER, "A number cannot write to itself.")
        sender, peer = f"{number.localpart}@{node.domain}", f"{identity.localpart}@{node.domain}"
        block = await node.ask(BlockBetween(sender, peer))
        if block is Block.USER:
            raise blocked_by_number()
        if block is Block.NOBODY:
            return identity
    raise GraphError(Code.UNDELIVERABLE, "There is nobody here of this name who takes messages of this number.")


ENDPOINTS: Final = (Endpoint("POST", Subject.NUMBER, ("messages",), post_message, MESSAGING),)
