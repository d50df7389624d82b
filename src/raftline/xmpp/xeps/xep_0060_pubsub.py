"""
XEP-0060 Publish-Subscribe, as far as accounts are services of their own (XEP-0163).

The parts are in the package pubsub: requests of anyone, requests of owners, discovery, notifications. What a request
comes to is decided by apply (machine/pubsub).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.machine.pubsub.values import NodeNotified
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import RSM_NAMESPACE
from raftline.xmpp.pubsub import discovery, owner, requests
from raftline.xmpp.pubsub.events import render_notification
from raftline.xmpp.pubsub.vocabulary import OWNER_NAMESPACE, PUBSUB_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

_FEATURES: Final = (
    "access-open",
    "access-presence",
    "access-roster",
    "access-whitelist",
    "auto-create",
    "config-node",
    "config-node-max",
    "create-and-configure",
    "create-nodes",
    "delete-items",
    "delete-nodes",
    "instant-nodes",
    "item-ids",
    "last-published",
    "member-affiliation",
    "meta-data",
    "modify-affiliations",
    "multi-items",
    "outcast-affiliation",
    "persistent-items",
    "publish",
    "publish-options",
    "purge-nodes",
    "retract-items",
    "retrieve-default",
    "retrieve-items",
    "retrieve-subscriptions",
    "subscribe",
)
"""Names of section 10."""


def register(modules: Modules) -> None:
    """Handle requests, answer discovery for nodes, and write notifications."""
    features = tuple(f"{PUBSUB_NAMESPACE}#{name}" for name in _FEATURES)
    modules.declare(
        Declaration(
            number=60,
            title="Publish-Subscribe",
            version="1.30.0",
            status="partial",
            account_features=(PUBSUB_NAMESPACE, RSM_NAMESPACE, *features),
            note="Nodes of accounts alone, whose owner alone publishes; no authorize, no subscription options.",
        )
    )
    modules.on_iq("account", "get", PUBSUB_NAMESPACE, "pubsub", requests.handle_get)
    modules.on_iq("account", "set", PUBSUB_NAMESPACE, "pubsub", requests.handle_set)
    modules.on_iq("account", "get", OWNER_NAMESPACE, "pubsub", owner.handle_get)
    modules.on_iq("account", "set", OWNER_NAMESPACE, "pubsub", owner.handle_set)
    modules.on_event(NodeNotified, render_notification)
    modules.account_node_info = discovery.handle_node_info
    modules.account_items = discovery.handle_items
