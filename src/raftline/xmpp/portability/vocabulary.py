"""Names of XEP-0227, and the kinds of pieces that a user's data consist of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PIE_NAMESPACE: Final = "urn:xmpp:pie:0"
SCRAM_NAMESPACE: Final = "urn:xmpp:pie:0#scram"
ARCHIVE_NAMESPACE: Final = "urn:xmpp:pie:0#mam"
PUBSUB_NAMESPACE: Final = "http://jabber.org/protocol/pubsub"
PUBSUB_OWNER_NAMESPACE: Final = "http://jabber.org/protocol/pubsub#owner"
XINCLUDE_NAMESPACE: Final = "http://www.w3.org/2001/XInclude"

CLIENT: Final = "jabber:client"
MAM: Final = "urn:xmpp:mam:2"
ROSTER: Final = "jabber:iq:roster"
PRIVATE: Final = "jabber:iq:private"
VCARD: Final = "vcard-temp"
BLOCKING: Final = "urn:xmpp:blocking"

CREDENTIALS: Final = "credentials"

CONTAINERS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        (ROSTER, "query"): "contact",
        (PRIVATE, "query"): "private",
        (BLOCKING, "blocklist"): "blocked",
        (PIE_NAMESPACE, "offline-messages"): "offline",
        (ARCHIVE_NAMESPACE, "archive"): "archived",
        (PUBSUB_OWNER_NAMESPACE, "pubsub"): "node",
        (PUBSUB_NAMESPACE, "pubsub"): "items",
    }
)
"""Children of a user whose own children are pieces, by namespace and name; and of which kind those are."""

SINGLES: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        (SCRAM_NAMESPACE, "scram-credentials"): CREDENTIALS,
        (VCARD, "vCard"): "card",
        (CLIENT, "presence"): "request",
    }
)
"""Children of a user that are pieces themselves."""

ITEMS: Final = "items"
"""Kind of a container inside a container: items of one node, each of them a piece of kind `ITEM`."""
ITEM: Final = "item"

FIRST_KINDS: Final = frozenset({"node"})
"""What has to be there before anything else: who may read a node must be settled before it has items."""
