"""What is said of nodes and items: in events and in answers."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from raftline.base.ids import NodeId, SessionId
from raftline.machine.pubsub.commands import Capabilities


class NodeConfig(msgspec.Struct, frozen=True):
    """
    All fields of a node's configuration, by the names of commands.NodeOptions, with their defaults.

    The defaults are those of XEP-0163 section 5: contacts see the node, and its one item is sent to who comes.
    """

    access_model: str = "presence"
    persist_items: bool = True
    max_items: int = 1
    send_last_published_item: str = "on_sub_and_presence"
    deliver_notifications: bool = True
    deliver_payloads: bool = True
    notify_retract: bool = True
    notify_delete: bool = True
    notify_config: bool = False
    notification_type: str = "headline"
    roster_groups_allowed: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    type: str = ""
    item_expire: int = 0


class Notification(NamedTuple):
    """
    A change at a node, the same for all who are told.

    Attributes:
        owner: Bare JID of the account.
        kind: `item`, `retract`, `purge`, `delete` or `configuration`.
        item_id: Of an item; empty when there is none.
        payload: Its element, as in commands.Publish; empty when there is none, or none is delivered.
        message_type: Type of the message.
        delayed_ms: Cluster time of the change, where it is told late; None for at once.
        config: Of a changed configuration that is told along with it.
    """

    owner: str
    node: str
    kind: str
    item_id: str
    payload: bytes
    message_type: str
    delayed_ms: int | None = None
    config: NodeConfig | None = None


class NodeNotified(NamedTuple):
    """One session is told of a change at a node (XEP-0060 section 7.1.2)."""

    node_id: NodeId
    session_id: SessionId
    notification: Notification


class CapabilitiesUnknown(NamedTuple):
    """Nobody knows what the capabilities of this session stand for; its client is to be asked."""

    node_id: NodeId
    session_id: SessionId
    capabilities: Capabilities


class NodeItem(NamedTuple):
    """An item; `time_ms` is cluster time."""

    item_id: str
    payload: bytes
    time_ms: int


class NodeItems(NamedTuple):
    """
    Items of a node, the oldest first.

    Attributes:
        total: How many the node has.
        offset: How many the node has before the first of these.
    """

    items: list[NodeItem]
    total: int
    offset: int = 0


class NodeDetails(NamedTuple):
    """A node; `affiliations` and `subscriptions` (by JID) are empty for whoever is not its owner."""

    node: str
    config: NodeConfig
    created_ms: int
    affiliations: tuple[tuple[str, str], ...] = ()
    subscriptions: tuple[str, ...] = ()


class NodeSubscription(NamedTuple):
    """A subscription by name."""

    node: str
    jid: str
