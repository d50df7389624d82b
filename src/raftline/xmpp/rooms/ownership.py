"""What owners do to a room: configure, destroy, give it a picture (XEP-0045 section 10, XEP-0486)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from raftline.base.errors import Refused
from raftline.machine.rooms.commands import ConfigureRoom, DestroyRoom, SetRoomVcard
from raftline.machine.rooms.queries import RoomVcardOf
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.views import RoomView
from raftline.xmpp.avatars import VCARD_NAMESPACE
from raftline.xmpp.effects import Ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.payloads import FORM_NAMESPACE, parse_form, propose_or_refuse, stored_element
from raftline.xmpp.rooms.forms import CONFIG_FORM, changed_settings, config_form
from raftline.xmpp.rooms.names import OWNER_NAMESPACE, address, view_of

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the configuration form (sections 10.1.3, 10.2).

    Raises:
        Refused: `forbidden` to others than owners.
    """
    view: RoomView = yield from view_of(context, stanza)
    _require_owner(view)
    form = config_form(str(address(stanza).bare), view.settings)
    return Element("query", OWNER_NAMESPACE, None, [form])


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Configure or destroy a room; an empty form makes an instant room (section 10.1.2).

    Raises:
        Refused: `forbidden` to others than owners, `not-acceptable` for settings that cannot be, `bad-request` for what
            is neither a form nor the end of the room.
    """
    view: RoomView = yield from view_of(context, stanza)
    _require_owner(view)
    query = stanza.element.child("query", OWNER_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    room = address(stanza).local
    ending = query.child("destroy", OWNER_NAMESPACE)
    form = query.child("x", FORM_NAMESPACE)
    if ending is not None:
        yield from propose_or_refuse(_destruction(room, ending))
    elif form is None:
        raise Refused("bad-request", "modify", "Submit the form, or destroy the room.")
    elif form.get("type") == "cancel":
        yield from propose_or_refuse(DestroyRoom(room, is_cancelled=True))
    else:
        has_fields = any(child.name == "field" for child in form.elements())
        submitted = parse_form(query, CONFIG_FORM) if has_fields else {}
        settings = changed_settings(view.settings, submitted or {})
        yield from propose_or_refuse(ConfigureRoom(room, settings))


def handle_vcard_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return a room's card to everyone who may know that the room is there (XEP-0486 section 3.4).

    Raises:
        Refused: `item-not-found` when it has none.
    """
    yield from view_of(context, stanza)
    data: bytes | None = yield Ask(RoomVcardOf(address(stanza).local))
    if data is None:
        raise Refused("item-not-found", "cancel", "The room has no card.")
    return stored_element(data)


def handle_vcard_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Replace a room's card; an empty one takes it away (XEP-0486 section 3.2).

    Raises:
        Refused: `forbidden` to others than owners, `bad-request` for a picture that is no Base64; from apply:
            `not-acceptable` when it is too large.
    """
    view: RoomView = yield from view_of(context, stanza)
    _require_owner(view)
    card = stanza.element.child("vCard", VCARD_NAMESPACE)
    assert card is not None, "dispatch found the payload by this name"
    is_empty = not list(card.elements())
    data = b"" if is_empty else card.to_bytes("")
    yield from propose_or_refuse(SetRoomVcard(address(stanza).local, data, _picture_hash(card)))


def _picture_hash(card: Element) -> str:
    """Return the SHA-1 of the picture in a card, by which clients know it (XEP-0153); empty for none."""
    photo = card.child("PHOTO", VCARD_NAMESPACE)
    data = None if photo is None else photo.child("BINVAL", VCARD_NAMESPACE)
    if data is None:
        return ""
    try:
        picture = base64.b64decode("".join(data.text.split()), validate=True)
    except binascii.Error as error:
        raise Refused("bad-request", "modify", "The picture is no Base64.") from error
    return hashlib.sha1(picture, usedforsecurity=False).hexdigest()


def _require_owner(view: RoomView) -> None:
    if view.affiliation != Affiliation.OWNER:
        raise Refused("forbidden", "auth", "The owners of the room alone may do this.")


def _destruction(room: str, ending: Element) -> DestroyRoom:
    reason = ending.child("reason", OWNER_NAMESPACE)
    password = ending.child("password", OWNER_NAMESPACE)
    try:
        alternate = str(parse_jid(ending.get("jid") or "").bare) if ending.get("jid") else ""
    except ValueError as error:
        raise Refused("jid-malformed", "modify", "The other room has no such address.") from error
    return DestroyRoom(
        room,
        reason="" if reason is None else reason.text,
        alternate=alternate,
        password="" if password is None else password.text,
    )
