"""All of personal eventing in lists, as apply.py and answers.py take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.machine.context import Context
from raftline.machine.outcomes import Outcome
from raftline.machine.pubsub import answers, bookmarks, capabilities, items, nodes, notifications, subscribers
from raftline.machine.pubsub.commands import (
    ChangeAffiliations,
    ChangeNodeSubscription,
    ConfigureNode,
    CreateNode,
    DeleteNode,
    LearnCapabilities,
    Publish,
    PurgeNode,
    RetractItem,
    StoreBookmarks,
)
from raftline.machine.pubsub.handovers import (
    LastItemAnswered,
    LastItemsAsked,
    LastItemsOffered,
    NotificationHandedOver,
    SubscriberGone,
)
from raftline.machine.pubsub.queries import AvatarDigestOf, ItemsOf, NodeOf, NodesOf, NodeSubscriptionsOf
from raftline.machine.queries import Answer, Query
from raftline.machine.records import Session


def _learn_capabilities(context: Context, session: Session, action: LearnCapabilities) -> Outcome:
    """Take note, then ask for the last items of what the session did not hear of before."""
    outcome, gained = capabilities.learn_capabilities(context, session, action)
    notifications.ask_for_last_items(context, session, gained)
    return outcome


SESSION_HANDLERS: Final[Mapping[type, Callable[[Context, Session, Any], Outcome]]] = MappingProxyType(
    {
        Publish: items.publish,
        RetractItem: items.retract,
        CreateNode: nodes.create_node,
        ConfigureNode: nodes.configure_node,
        DeleteNode: nodes.delete_node,
        PurgeNode: nodes.purge_node,
        ChangeAffiliations: nodes.change_affiliations,
        ChangeNodeSubscription: subscribers.change_subscription,
        LearnCapabilities: _learn_capabilities,
        StoreBookmarks: bookmarks.store_bookmarks,
    }
)

RECEIVERS: Final[Mapping[type, Callable[[Context, Any], None]]] = MappingProxyType(
    {
        NotificationHandedOver: notifications.receive_notification,
        LastItemsAsked: notifications.answer_last_items,
        LastItemsOffered: notifications.receive_offer,
        LastItemAnswered: notifications.receive_last_item,
        SubscriberGone: subscribers.receive_gone,
    }
)

ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {
        ItemsOf: answers.items_of,
        NodesOf: answers.nodes_of,
        NodeOf: answers.node_of,
        NodeSubscriptionsOf: answers.node_subscriptions_of,
        AvatarDigestOf: answers.avatar_digest_of,
    }
)
