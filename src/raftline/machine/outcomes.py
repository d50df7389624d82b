"""
What applying a command yields: an outcome for whoever proposed it, and events for sessions.

Both are values and the same on every node; a node keeps those events that name it. Events speak of the domain, not
of XML: the protocol floor renders them.
"""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import Cursor, NodeId, Position, SessionId
from raftline.machine.business.values import Created, Sent
from raftline.machine.components.events import PresenceForComponent
from raftline.machine.pins.events import PinTold
from raftline.machine.polls.events import PollTold
from raftline.machine.pubsub.values import CapabilitiesUnknown, NodeNotified
from raftline.machine.rooms.events import RoomEvent, RoomMessageArrived
from raftline.machine.view_once.events import SealedOpened


class Bound(NamedTuple):
    """Result of BindSession. `epoch` grows with each take-over of the session."""

    session_id: SessionId
    epoch: int


class Resumed(NamedTuple):
    """
    Result of ResumeSession.

    Attributes:
        epoch: The one that begins; commands of earlier ones are refused from here on.
        number: Stanza number of the session's last command.
        inbound_count: Stanzas handled without a gap, counted from the bind.
        inbound_base: Those among them before stream management was turned on.
    """

    session_id: SessionId
    epoch: int
    resource: str
    number: int
    inbound_count: int
    inbound_base: int


class Gone(NamedTuple):
    """Result of ResumeSession for a session that is over. `handled_count` is as the client counts."""

    handled_count: int


class LoggedIn(NamedTuple):
    """
    Result of LogIn.

    Attributes:
        bound, resumed: The session; at most one of them.
        gone: The session that was to be resumed is over.
        token_expires_ms: Cluster time at which the token that was issued will be too old; 0 when none was.
    """

    bound: Bound | None = None
    resumed: Resumed | None = None
    gone: Gone | None = None
    token_expires_ms: int = 0


class Invited(NamedTuple):
    """Result of InviteNode: the id that the new node is to have."""

    node_id: NodeId


class InviteIssued(NamedTuple):
    """Result of IssueInvite: the cluster time from which on the invitation is good for nothing."""

    expires_ms: int


class Done(NamedTuple):
    """The command took effect."""

    result: Bound | Resumed | Gone | LoggedIn | Invited | InviteIssued | Sent | Created | None = None


class Rejected(NamedTuple):
    """
    A rule said no, on every node alike.

    Attributes:
        condition: Stanza error condition (RFC 6120 section 8.3.3).
        kind: Stanza error type (RFC 6120 section 8.3.2).
        text: A sentence for people.
        detail: An application's own condition as `{namespace}name` (RFC 6120 section 8.3.4); empty for none.
    """

    condition: str
    kind: str
    text: str = ""
    detail: str = ""


class Repeated(NamedTuple):
    """The command was in the log before; it took effect there, not here."""


class Stale(NamedTuple):
    """The session's epoch is over, or a command before this one is missing: no effect."""


Outcome = Done | Rejected | Repeated | Stale


class RosterItem(NamedTuple):
    """
    One contact of a roster (RFC 6121 section 2.1).

    Attributes:
        subscription: `none`, `to`, `from`, `both`, or `remove` in a push.
        ask: A subscription request is pending (`ask='subscribe'`).
        approved: The contact's request will be granted without asking (section 3.4).
    """

    contact: str
    name: str
    subscription: str
    ask: bool
    groups: tuple[str, ...]
    approved: bool = False


class MessageArrived(NamedTuple):
    """
    A message for one session.

    Attributes:
        stanza: As in SendMessage; shared between all sessions that get it.
        position: Names the message; the stanza id of archived messages is made of it.
        owner: Bare JID whose archive the stanza id belongs to; empty when the message is not archived.
        delayed_ms: Cluster time at which a message was stored that comes late (XEP-0203); None for live ones.
        delivered: Position of the command that gave the message to the session; 0 stands for `position`.
    """

    node_id: NodeId
    session_id: SessionId
    position: Position
    stanza: bytes
    owner: str
    delayed_ms: int | None
    delivered: Position = Position(0)


class InboxWaiting(NamedTuple):
    """So much became deliverable at once that the session is to ask for it (queries.InboxPage)."""

    node_id: NodeId
    session_id: SessionId


class CarbonCopied(NamedTuple):
    """
    A copy of a message that another session of the account sent or got (XEP-0280).

    Attributes:
        stanza, position, owner, delayed_ms: As in MessageArrived, of the message that is copied.
        direction: `sent` or `received`.
        delivered: Position of the command that gave the copy to the session: `position` for a live one.
    """

    node_id: NodeId
    session_id: SessionId
    position: Position
    stanza: bytes
    direction: str
    owner: str
    delivered: Position
    delayed_ms: int | None = None


class PresenceArrived(NamedTuple):
    """A presence stanza for one session, complete but for `to`."""

    node_id: NodeId
    session_id: SessionId
    stanza: bytes


class ContactUnavailable(NamedTuple):
    """A contact's resource went away without a farewell: render `<presence type='unavailable' from='…'/>`."""

    node_id: NodeId
    session_id: SessionId
    full_jid: str


class SubscriptionChanged(NamedTuple):
    """
    The server itself manages a subscription for a contact: render `<presence type='…' from='…' to='…'/>`.

    Attributes:
        kind: `subscribe`, `subscribed`, `unsubscribe` or `unsubscribed`.
    """

    node_id: NodeId
    session_id: SessionId
    kind: str
    from_jid: str
    to_jid: str


class RosterPushed(NamedTuple):
    """A roster item changed (RFC 6121 section 2.1.6). `version` is the roster's after the change."""

    node_id: NodeId
    session_id: SessionId
    item: RosterItem
    version: int


class BlocklistChanged(NamedTuple):
    """
    Addresses were blocked or unblocked (XEP-0191 section 3.3).

    Attributes:
        kind: `block` or `unblock`.
        addresses: Empty when all were unblocked.
    """

    node_id: NodeId
    session_id: SessionId
    kind: str
    addresses: tuple[str, ...]


class MessageBounced(NamedTuple):
    """A message of this session could not be delivered: render its error (RFC 6120 section 8.3)."""

    node_id: NodeId
    session_id: SessionId
    stanza: bytes
    condition: str
    kind: str


class SessionEnded(NamedTuple):
    """
    The session is over; its stream ends.

    Attributes:
        reason: Stream error condition (RFC 6120 section 4.9.3): `conflict`, `not-authorized` (account deleted),
            `reset` (its node was declared dead); empty when the stream itself asked for it.
    """

    node_id: NodeId
    session_id: SessionId
    reason: str


class SessionReleased(NamedTuple):
    """
    This node no longer holds the session, which lives on; the stream ends.

    Attributes:
        epoch: Under which it was held.
        reason: Stream error condition: `conflict` when it was taken over, `reset` when this node was declared dead.
    """

    node_id: NodeId
    session_id: SessionId
    epoch: int
    reason: str


Event = (
    MessageArrived
    | InboxWaiting
    | CarbonCopied
    | PresenceArrived
    | ContactUnavailable
    | SubscriptionChanged
    | RosterPushed
    | BlocklistChanged
    | MessageBounced
    | NodeNotified
    | CapabilitiesUnknown
    | SessionEnded
    | SessionReleased
    | RoomEvent
    | PresenceForComponent
    | PollTold
    | PinTold
    | SealedOpened
)

Delivery = MessageArrived | CarbonCopied | RoomMessageArrived
"""What a session acknowledges by its cursor."""


def cursor_of(event: Delivery) -> Cursor:
    """Return the place of a delivery in the order of its session."""
    return Cursor(event.delivered or event.position, event.position)


class CommandResult(NamedTuple):
    """
    What one command of an applied entry yielded.

    `node_id`, `incarnation` and `ticket` name the proposal. `events` is in the order of their causes.
    """

    node_id: NodeId
    incarnation: int
    ticket: int
    position: Position
    outcome: Outcome
    events: list[Event]
