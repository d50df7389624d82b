"""Commands of personal eventing (XEP-0060, XEP-0163); all of machine version 3 and of a session."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.machine.tables import NATURAL


class Capabilities(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    What a client's presence says of its capabilities (XEP-0115 section 4).

    Attributes:
        algorithm: Name of the hash function; empty for the legacy form, which is no hash.
        version: The hash.
        node: Names the software.
    """

    algorithm: str
    version: str
    node: str


class NodeOptions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Some fields of a node's configuration (XEP-0060 section 16.4.4); None where nothing is said.

    Attributes:
        max_items: 0 for as many as the service allows.
        item_expire: Seconds after which an item goes; 0 for never.
    """

    access_model: str | None = None
    persist_items: bool | None = None
    max_items: Annotated[int, NATURAL] | None = None
    send_last_published_item: str | None = None
    deliver_notifications: bool | None = None
    deliver_payloads: bool | None = None
    notify_retract: bool | None = None
    notify_delete: bool | None = None
    notify_config: bool | None = None
    notification_type: str | None = None
    roster_groups_allowed: tuple[str, ...] | None = None
    title: str | None = None
    description: str | None = None
    type: str | None = None
    item_expire: Annotated[int, NATURAL] | None = None


class Publish(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=75):
    """
    Publish an item to a node of the own account, which is made if need be (XEP-0060 section 7.1).

    Attributes:
        item_id: Drawn by the server where the client gave none; empty when there is no item.
        payload: One XML element, for a place without a default namespace; empty for none.
        options: Preconditions, or the configuration of a node that is made (section 7.1.5); None for none.
        avatar: Of an item that announces an avatar (XEP-0084): the id of the picture, empty when it takes the avatar
            away; None for any other item.
    """

    node: str
    item_id: str
    payload: bytes
    options: NodeOptions | None = None
    avatar: str | None = None


class RetractItem(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=76):
    """Delete an item of the own account (XEP-0060 section 7.2); `notify` as the client asked."""

    node: str
    item_id: str
    notify: bool


class CreateNode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=77):
    """Make a node (XEP-0060 section 8.1). Refused with `conflict` when there is one of the name."""

    node: str
    options: NodeOptions | None = None


class ConfigureNode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=78):
    """Change the configuration of a node (XEP-0060 section 8.2)."""

    node: str
    options: NodeOptions


class DeleteNode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=79):
    """Delete a node with all that belongs to it (XEP-0060 section 8.4)."""

    node: str


class PurgeNode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=80):
    """Delete all items of a node (XEP-0060 section 8.5)."""

    node: str


class Affiliation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a bare JID stands to a node: `member`, `outcast` or `none` (XEP-0060 section 4.1)."""

    jid: str
    affiliation: str


class ChangeAffiliations(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=81):
    """Change affiliations with a node of the own account, all or none (XEP-0060 section 8.9.2)."""

    node: str
    affiliations: tuple[Affiliation, ...]


class ChangeNodeSubscription(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=82):
    """
    Subscribe to a node of any account, or unsubscribe (XEP-0060 sections 6.1, 6.2).

    Attributes:
        owner: The account, by name.
        jid: Who is subscribed: the user's own bare or full JID.
    """

    owner: str
    node: str
    jid: str
    subscribed: bool


class LearnCapabilities(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=83):
    """
    What the session's client answered when it was asked for its capabilities.

    Attributes:
        nodes: What it wants to hear of (XEP-0060 section 9.2), sorted, each once.
        verified: The hash is that of the answer, so the answer is everybody's who shows it (XEP-0115 section 5.4).
    """

    capabilities: Capabilities
    nodes: tuple[str, ...]
    verified: bool


class Photo(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    The picture of a card as an avatar (XEP-0398 section 3.2).

    Attributes:
        digest: SHA-1 of its bytes, in hexadecimal digits; empty for a card without a picture.
        data, metadata: Payloads of the two items that publish it, as in Publish.
        card: The card without the picture, which is kept as an avatar alone.
    """

    digest: str
    data: bytes
    metadata: bytes
    card: bytes


class Bookmark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A bookmark: the room's bare JID, and its element as in Publish."""

    room: str
    payload: bytes


class StoreBookmarks(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=84):
    """
    Replace all bookmarks of the account, as a client of the older form stores them (XEP-0402 section 5.4.2).

    Attributes:
        rest: What else the client stored in the element, as private storage keeps it (XEP-0049).
        first: Room of a bookmark that is published, and takes along a list of a release that did not convert. Where the
            node is there by then, another device was quicker, and this bookmark alone is published.
    """

    bookmarks: tuple[Bookmark, ...]
    rest: bytes
    first: str = ""


ACTIONS: Final = (
    Publish,
    RetractItem,
    CreateNode,
    ConfigureNode,
    DeleteNode,
    PurgeNode,
    ChangeAffiliations,
    ChangeNodeSubscription,
    LearnCapabilities,
    StoreBookmarks,
)
