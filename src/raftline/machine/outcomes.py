"""
What applying a command yields: an outcome for whoever proposed it, and events for sessions.

Both are values and the same on every node; a node keeps those events that name it. Events speak of the domain, not
of XML: the protocol floor renders them.
"""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import NodeId, Position, SessionId


class Bound(NamedTuple):
    """Result of BindSession. `epoch` grows with each take-over of the session."""

    session_id: SessionId
    epoch: int


class Done(NamedTuple):
    """The command took effect."""

    result: Bound | None = None


class Rejected(NamedTuple):
    """
    A rule said no, on every node alike.

    Attributes:
        condition: Stanza error condition (RFC 6120 section 8.3.3).
        kind: Stanza error type (RFC 6120 section 8.3.2).
        text: A sentence for people.
    """

    condition: str
    kind: str
    text: str = ""


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
    """

    contact: str
    name: str
    subscription: str
    ask: bool
    groups: tuple[str, ...]


class MessageArrived(NamedTuple):
    """
    A message for one session.

    Attributes:
        stanza: As in SendMessage; shared between all sessions that get it.
        position: Names the message; the stanza id of archived messages is made of it.
        owner: Bare JID whose archive the stanza id belongs to; empty when the message is not archived.
        delayed_ms: Cluster time at which a message was stored that comes late (XEP-0203); None for live ones.
    """

    node_id: NodeId
    session_id: SessionId
    position: Position
    stanza: bytes
    owner: str
    delayed_ms: int | None


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


Event = (
    MessageArrived
    | PresenceArrived
    | ContactUnavailable
    | SubscriptionChanged
    | RosterPushed
    | MessageBounced
    | SessionEnded
)


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
