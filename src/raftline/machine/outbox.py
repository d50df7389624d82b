"""
What one entity tells another.

A function of an account writes rows of that account alone. What concerns another account it puts into the outbox, and
what the other account does about it happens when the outbox is drained: today in the same transaction, right after the
command; once the state is sharded, on the shard of the other account, under the same position and time. So a message
carries all that its receiver needs to know of its sender, and an answer is a message as well.
"""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import AccountId, SessionId
from raftline.machine.business.group_handovers import GroupHandover
from raftline.machine.commands import SubscriptionKind
from raftline.machine.components.handovers import ComponentHandover
from raftline.machine.history.commands import Retraction
from raftline.machine.invites.handovers import InviteHandover
from raftline.machine.message_commands import MessageKind
from raftline.machine.pubsub import handovers as pubsub
from raftline.machine.rooms.handovers import RoomHandover


class MessageHandedOver(NamedTuple):
    """
    A message for `to_localpart`; the fields of SendMessage and who sent it.

    Attributes:
        sender: Bare JID of an account, or of somebody at a component.
        sender_resource: Empty for none.
        sender_id: The account, or the component.
        storage: As the sender's side has it when both are one account; else as it was sent.
        origin_digest: Under which the sender's side remembers the origin id, None if there is none.
    """

    to_localpart: str
    to_resource: str | None
    kind: MessageKind
    storage: int
    stanza: bytes
    sender: str
    sender_resource: str
    sender_id: AccountId
    session_id: SessionId
    origin_digest: int | None
    retraction: Retraction | None = None


class MessageReturned(NamedTuple):
    """A message could not be delivered; the session of its sender, a bare JID, is told."""

    to: str
    session_id: SessionId
    stanza: bytes
    condition: str
    kind: str
    origin_digest: int | None


class PresenceHandedOver(NamedTuple):
    """
    Presence of a contact for all available sessions of `to_localpart`.

    Attributes:
        from_jid: The contact's bare JID.
        stanza: None when `full_jid` went away without a farewell.
        checked: Whether the receiver's roster must say that it is subscribed; not so for the last presence that
            accompanies the end of a subscription.
        resource: The one resource that is shown it; None for all.
        hidden: Resources that are not, because the contact has blocked them (XEP-0191).
    """

    to_localpart: str
    from_jid: str
    full_jid: str
    stanza: bytes | None
    checked: bool = True
    resource: str | None = None
    hidden: frozenset[str] = frozenset()


class PresenceProbed(NamedTuple):
    """A session of `from_localpart` became available and wants the presence of `to_localpart`."""

    to_localpart: str
    from_localpart: str
    from_resource: str
    session_id: SessionId


class PresenceAnswered(NamedTuple):
    """Presence of a contact's session, `full_jid`, for the one session that probed."""

    to_localpart: str
    session_id: SessionId
    full_jid: str
    stanza: bytes


class SubscriptionHandedOver(NamedTuple):
    """
    A contact manages its subscription with `to_localpart`.

    Attributes:
        from_jid: The contact's bare JID.
        stanza: What the contact's client sent; None when the server acts for it.
        invite: Digest of the token of an invitation that the contact shows; empty for none.
    """

    to_localpart: str
    kind: SubscriptionKind
    from_jid: str
    stanza: bytes | None
    invite: bytes = b""


class SessionOverdue(NamedTuple):
    """A session that waits to be resumed has no room for a message of its account: it ends."""

    session_id: SessionId


Handover = (
    MessageHandedOver
    | SessionOverdue
    | MessageReturned
    | PresenceHandedOver
    | PresenceProbed
    | PresenceAnswered
    | SubscriptionHandedOver
    | pubsub.NotificationHandedOver
    | pubsub.LastItemsAsked
    | pubsub.LastItemsOffered
    | pubsub.LastItemAnswered
    | pubsub.SubscriberGone
    | ComponentHandover
    | RoomHandover
    | InviteHandover
    | GroupHandover
)
