"""Pinned messages, an extension of our own (docs/pins.md), over machine/pins: pin, unpin, ask which are, be told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.ids import format_stanza_id
from raftline.base.timestamps import format_timestamp
from raftline.machine.context import ROOMS_LABEL
from raftline.machine.outcomes import Rejected
from raftline.machine.pins.commands import PinMessage
from raftline.machine.pins.events import PinTold, PinView
from raftline.machine.pins.queries import PinsOf
from raftline.xmpp.effects import Ask
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import HINTS_NAMESPACE, propose_or_refuse
from raftline.xmpp.places import partner_of, position_of, room_of
from raftline.xmpp.stanza import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

PINS_NAMESPACE: Final = "urn:raftline:pins:0"


def register(modules: Modules) -> None:
    """Take requests at rooms and at accounts, render news; the host of rooms must be there."""
    host = modules.hosts[ROOMS_LABEL]
    for kind, name, handler in (
        ("set", "pin", partial(handle_pin, name="pin")),
        ("set", "unpin", partial(handle_pin, name="unpin")),
        ("get", "pins", handle_pins),
    ):
        host.on_iq("entity", kind, PINS_NAMESPACE, name, handler)
        modules.on_iq("account", kind, PINS_NAMESPACE, name, handler)
    modules.extensions.append(PINS_NAMESPACE)
    modules.on_event(PinTold, render_told)


def handle_pin(context: StreamContext, stanza: Stanza, name: str) -> Steps:
    """
    Pin a message, or take its pin away.

    Raises:
        Refused: `item-not-found` for an id that is none, `jid-malformed` without a contact; else as
            `machine.pins.commands.PinMessage` says.
    """
    request = stanza.element.child(name, PINS_NAMESPACE)
    assert request is not None, "dispatch found the payload by this name"
    room, partner = _place_of(context, stanza, request)
    position = position_of(context, request.get("id") or "")
    yield from propose_or_refuse(PinMessage(room, partner, position, name == "pin"))


def handle_pins(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return which messages of a conversation are pinned, in the order of their pins.

    Raises:
        Refused: `jid-malformed` without a contact, `forbidden` to who takes no part in the conversation.
    """
    request = stanza.element.child("pins", PINS_NAMESPACE)
    assert request is not None, "dispatch found the payload by this name"
    assert context.session_id is not None, "only bound streams send stanzas"
    room, partner = _place_of(context, stanza, request)
    found: list[PinView] | Rejected = yield Ask(PinsOf(context.session_id, room, partner))
    if isinstance(found, Rejected):
        raise Refused(*found)
    pins: list[Element | str] = [
        Element(
            "pin",
            PINS_NAMESPACE,
            {"id": format_stanza_id(context.epochs, pin.position), "at": format_timestamp(pin.time_ms)},
        )
        for pin in found
    ]
    return Element("pins", PINS_NAMESPACE, None, pins)


def render_told(context: StreamContext, event: PinTold) -> bytes:
    """Write news: from the room, or from the user's own account of a chat."""
    attributes = {
        "from": event.address if event.is_room else str(context.jid.bare),
        "to": str(context.jid),
        "type": "groupchat" if event.is_room else "headline",
        "id": context.new_id(),
    }
    named = {"id": format_stanza_id(context.epochs, event.position)}
    if not event.is_room:
        named["with"] = event.address
    change = Element("pinned" if event.is_pinned else "unpinned", PINS_NAMESPACE, named)
    hint = Element("no-store", HINTS_NAMESPACE)
    return Element("message", CLIENT_NAMESPACE, attributes, [change, hint]).to_bytes()


def _place_of(context: StreamContext, stanza: Stanza, request: Element) -> tuple[str, str]:
    """Return the local parts of the room and of the contact that are meant; one of them is empty."""
    room = room_of(context, stanza)
    return room, "" if room else partner_of(context, request).partition("@")[0]
