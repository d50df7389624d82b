"""
Avatars between the two forms that clients speak: items of two nodes (XEP-0084), and the picture of a card (XEP-0153).

The picture is kept once, as items. A card that comes with one is taken apart, a card that is asked for is given the
one that its reader may see (XEP-0398 sections 3 and 6.2); presence that goes to somebody is given its hash.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from hashlib import sha1
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub.avatars import DATA_NODE, METADATA_NODE
from raftline.machine.pubsub.commands import Photo
from raftline.machine.pubsub.photos import PHOTO_NAMESPACE, add_photo
from raftline.machine.pubsub.queries import AvatarDigestOf, ItemsOf
from raftline.machine.pubsub.values import NodeItems
from raftline.xmpp.effects import Ask, ask
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import stored_element

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext

VCARD_NAMESPACE: Final = "vcard-temp"

_TYPES: Final = ("image/gif", "image/jpeg", "image/png")
_MAGIC: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
_SPACE: Final = re.compile(r"\s+", re.ASCII)


class _Picture(NamedTuple):
    media_type: str
    data: bytes


# Items


def announced_digest(item: Element) -> str:
    """
    Return the id of the picture that an item of the metadata node announces; empty when it announces none.

    Of several, that of the picture which is at the data node (XEP-0084 section 4.2).
    """
    info = _local_info(item.child("metadata", METADATA_NODE))
    return "" if info is None else info.attributes.get("id", "").lower()


def _local_info(metadata: Element | None) -> Element | None:
    if metadata is None:
        return None
    found = (child for child in metadata.elements() if child.name == "info" and child.namespace == METADATA_NODE)
    return next((info for info in found if info.get("url") is None), None)


# Cards


def take_photo(card: Element) -> Photo | None:
    """
    Take the picture out of a card that its owner sets, as items that publish it; None to keep the card as it is.

    That is so without a picture, which says nothing, and with one that cannot be read. An empty one takes the avatar
    away (XEP-0153 section 4.3).
    """
    photo = card.child("PHOTO", VCARD_NAMESPACE)
    binary = None if photo is None else photo.child("BINVAL", VCARD_NAMESPACE)
    if photo is None or binary is None:
        return None
    rest = _without_photo(card).to_bytes("")
    picture = _read_picture(photo, binary.text)
    if picture is None:
        return None
    if not picture.data:
        return Photo("", b"", Element("metadata", METADATA_NODE).to_bytes(""), rest)
    digest = sha1(picture.data, usedforsecurity=False).hexdigest()
    data = Element("data", DATA_NODE, None, [b64encode(picture.data).decode()])
    attributes = {"bytes": str(len(picture.data)), "id": digest, "type": picture.media_type}
    info = Element("info", METADATA_NODE, attributes)
    return Photo(digest, data.to_bytes(""), Element("metadata", METADATA_NODE, None, [info]).to_bytes(""), rest)


def give_photo(context: StreamContext, owner: str, card: Element | None) -> Steps:
    """Return a card with the picture that its owner announces, if the user may see it; None if there is neither."""
    digest: str = yield from ask(AvatarDigestOf(owner), str)
    if not digest:
        return card
    picture = yield from _find_picture(context, owner, digest)
    found = Element("vCard", VCARD_NAMESPACE) if card is None else _without_photo(card)
    if picture is None:
        return None if card is None else found
    content: list[Element | str] = [
        Element("TYPE", VCARD_NAMESPACE, None, [picture.media_type]),
        Element("BINVAL", VCARD_NAMESPACE, None, [b64encode(picture.data).decode()]),
    ]
    found.children.append(Element("PHOTO", VCARD_NAMESPACE, None, content))
    return found


def _find_picture(context: StreamContext, owner: str, digest: str) -> Steps:
    """Return what is at the two nodes; None if it is not there, not the user's to see, or not what its id says."""
    reader = str(context.jid.bare)
    announced: NodeItems | Rejected = yield Ask(ItemsOf(owner, reader, METADATA_NODE, limit=1))
    kept: NodeItems | Rejected = yield Ask(ItemsOf(owner, reader, DATA_NODE, (digest,)))
    if isinstance(announced, Rejected) or isinstance(kept, Rejected) or not announced.items or not kept.items:
        return None
    info = _local_info(stored_element(announced.items[0].payload))
    data = _decode(stored_element(kept.items[0].payload).text)
    if info is None or data is None or sha1(data, usedforsecurity=False).hexdigest() != digest:
        return None
    return _Picture(_media_type(data, info.attributes.get("type", "")), data)


def _read_picture(photo: Element, text: str) -> _Picture | None:
    data = _decode(text)
    if data is None:
        return None
    kind = photo.child("TYPE", VCARD_NAMESPACE)
    return _Picture(_media_type(data, "" if kind is None else kind.text.strip()), data)


def _decode(text: str) -> bytes | None:
    """Decode base64 with white space anywhere (XEP-0153 section 4.6); None if it is none."""
    try:
        return b64decode(_SPACE.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        return None


def _media_type(data: bytes, claimed: str) -> str:
    """Tell the type by the first bytes; what is claimed counts where these say nothing (XEP-0153 section 5)."""
    seen = next((kind for magic, kind in _MAGIC if data.startswith(magic)), "")
    return seen or (claimed if claimed.startswith("image/") else _TYPES[-1])


def _without_photo(card: Element) -> Element:
    children = [
        child
        for child in card.children
        if isinstance(child, str) or child.name != "PHOTO" or child.namespace != VCARD_NAMESPACE
    ]
    return Element(card.name, card.namespace, card.attributes, children)


# Presence


def is_empty_update(child: Element) -> bool:
    """Whether a child of presence is an update without a picture, which the server writes anew (XEP-0398 section 4)."""
    return child.namespace == PHOTO_NAMESPACE and child.name == "x" and child.child("photo", PHOTO_NAMESPACE) is None


def with_photo(context: StreamContext, presence: bytes) -> Steps:
    """Return available presence with the hash of the user's picture, unless it speaks of one itself."""
    digest: str = yield from ask(AvatarDigestOf(context.jid.local), str)
    return add_photo(presence, digest)
