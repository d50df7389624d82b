"""
What the devices of a user have settled on about their conversations: pinned, archived, muted (docs/conversations.md).

It is kept in items of the account's own nodes, so clients change it as they change any item, and hear of it as of any.
Of a room it stands among the extensions of its bookmark (XEP-0402): `<pinned/>` of XEP-0469, `<notify/>` of XEP-0492,
`<archived/>` of our own. Of a contact, for whom no XEP has a place, the same elements stand in an item of a node of our
own, whose id is the contact's bare JID.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE
from raftline.machine.pubsub.queries import ItemsOf
from raftline.machine.pubsub.values import NodeItems
from raftline.xmpp.effects import Ask, Effect
from raftline.xmpp.payloads import stored_element

if TYPE_CHECKING:
    from raftline.xmpp.element import Element
    from raftline.xmpp.module import StreamContext

NAMESPACE: Final = "urn:raftline:conversations:0"
"""Of the node, and of what no XEP has."""

PINNING_NAMESPACE: Final = "urn:xmpp:bookmarks-pinning:0"
NOTIFY_NAMESPACE: Final = "urn:xmpp:notification-settings:1"
_LEVELS: Final = frozenset({"always", "on-mention", "never"})


class Settings(NamedTuple):
    """
    Of one conversation.

    Attributes:
        muted: It is to alert nobody, as far as no kind of client is named (XEP-0492 section 3).
    """

    pinned: bool = False
    archived: bool = False
    muted: bool = False


def settings_of(context: StreamContext, jids: list[str]) -> Generator[Effect, Any, dict[str, Settings]]:
    """Return the settings of conversations with bare JIDs."""
    settings = dict.fromkeys(jids, Settings())
    rooms = [jid for jid in jids if jid.partition("@")[2] != context.domain]
    contacts = [jid for jid in jids if jid.partition("@")[2] == context.domain]
    for jid, payload in (yield from _items(context, BOOKMARKS_NODE, rooms)):
        extensions = payload.child("extensions", BOOKMARKS_NODE)
        if extensions is not None:
            settings[jid] = read_settings(extensions)
    for jid, payload in (yield from _items(context, NAMESPACE, contacts)):
        if (payload.name, payload.namespace) == ("conversation", NAMESPACE):
            settings[jid] = read_settings(payload)
    return settings


def read_settings(parent: Element) -> Settings:
    """Read what an element says of the conversation it belongs to; what it does not know is somebody else's."""
    notify = parent.child("notify", NOTIFY_NAMESPACE)
    levels = [] if notify is None else [child for child in notify.elements() if child.namespace == NOTIFY_NAMESPACE]
    general = [child.name for child in levels if child.name in _LEVELS and child.get("identity-category") is None]
    return Settings(
        pinned=parent.child("pinned", PINNING_NAMESPACE) is not None,
        archived=parent.child("archived", NAMESPACE) is not None,
        muted=general[:1] == ["never"],
    )


def _items(context: StreamContext, node: str, item_ids: list[str]) -> Generator[Effect, Any, list[tuple[str, Element]]]:
    """Return those that exist of some items of the user's; an answer may be cut short, so it is asked for the rest."""
    owner = str(context.jid.bare)
    found: list[tuple[str, Element]] = []
    rest = item_ids
    while rest:
        answer: NodeItems | Rejected = yield Ask(ItemsOf(context.jid.local, owner, node, tuple(rest)))
        if isinstance(answer, Rejected) or not answer.items:
            break
        found += [(item.item_id, stored_element(item.payload)) for item in answer.items]
        rest = rest[rest.index(answer.items[-1].item_id) + 1 :]
    return found
