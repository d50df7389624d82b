"""
Rows of the replicated tables as types; field order is column order in schema.py.

Every field is an integer, a string or bytes, as SQLite returns it: a flag is 0 or 1, never a `bool`, since the state
hash must not depend on whether a row came from memory or from disk.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, NodeId, Position, SessionId


class Counter(NamedTuple):
    """The last number given out under a name."""

    name: str
    value: int


class Account(NamedTuple):
    """An account. `address_id` stands for its bare JID in archives; a later account of the name has the same."""

    localpart: str
    account_id: AccountId
    address_id: int
    created_ms: int
    roster_version: int


class StoredCredential(NamedTuple):
    """What the server keeps of a password, as in commands.Credential."""

    account_id: AccountId
    mechanism: str
    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


class Address(NamedTuple):
    """A bare JID that some archive row names, and its number. Never deleted."""

    jid: str
    address_id: int


class Node(NamedTuple):
    """A server. Incarnations below `started`, and up to `buried`, are over; their sessions are gone."""

    node_id: NodeId
    started: int
    buried: int


class NodeProfile(NamedTuple):
    """What a node told of itself when it started last, as in node_commands.StartNode."""

    node_id: NodeId
    data_id: bytes
    http_url: str
    xmpp_address: str


class Invitation(NamedTuple):
    """
    A node that may join, or has joined lately.

    Attributes:
        replaces: The node that goes when this one has caught up; 0 for none.
        fingerprint, data_id: Of whoever has shown the token; empty as long as nobody has.
    """

    node_id: NodeId
    digest: bytes
    replaces: NodeId
    expires_ms: int
    fingerprint: bytes
    data_id: bytes


class Session(NamedTuple):
    """
    A bound session.

    Attributes:
        managed: 1 when it acknowledges what it gets (XEP-0198).
        interested: 1 when it asked for its roster.
        carbons: 1 when it wants copies of what the account's other sessions send and get (XEP-0280).
        blocklist: 1 when it asked for the block list, so that it hears of changes (XEP-0191).
    """

    session_id: SessionId
    account_id: AccountId
    localpart: str
    resource: str
    node_id: NodeId
    incarnation: int
    bound_ms: int
    managed: int
    interested: int
    carbons: int
    blocklist: int


class Progress(NamedTuple):
    """
    How far a session has come; apart from `Session` because every command of the session writes it.

    Attributes:
        number: Stanza number of its last command, 0 for none.
        inbound_count: Stanzas handled without a gap.
        delivered, acknowledged: Cursor of the last delivery the client has acknowledged; what it owes is in its inbox.
    """

    session_id: SessionId
    epoch: int
    number: int
    inbound_count: int
    delivered: Position
    acknowledged: Position


class Resumption(NamedTuple):
    """
    What it takes to resume a session (XEP-0198 section 5).

    Attributes:
        inbound_base: Stanzas before stream management was turned on.
        due_ms: Cluster time at which the session ends unless it is resumed; 0 while a node holds it.
        roster_version: The client has the roster's changes up to here.
    """

    session_id: SessionId
    token: bytes
    inbound_base: int
    timeout_ms: int
    due_ms: int
    roster_version: int


class LeftResource(NamedTuple):
    """A resource of an account that was available within the last hour, and is no longer."""

    account_id: AccountId
    resource: str
    position: Position
    time_ms: int


class EndedSession(NamedTuple):
    """How far a resumable session had come when it ended; `handled_count` is as its client counts."""

    session_id: SessionId
    account_id: AccountId
    token: bytes
    handled_count: int
    position: Position
    time_ms: int


class KeptRequest(NamedTuple):
    """
    An IQ request that is handled, while the client may not have the answer.

    Attributes:
        outcome: Of the command that is its whole answer; empty for any other request, whose answer is lost.
    """

    session_id: SessionId
    number: int
    request_id: str
    recipient: str
    outcome: bytes


class Presence(NamedTuple):
    """Last broadcast presence of a session that is available."""

    session_id: SessionId
    priority: int
    stanza: bytes


SUBSCRIBED_TO: Final = 1
SUBSCRIBED_FROM: Final = 2
"""Bits of `RosterEntry.subscription`: the account sees the contact's presence; the contact sees the account's."""


class RosterEntry(NamedTuple):
    """
    A roster item.

    Attributes:
        subscription: 0 none, 1 to, 2 from, 3 both.
        ask: 1 while a request of the account is pending.
        groups: msgpack array of strings.
        approved: 1 when the contact's request is granted without asking (RFC 6121 section 3.4).
        version: Of the roster, when the item changed last.
    """

    account_id: AccountId
    contact: str
    name: str
    subscription: int
    ask: int
    groups: bytes
    approved: int
    version: int


class Request(NamedTuple):
    """A subscription request of `contact` that the account has not answered."""

    account_id: AccountId
    contact: str
    stanza: bytes


class StoredMessage(NamedTuple):
    """
    A message, stored once whoever refers to it.

    Attributes:
        sender_id: Address of the sender.
        from_resource, to_resource: Resources of the full JIDs, empty for a bare one.
        holders: Archive rows that refer to it, and inbox and offline rows of accounts that do not archive it.
    """

    position: Position
    time_ms: int
    sender_id: int
    from_resource: str
    to_resource: str
    holders: int
    stanza: bytes


class Archived(NamedTuple):
    """A message in someone's archive; `contact_id` is the address of the other side."""

    owner_id: AccountId
    position: Position
    contact_id: int


class Owed(NamedTuple):
    """
    A message that a session with stream management has not acknowledged.

    Attributes:
        storage: See inbox.py.
        delivered: Position of the command that gave the message to the session: its own for a live one.
        form: 0 the message itself, 1 a copy of one the account got, 2 a copy of one it sent (see carbons.py).
    """

    session_id: SessionId
    position: Position
    storage: int
    delivered: Position
    form: int = 0


class Waiting(NamedTuple):
    """A message kept for an account until a session takes it."""

    account_id: AccountId
    position: Position
    storage: int


class KeptOutcome(NamedTuple):
    """Outcome of a command that carried a key."""

    key: bytes
    position: Position
    time_ms: int
    outcome: bytes


class OriginSeen(NamedTuple):
    """A message that carried an origin id: two halves of a digest of 16 bytes, as signed integers."""

    digest: int
    verifier: int
    position: Position
    time_ms: int


class Doomed(NamedTuple):
    """A deleted account whose archive and offline messages are still being deleted, a few with each entry."""

    account_id: AccountId


class Blocked(NamedTuple):
    """An address that an account has blocked: a full or bare JID, or a domain."""

    account_id: AccountId
    jid: str


class RemovedContact(NamedTuple):
    """A contact that is in the roster no longer, and the roster's version since when."""

    account_id: AccountId
    contact: str
    version: int


class PrivateData(NamedTuple):
    """An element of an account's private storage, as XML."""

    account_id: AccountId
    namespace: str
    name: str
    data: bytes


class Vcard(NamedTuple):
    """An account's vCard, as XML."""

    account_id: AccountId
    data: bytes


class Departure(NamedTuple):
    """When the last available session of an account went, and the presence it left; empty without a farewell."""

    account_id: AccountId
    time_ms: int
    stanza: bytes


class FormerEpoch(NamedTuple):
    """Stanza ids of what a former cluster said, up to its last position, have its epoch (base.ids.Epochs)."""

    last_position: Position
    epoch: int
