"""
Bookmarks between the two forms that clients speak: items of a node (XEP-0402), a list in private storage (XEP-0048).

They are kept once, as items (machine/pubsub/bookmarks.py). Of a list that is stored, each conference becomes an item,
under the room's bare JID; what XEP-0048 cannot say, the extensions of a bookmark, is carried over from the item that is
there. Whatever is no conference with an address stays in private storage, and joins the conferences when the list is
asked for. So do conferences that were stored there by a release that did not convert. As long as there is no item, they
are read as items too, and the first item that is published takes them along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE, STORAGE
from raftline.machine.pubsub.commands import Bookmark, StoreBookmarks
from raftline.machine.pubsub.queries import ItemsOf
from raftline.machine.pubsub.values import NodeItems
from raftline.machine.queries import PrivateOf
from raftline.xmpp.effects import Ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.payloads import propose_or_refuse, stored_element

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext

_OLD: Final = STORAGE[0]


def is_storage(element: Element) -> bool:
    """Whether an element of private storage is the list of bookmarks."""
    return (element.namespace, element.name) == STORAGE


def read_storage(context: StreamContext) -> Steps:
    """Return the list of bookmarks in the older form (XEP-0402 section 5.4.1)."""
    items = yield from _items(context)
    data: bytes | None = yield Ask(PrivateOf(context.jid.local, *STORAGE))
    storage = Element(STORAGE[1], _OLD)
    if data is not None:
        storage.children += [child for child in stored_element(data).children if _room_of(child) not in items]
    storage.children += [_to_old(room, stored_element(payload)) for room, payload in items.items()]
    return storage


def write_storage(context: StreamContext, storage: Element) -> Steps:
    """
    Replace all bookmarks by a list in the older form (XEP-0402 section 5.4.2); what did not change stays as it is.

    Raises:
        Refused: From apply, for too many or too large ones.
    """
    items = yield from _items(context)
    bookmarks: dict[str, bytes] = {}
    rest = Element(STORAGE[1], _OLD)
    for child in storage.elements():
        room = _room_of(child)
        if not room:
            rest.children.append(child)
            continue
        kept = items.get(room)
        known = None if kept is None else stored_element(kept)
        if kept is not None and known is not None and _to_old(room, known) == _to_old(room, _to_new(child, known)):
            bookmarks[room] = kept
        else:
            bookmarks[room] = _to_new(child, known).to_bytes("")
    entries = tuple(Bookmark(room, payload) for room, payload in bookmarks.items())
    yield from propose_or_refuse(StoreBookmarks(entries, rest.to_bytes("")))


def read_unconverted(context: StreamContext) -> Steps:
    """
    Return bookmarks that lie in private storage and were never converted, as items, and what else lies there.

    Returns: Payloads by room, and the element without these conferences; nothing once there is a node.
    """
    found: NodeItems | Rejected = yield Ask(_all_items(context))
    data: bytes | None = yield Ask(PrivateOf(context.jid.local, *STORAGE))
    if isinstance(found, NodeItems) or data is None:
        return {}, b""
    items: dict[str, bytes] = {}
    rest = Element(STORAGE[1], _OLD)
    for child in stored_element(data).elements():
        room = _room_of(child)
        if room:
            items[room] = _to_new(child, None).to_bytes("")
        else:
            rest.children.append(child)
    return items, rest.to_bytes("")


def first_bookmark(context: StreamContext, room: str, payload: bytes) -> Steps:
    """Return the command that publishes a bookmark with those that were never converted; None if there are none."""
    items, rest = yield from read_unconverted(context)
    if not items:
        return None
    items[room] = payload
    return StoreBookmarks(tuple(Bookmark(name, found) for name, found in items.items()), rest, first=room)


def _all_items(context: StreamContext) -> ItemsOf:
    return ItemsOf(context.jid.local, str(context.jid.bare), BOOKMARKS_NODE)


def _items(context: StreamContext) -> Steps:
    """Return the payloads of all items by room."""
    found: NodeItems | Rejected = yield Ask(_all_items(context))
    if isinstance(found, Rejected):
        return {}
    if len(found.items) < found.total:  # a list that lacks some would lose them when it is stored again
        raise Refused("resource-constraint", "cancel", "There are too many bookmarks for one list.")
    return {item.item_id: item.payload for item in found.items if item.payload}


def _room_of(child: Element | str) -> str:
    """Return the bare JID of a conference; empty for anything else."""
    if isinstance(child, str) or (child.namespace, child.name) != (_OLD, "conference"):
        return ""
    try:
        return str(parse_jid(child.attributes.get("jid", "")).bare)
    except ValueError:
        return ""


def _to_old(room: str, conference: Element) -> Element:
    attributes = {"jid": room, **{name: conference.attributes[name] for name in _shared_attributes(conference)}}
    return Element("conference", _OLD, attributes, _texts(conference, BOOKMARKS_NODE, _OLD))


def _to_new(conference: Element, known: Element | None) -> Element:
    attributes = {name: conference.attributes[name] for name in _shared_attributes(conference)}
    children = _texts(conference, _OLD, BOOKMARKS_NODE)
    extensions = None if known is None else known.child("extensions", BOOKMARKS_NODE)
    if extensions is not None:
        children.append(extensions)
    return Element("conference", BOOKMARKS_NODE, attributes, children)


def _shared_attributes(conference: Element) -> list[str]:
    return [name for name in ("name", "autojoin") if name in conference.attributes]


def _texts(conference: Element, of: str, to: str) -> list[Element | str]:
    """Return nick and password, in another namespace."""
    found = (conference.child(name, of) for name in ("nick", "password"))
    return [Element(child.name, to, None, [child.text]) for child in found if child is not None]
