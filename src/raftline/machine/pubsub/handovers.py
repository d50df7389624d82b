"""What one account tells another of its nodes (see machine/outbox.py)."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import SessionId
from raftline.machine.pubsub.values import Notification


class NotificationHandedOver(NamedTuple):
    """
    Something changed at a node, and `to_localpart` may know.

    Attributes:
        from_localpart: The owner.
        by_presence: It is told because it sees the owner's presence: to sessions that want to hear of the node.
        subscribed: Resources that subscribed by name; an empty one stands for a bare JID.
        hidden: Resources that are not told, because the owner has blocked them (XEP-0191).
    """

    to_localpart: str
    from_localpart: str
    notification: Notification
    by_presence: bool
    subscribed: tuple[str, ...]
    hidden: frozenset[str] = frozenset()


class LastItemsAsked(NamedTuple):
    """A session of `from_localpart` is there, or wants to hear of more nodes: what is the last item of each?"""

    to_localpart: str
    from_localpart: str
    from_resource: str
    session_id: SessionId
    nodes: frozenset[str]


class LastItemsOffered(NamedTuple):
    """`from_localpart` lets `to_localpart` see its presence from now on, and so its nodes."""

    to_localpart: str
    from_localpart: str


class LastItemAnswered(NamedTuple):
    """The last item of a node, for the one session that asked."""

    to_localpart: str
    from_full_jid: str
    session_id: SessionId
    notification: Notification


class SubscriberGone(NamedTuple):
    """There is no such account any more; its subscriptions at `to_localpart` end."""

    to_localpart: str
    contact: str
