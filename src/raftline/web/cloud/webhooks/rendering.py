"""
An event of the outbox as the bytes of its POST, in the shape of the Cloud API's webhooks. Pure.

Equal events give equal bytes, on every node and at every try, since receivers tell repetitions by the bytes. So all
that goes in is in the log: the event's row, the message, what the uploads are that it names, and what never changes of
a number. What changes the bytes after all is that the message itself went meanwhile: it was taken back, or its file was
deleted.

One event is one POST: clients read the first message or status alone. Each has a contact with a `user_id`, without
which they drop it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from raftline.base.ids import Epochs
from raftline.machine.business.ids import GraphKind, graph_id, group_id, wamid
from raftline.machine.business.tables import EventKind, MessageStatus, PromptKind
from raftline.machine.business.values import Choice, Identity, StatusDetail
from raftline.web.cloud.addressing import bsuid_of, wa_id_of
from raftline.web.cloud.errors import GraphError
from raftline.web.cloud.webhooks.content import Reference, content_of, replied_to, unsupported
from raftline.web.cloud.webhooks.group_news import group_news
from raftline.xmpp.stanza import parse_stanza

if TYPE_CHECKING:
    from raftline.machine.business.tables import BusinessEvent
    from raftline.machine.business.values import EventView, NumberView
    from raftline.web.cloud.webhooks.files import Uploads
    from raftline.xmpp.element import Element

_CONVERSATION_MS: Final = 24 * 60 * 60 * 1000
"""For how long a conversation goes on after the last message, as the Cloud API has it; here nothing depends on it."""

_STATUS_NAMES: Final = {
    MessageStatus.SENT: "sent",
    MessageStatus.DELIVERED: "delivered",
    MessageStatus.READ: "read",
    MessageStatus.PLAYED: "played",
    MessageStatus.FAILED: "failed",
}

_PRICING: Final = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}


class Service(NamedTuple):
    """
    What is the same for all events.

    Attributes:
        epochs, domain: As `door.Node` has them.
    """

    epochs: Epochs
    domain: str


class _Person(NamedTuple):
    """
    The other side of an event.

    Attributes:
        address: What a program writes to: the number, or the BSUID; of who has no account here, the JID.
        wa_id: Digits; empty for somebody who is not called by a number.
        user_id: BSUID; of who has no account here, one that names nobody.
        name: What they are called.
    """

    address: str
    wa_id: str
    user_id: str
    name: str

    def contact(self) -> dict[str, Any]:
        """Write them as one of `contacts`."""
        contact: dict[str, Any] = {"profile": {"name": self.name}}
        if self.wa_id:
            contact["wa_id"] = self.wa_id
        return contact | {"user_id": self.user_id}


def render(view: EventView, number: NumberView, service: Service, uploads: Uploads) -> bytes:
    """
    Write an event.

    Args:
        number: That the event concerns.
        uploads: Of the message, by token (files.tokens_of); what is not there was never uploaded here, or has gone.
    """
    event = view.event
    if event.kind == EventKind.GROUP:
        field, news = group_news(event)
        return _posted(number, field, {"groups": [news]})
    person = _person(view, service.domain)
    told: dict[str, Any]
    if event.kind == EventKind.STATUS:
        told = {"statuses": [_status(event, person, number, service)]}
    else:
        told = {"messages": [_message(view, person, number, service, uploads)]}
    return _posted(number, "messages", {"contacts": [person.contact()], **told})


def _posted(number: NumberView, field: str, told: dict[str, Any]) -> bytes:
    """Write the body of a POST for a field, with what is told there."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.number.localpart,
            "phone_number_id": graph_id(GraphKind.NUMBER, number.number.number_id),
        },
        **told,
    }
    entry = {
        "id": graph_id(GraphKind.BUSINESS, number.number.business_id),
        "changes": [{"value": value, "field": field}],
    }
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})


def _person(view: EventView, domain: str) -> _Person:
    localpart, _, host = view.event.peer.partition("@")
    name = view.event.name or localpart
    user_id = bsuid_of(Identity(localpart, view.event.peer_account, name))
    if host != domain:
        return _Person(view.event.peer, "", user_id, name)
    wa_id = wa_id_of(localpart)
    return _Person(wa_id or user_id, wa_id, user_id, name)


def _message(
    view: EventView, person: _Person, number: NumberView, service: Service, uploads: Uploads
) -> dict[str, Any]:
    """Write what somebody said, or chose."""
    event = view.event
    element = None if view.stanza is None else parse_stanza(view.stanza).element
    reference = Reference(service.epochs, event.target)
    message: dict[str, Any] = {"from": person.address, "from_user_id": person.user_id}
    if event.room:
        message["group_id"] = group_id(event.room)
    message |= {"id": wamid(service.epochs, event.message), "timestamp": _seconds(event.time_ms)}
    if event.kind == EventKind.ANSWER:
        choice = msgspec.msgpack.decode(event.detail, type=Choice)
        asked = {"from": number.number.localpart, "id": reference.id}
        return message | {"context": asked} | _choice(choice)
    if element is None:
        return message | unsupported("gone")
    content = content_of(element, reference, service.domain, uploads)
    context = _context(element, content["type"], person, number, reference)
    if context is not None:
        message["context"] = context
    return message | content


def _context(
    message: Element, kind: str, person: _Person, number: NumberView, reference: Reference
) -> dict[str, str] | None:
    """Tell which message is replied to; and whose it is, where the reply names one of the two."""
    author = replied_to(message)
    if author is None or not reference.target or kind in {"revoke", "reaction", "edit"}:
        return None
    localpart = author.partition("/")[0].partition("@")[0]
    context = {"id": reference.id}
    if localpart == number.number.localpart:
        return {"from": localpart, **context}
    return {"from": person.address, **context} if localpart and localpart == person.wa_id else context


def _choice(choice: Choice) -> dict[str, Any]:
    option = choice.option
    if choice.kind == PromptKind.QUICK_REPLIES:
        return {"type": "button", "button": {"payload": option.option_id, "text": option.title}}
    chosen = {"id": option.option_id, "title": option.title}
    if choice.kind == PromptKind.BUTTONS:
        return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": chosen}}
    if option.description:
        chosen["description"] = option.description
    return {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": chosen}}


def _status(event: BusinessEvent, person: _Person, number: NumberView, service: Service) -> dict[str, Any]:
    """Write how far a message of the number has come."""
    detail = msgspec.msgpack.decode(event.detail, type=StatusDetail)
    status: dict[str, Any] = {
        "id": wamid(service.epochs, event.message),
        "status": _STATUS_NAMES[MessageStatus(detail.status)],
        "timestamp": _seconds(event.time_ms),
    }
    if event.room:
        status |= {
            "recipient_type": "group",
            "recipient_id": group_id(event.room),
            "recipient_participant_id": person.address,
            "recipient_participant_user_id": person.user_id,
        }
    else:
        status |= {"recipient_id": person.address, "recipient_user_id": person.user_id}
    if detail.opaque:
        status["biz_opaque_callback_data"] = detail.opaque
    if detail.status == MessageStatus.FAILED:
        return status | {"errors": [_error(detail)]}
    conversation: dict[str, Any] = {
        "id": _conversation_id(number.number.number_id, event.room or event.peer),
        "origin": {"type": "service"},
    }
    if detail.status == MessageStatus.SENT:
        conversation["expiration_timestamp"] = _seconds(event.time_ms + _CONVERSATION_MS)
    return status | {"conversation": conversation, "pricing": _PRICING}


def _error(detail: StatusDetail) -> dict[str, Any]:
    error = GraphError(detail.error, detail.text)
    return {
        "code": detail.error,
        "title": error.title,
        "message": error.title,
        "error_data": {"details": detail.text or error.title},
    }


def _conversation_id(number_id: int, other: str) -> str:
    return blake2b(f"{number_id} {other}".encode(), digest_size=16).hexdigest()


def _seconds(time_ms: int) -> str:
    return str(time_ms // 1000)
