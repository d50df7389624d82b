"""Events of a number as the state hands them out, and what programs make of their POSTs."""

from __future__ import annotations

from typing import Any

import msgspec

from raftline.base.ids import AccountId, Epochs, Position
from raftline.machine.business.tables import (
    Business,
    BusinessEvent,
    EventKind,
    EventState,
    MessageStatus,
    Number,
)
from raftline.machine.business.values import Choice, EventView, NumberView, Option, StatusDetail
from raftline.machine.media.values import UploadView
from raftline.web.cloud.webhooks.files import Uploads
from raftline.web.cloud.webhooks.rendering import Service, render

DOMAIN = "example.org"
SERVICE = Service(Epochs(1), DOMAIN)
NUMBER = NumberView(
    Number(AccountId(7), 7, 3, "15550001111", "Coffee", b"{}", 0, 0, 1, 1_000), Business(3, "Coffee Ltd", 1_000)
)
TOKEN = bytes(range(16))
URL = f"https://one.example.org/upload/{TOKEN.hex()}/cat.jpg"
UPLOAD = UploadView("cat.jpg", 4_000, "image/jpeg", 0, b"\x01" * 32, False, AccountId(42))
TIME_MS = 1_697_043_223_456


def stanza(content: str, *, sender: str = "15551234567@example.org", message_id: str = "m1") -> bytes:
    """Return a message to the number, as archives keep it."""
    head = f"<message from='{sender}' to='15550001111@example.org' type='chat' id='{message_id}'>"
    return f"{head}{content}</message>".encode()


def event_of(
    position: int = 1_000,
    *,
    kind: EventKind = EventKind.MESSAGE,
    peer: str = "15551234567@example.org",
    app_id: int = 5,
    ordinal: int = 0,
    room: str = "",
    message: int = 0,
    target: int = 0,
    detail: bytes = b"",
    name: str = "Ann",
    account_id: int = 42,
) -> BusinessEvent:
    """Return an event."""
    return BusinessEvent(
        Position(position),
        ordinal,
        app_id,
        7,
        peer,
        room,
        int(kind),
        int(EventState.WAITING),
        Position(message or position),
        Position(target),
        name,
        detail,
        TIME_MS,
        TIME_MS + 1_000,
        AccountId(account_id),
    )


def said(content: str, *, uploads: Uploads | None = None, **fields: Any) -> dict[str, Any]:
    """Return the value of the webhook for a message."""
    view = EventView(event_of(**fields), stanza(content), TIME_MS)
    return value_of(render(view, NUMBER, SERVICE, uploads or {}))


def answered(kind: int, option: Option, **fields: Any) -> bytes:
    """Return the webhook for an answer."""
    detail = msgspec.msgpack.encode(Choice(kind, option))
    event = event_of(kind=EventKind.ANSWER, detail=detail, **fields)
    return render(EventView(event, None, 0), NUMBER, SERVICE, {})


def status(status: MessageStatus, *, opaque: str = "", error: int = 0, text: str = "", **fields: Any) -> bytes:
    """Return the webhook for a status."""
    detail = msgspec.msgpack.encode(StatusDetail(int(status), opaque, error, text))
    event = event_of(kind=EventKind.STATUS, detail=detail, **fields)
    return render(EventView(event, None, 0), NUMBER, SERVICE, {})


def value_of(body: bytes) -> dict[str, Any]:
    """Return the value that a POST has, after a look at what is around it."""
    decoded = msgspec.json.decode(body)
    assert decoded["object"] == "whatsapp_business_account"
    (entry,) = decoded["entry"]
    assert entry["id"] == "200000000000003"
    (change,) = entry["changes"]
    assert change["field"] == "messages"
    value: dict[str, Any] = change["value"]
    assert value["messaging_product"] == "whatsapp"
    assert value["metadata"] == {"display_phone_number": "15550001111", "phone_number_id": "300000000000007"}
    return value
