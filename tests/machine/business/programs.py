"""A business in a world: what operators and programs do, and what programs would be told."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from machine.world import DOMAIN, Client, World
from raftline.base.ids import Position
from raftline.machine.business.commands import CreateBusiness, Prompt, SendFromNumber, SettleEvents
from raftline.machine.business.queries import NumberAt, WaitingEvents
from raftline.machine.business.tables import BusinessEvent, EventKind, MessageStatus, Number, PromptKind
from raftline.machine.business.values import Choice, Created, EventView, NumberView, Option, StatusDetail
from raftline.machine.commands import KeyOrigin
from raftline.machine.message_commands import MessageKind, SendMessage, Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import CommandResult, Done
from raftline.machine.versions import VERSION_MAX

DIGITS = "15550001111"
JID = f"{DIGITS}@{DOMAIN}"
URL = "http://127.0.0.1:9/hook"
KEPT = int(Storage.ARCHIVE | Storage.OFFLINE)


def create(name: str = "Shop", localpart: str = DIGITS, **changes: Any) -> CreateBusiness:
    """Return the command that creates a business with a callback."""
    fields: dict[str, Any] = {
        "name": name,
        "localpart": localpart,
        "secret": b"s" * 16,
        "token": hashlib.sha256(localpart.encode()).digest(),
        "scopes": "whatsapp_business_messaging",
        "actor": "admin",
        "url": URL,
        "verify_token": "verify",
    }
    return CreateBusiness(**{**fields, **changes})


def open_business(world: World, **changes: Any) -> Created:
    """Agree on the latest version and create a business."""
    world.do(RaiseVersion(VERSION_MAX))
    outcome = world.do(create(**changes)).outcome
    assert isinstance(outcome, Done), outcome
    assert isinstance(outcome.result, Created)
    return outcome.result


def number(world: World, localpart: str = DIGITS) -> Number:
    view = world.machine.answer(NumberAt(localpart))
    assert isinstance(view, NumberView)
    return view.number


def command(to: str, body: str = "hello", message_id: str = "m1", **changes: Any) -> SendFromNumber:
    """Return the command by which the number sends a text."""
    own = {name: changes.pop(name) for name in ("opaque", "fingerprint", "prompt", "localpart") if name in changes}
    stanza = f"<message from='{JID}' to='{to}@{DOMAIN}' type='chat' id='{message_id}'><body>{body}</body></message>"
    message = SendMessage(
        **{
            "to_localpart": to,
            "to_resource": None,
            "kind": MessageKind.CHAT,
            "storage": KEPT,
            "stanza": stanza.encode(),
            "origin_id": "",
            "fingerprint": b"",
            **changes,
        }
    )
    return SendFromNumber(**{"localpart": DIGITS, "message": message, "message_id": message_id, **own})


def send(world: World, to: str, body: str = "hello", message_id: str = "m1", **changes: Any) -> CommandResult:
    """Let the number send a text; `key` makes it happen once."""
    key = changes.pop("key", None)
    return world.do(command(to, body, message_id, **changes), None if key is None else KeyOrigin(key))


def ask(world: World, to: str, *titles: str, kind: int = 1, message_id: str = "q1", storage: int = KEPT) -> Position:
    """Let the number ask a person to choose, as the Cloud API writes it; options have ids `id-TITLE`."""
    options = tuple(Option(f"id-{title}", title) for title in titles)
    head = f"<message from='{JID}' to='{to}@{DOMAIN}' type='chat' id='{message_id}'><body>Well?</body>"
    stanza = f"{head}{interactive(kind, options)}</message>".encode()
    prompt = Prompt(kind, options)
    return send(world, to, message_id=message_id, prompt=prompt, stanza=stanza, storage=storage).position


def interactive(kind: int, options: tuple[Option, ...]) -> str:
    """Write a question as our own element (docs/business.md)."""
    names = {PromptKind.BUTTONS: "button", PromptKind.LIST: "list", PromptKind.QUICK_REPLIES: "template"}
    name = names[PromptKind(kind)]
    tag = "row" if name == "list" else "button"
    written = "".join(f"<{tag} id='{option.option_id}' title='{option.title}'/>" for option in options)
    if name == "list":
        written = f"<button>Menu</button><section title='All'>{written}</section>"
    return f"<interactive xmlns='urn:raftline:business:0' type='{name}'><body>Well?</body>{written}</interactive>"


def waiting(world: World) -> list[BusinessEvent]:
    """Return the events that wait, in order."""
    found = world.machine.answer(WaitingEvents(limit=1000))
    assert isinstance(found, list)
    return [view.event for view in found if isinstance(view, EventView)]


def settle_all(world: World) -> list[BusinessEvent]:
    """Let receivers take what waits; return it."""
    events = waiting(world)
    assert world.do(SettleEvents(tuple((event.position, event.ordinal) for event in events))).outcome == Done()
    return events


def statuses(events: list[BusinessEvent]) -> list[tuple[str, Position]]:
    """Return the statuses among events, and whose they are."""
    return [
        (MessageStatus(status_of(event).status).name, event.message)
        for event in events
        if event.kind == EventKind.STATUS
    ]


def status_of(event: BusinessEvent) -> StatusDetail:
    return msgspec.msgpack.decode(event.detail, type=StatusDetail)


def choice_of(event: BusinessEvent) -> Choice:
    return msgspec.msgpack.decode(event.detail, type=Choice)


def write(client: Client, content: str = "<body>hi</body>", *, message_id: str = "c1", **changes: Any) -> CommandResult:
    """Let a person send something to the number."""
    stanza = f"<message from='{client.full_jid}' to='{JID}' type='chat' id='{message_id}'>{content}</message>".encode()
    return client.send(DIGITS, **{"stanza": stanza, **changes})
