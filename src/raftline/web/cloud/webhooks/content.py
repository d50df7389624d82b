"""
What a message says, as a webhook tells it: one type and its content. Pure: equal bytes give equal content.

    takes back, corrects, reacts      revoke, edit, reaction, with the message that is meant
    card, place, file                 contacts, location, image … document, sticker
    text                              text, without the part that quotes what it replies to (XEP-0428)
    anything else                     unsupported, with error 131051: what is encrypted, viewed once, or gone

What refers to a message that nobody knows (any more) cannot be told as what it is: a reaction or revocation is
unsupported then, and a correction the message that it is for itself.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from raftline.machine.business.ids import wamid
from raftline.web.cloud.webhooks.cards import contact_of, find_card
from raftline.web.cloud.webhooks.files import (
    STICKER_NAMESPACE,
    SharedFile,
    Uploads,
    media_content,
    shared_files,
)
from raftline.xmpp.reactions import REACTIONS_NAMESPACE
from raftline.xmpp.retraction import CORRECTION_NAMESPACE, RETRACTION_NAMESPACE

if TYPE_CHECKING:
    from raftline.base.ids import Epochs, Position
    from raftline.xmpp.element import Element

GEOLOC_NAMESPACE: Final = "http://jabber.org/protocol/geoloc"
FALLBACK_NAMESPACE: Final = "urn:xmpp:fallback:0"
REPLY_NAMESPACE: Final = "urn:xmpp:reply:0"
VIEW_ONCE_NAMESPACE: Final = "urn:raftline:view-once:0"

UNSUPPORTED_CODE: Final = 131051

_GEO: Final = re.compile(
    r"geo:(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)(?:,-?\d+(?:\.\d+)?)?(?:;\S*)?", re.IGNORECASE | re.ASCII
)

_SEALED: Final = {
    ("eu.siacs.conversations.axolotl", "encrypted"): "encrypted",
    ("urn:xmpp:omemo:1", "encrypted"): "encrypted",
    ("urn:xmpp:omemo:2", "encrypted"): "encrypted",
    ("urn:xmpp:openpgp:0", "openpgp"): "encrypted",
    ("jabber:x:encrypted", "x"): "encrypted",
    (VIEW_ONCE_NAMESPACE, "view-once"): "view_once",
    (RETRACTION_NAMESPACE, "retracted"): "revoked",
}
"""Payloads that a text beside them only stands in for."""

_DETAILS: Final = {
    "encrypted": "The message is encrypted end to end.",
    "view_once": "The message can be viewed once, on the number's devices.",
    "revoked": "The message was taken back.",
    "gone": "The message is not there any more.",
    "reference": "The message that it refers to is not known.",
    "unknown": "This kind of message is not supported.",
}


class Reference(NamedTuple):
    """
    What a message refers to.

    Attributes:
        epochs: Of stanza ids.
        target: Position of the message; 0 for none that is known.
    """

    epochs: Epochs
    target: Position

    @property
    def id(self) -> str:
        """The message's id as programs know it."""
        return wamid(self.epochs, self.target)


def content_of(message: Element, reference: Reference, domain: str, uploads: Uploads) -> dict[str, Any]:
    """
    Return type and content of a message.

    Args:
        domain: Of the service.
        uploads: What there is under the tokens of `files.tokens_of`.
    """
    if message.child("retract", RETRACTION_NAMESPACE) is not None:
        return {"type": "revoke", "revoke": {"original_message_id": reference.id}} if reference.target else _lost()
    reactions = message.child("reactions", REACTIONS_NAMESPACE)
    if reactions is not None:
        return _reaction(reactions, reference) if reference.target else _lost()
    said = _said(message, domain, uploads)
    if reference.target and message.child("replace", CORRECTION_NAMESPACE) is not None:
        return {"type": "edit", "edit": {"original_message_id": reference.id, "message": said}}
    return said


def unsupported(kind: str) -> dict[str, Any]:
    """Return the content of what cannot be told; `kind` is a key of `_DETAILS`."""
    title = "Message type is not supported"
    error = {
        "code": UNSUPPORTED_CODE,
        "title": title,
        "message": title,
        "error_data": {"details": _DETAILS[kind]},
    }
    return {"type": "unsupported", "errors": [error], "unsupported": {"type": kind}}


def replied_to(message: Element) -> str | None:
    """Return whose message a message replies to (XEP-0461), empty when it does not say; None for no reply."""
    reply = message.child("reply", REPLY_NAMESPACE)
    return None if reply is None else reply.get("to") or ""


def _lost() -> dict[str, Any]:
    return unsupported("reference")


def _said(message: Element, domain: str, uploads: Uploads) -> dict[str, Any]:
    """Return what a message says of itself."""
    for child in message.elements():
        sealed = _SEALED.get((child.namespace, child.name))
        if sealed is not None:
            return unsupported(sealed)
    card = find_card(message)
    if card is not None:
        return {"type": "contacts", "contacts": [contact_of(card, domain)]}
    text = _text_of(message)
    place = _place(message, text)
    if place is not None:
        return {"type": "location", "location": place}
    media = _media(message, text, uploads)
    if media is not None:
        return media
    return {"type": "text", "text": {"body": text}} if text else unsupported("unknown")


def _text_of(message: Element) -> str:
    """Return the body without what quotes the message that it replies to; positions count characters (XEP-0426)."""
    body = message.child("body", message.namespace)
    text = "" if body is None else body.text
    for fallback in message.elements():
        if fallback.name != "fallback" or fallback.namespace != FALLBACK_NAMESPACE:
            continue
        if fallback.get("for") != REPLY_NAMESPACE:
            continue
        part = fallback.child("body", FALLBACK_NAMESPACE)
        start, end = (_count(None if part is None else part.get(name)) for name in ("start", "end"))
        if start is not None and end is not None and start <= end <= len(text):
            return (text[:start] + text[end:]).strip()
    return text.strip()


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _reaction(reactions: Element, reference: Reference) -> dict[str, Any]:
    """Tell the last of somebody's reactions, for there is one at a time; none at all takes it away."""
    emojis = [child.text.strip() for child in reactions.elements() if child.name == "reaction"]
    emoji = next((text for text in reversed(emojis) if text), "")
    return {"type": "reaction", "reaction": {"message_id": reference.id, "emoji": emoji}}


def _place(message: Element, text: str) -> dict[str, Any] | None:
    """Read a place (XEP-0080), or an address of one as the whole text (RFC 5870)."""
    geoloc = message.child("geoloc", GEOLOC_NAMESPACE)
    if geoloc is None:
        match = _GEO.fullmatch(text)
        return None if match is None else _on_earth(match[1], match[2])

    def told(*names: str, joint: str = ", ") -> str:
        found = (geoloc.child(name, GEOLOC_NAMESPACE) for name in names)
        return joint.join(child.text.strip() for child in found if child is not None and child.text.strip())

    place = _on_earth(told("lat"), told("lon"))
    if place is None:
        return None
    more = {
        "name": told("description") or told("building"),
        "address": told("text") or told("street", "area", "postalcode", "locality", "region", "country"),
        "url": told("uri"),
    }
    return place | {key: value for key, value in more.items() if value}


def _on_earth(latitude: str, longitude: str) -> dict[str, Any] | None:
    try:
        north, east = float(latitude), float(longitude)
    except ValueError:
        return None
    if not (math.isfinite(north) and math.isfinite(east)) or abs(north) > 90 or abs(east) > 180:
        return None
    return {"latitude": north, "longitude": east}


def _media(message: Element, text: str, uploads: Uploads) -> dict[str, Any] | None:
    """Tell of the first file that was uploaded here; addresses of others go with its caption."""
    files = shared_files(message) or [SharedFile(text)]
    file = files[0]
    token = file.token
    upload = None if token is None else uploads.get(token)
    if token is None or upload is None or not upload.digest:
        return None
    addresses = [other.url for other in files]
    lines = [line for line in text.splitlines() if line.strip() not in addresses]
    caption = file.caption or "\n".join(lines).strip()
    caption = "\n".join(filter(None, [caption, *addresses[1:]]))
    is_sticker = message.child("sticker", STICKER_NAMESPACE) is not None
    return media_content(file._replace(caption=caption), token, upload, is_sticker=is_sticker)
