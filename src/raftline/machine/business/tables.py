"""Tables of businesses and their rows. Field order is column order."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition

BUSINESS: Final = TableDefinition(140, "business", ("business_id", "name", "created_ms"), cached=True)
APP: Final = TableDefinition(
    141, "business_app", ("app_id", "business_id", "name", "secret", "streams", "created_ms"), cached=True
)
TOKEN: Final = TableDefinition(
    142,
    "business_token",
    ("digest", "token_id", "app_id", "label", "scopes", "created_ms", "expires_ms"),
    cached=True,
)
NUMBER: Final = TableDefinition(
    143,
    "business_number",
    (
        "account_id",
        "number_id",
        "business_id",
        "localpart",
        "verified_name",
        "profile",
        "per_second",
        "pair_per_minute",
        "is_registered",
        "created_ms",
    ),
    cached=True,
)
CALLBACK: Final = TableDefinition(
    144, "business_callback", ("app_id", "scope", "url", "verify_token", "fields"), key_width=2, cached=True
)
EVENT: Final = TableDefinition(
    145,
    "business_event",
    (
        "position",
        "ordinal",
        "app_id",
        "number_id",
        "peer",
        "room",
        "kind",
        "state",
        "message",
        "target",
        "name",
        "detail",
        "time_ms",
        "due_ms",
        "peer_account",
    ),
    key_width=2,
)
BUSINESS_MESSAGE: Final = TableDefinition(
    146,
    "business_message",
    ("account_id", "peer_id", "message_id", "position", "time_ms", "status", "opaque"),
    key_width=3,
)
PROMPT: Final = TableDefinition(
    147, "business_prompt", ("account_id", "peer_id", "position", "kind", "is_open", "options"), key_width=2
)
PACE: Final = TableDefinition(148, "business_pace", ("account_id", "peer_id", "next_us"), key_width=2)
AUDIT: Final = TableDefinition(
    149, "business_audit", ("position", "time_ms", "business_id", "actor", "action", "detail")
)
TEMPLATE: Final = TableDefinition(
    150,
    "business_template",
    ("business_id", "name", "language", "template_id", "category", "components", "created_ms"),
    key_width=3,
    cached=True,
)

TABLES: Final = (
    BUSINESS,
    APP,
    TOKEN,
    NUMBER,
    CALLBACK,
    EVENT,
    BUSINESS_MESSAGE,
    PROMPT,
    PACE,
    AUDIT,
    TEMPLATE,
)

SQL: Final = """
CREATE TABLE business (business_id INTEGER PRIMARY KEY, name TEXT NOT NULL, created_ms INTEGER NOT NULL) STRICT;

CREATE TABLE business_app (
    app_id INTEGER PRIMARY KEY,
    business_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    secret BLOB NOT NULL,
    streams INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE business_token (
    digest BLOB PRIMARY KEY,
    token_id INTEGER NOT NULL,
    app_id INTEGER NOT NULL,
    label TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE business_number (
    account_id INTEGER PRIMARY KEY,
    number_id INTEGER NOT NULL,
    business_id INTEGER NOT NULL,
    localpart TEXT NOT NULL,
    verified_name TEXT NOT NULL,
    profile BLOB NOT NULL,
    per_second INTEGER NOT NULL,
    pair_per_minute INTEGER NOT NULL,
    is_registered INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE business_callback (
    app_id INTEGER, scope TEXT, url TEXT NOT NULL, verify_token TEXT NOT NULL, fields TEXT NOT NULL,
    PRIMARY KEY (app_id, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE business_event (
    position INTEGER,
    ordinal INTEGER,
    app_id INTEGER NOT NULL,
    number_id INTEGER NOT NULL,
    peer TEXT NOT NULL,
    room TEXT NOT NULL,
    kind INTEGER NOT NULL,
    state INTEGER NOT NULL,
    message INTEGER NOT NULL,
    target INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    peer_account INTEGER NOT NULL,
    PRIMARY KEY (position, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX business_event_by_peer ON business_event (app_id, state, peer, position, ordinal);
CREATE INDEX business_event_by_app ON business_event (app_id, position, ordinal);
CREATE INDEX business_event_by_number ON business_event (number_id, position, ordinal);
CREATE INDEX business_event_by_due ON business_event (due_ms) WHERE due_ms > 0;

CREATE TABLE business_message (
    account_id INTEGER,
    peer_id INTEGER,
    message_id TEXT,
    position INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    status INTEGER NOT NULL,
    opaque TEXT NOT NULL,
    PRIMARY KEY (account_id, peer_id, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX business_message_by_position ON business_message (position);
CREATE INDEX business_message_by_peer ON business_message (account_id, peer_id, position);

CREATE TABLE business_prompt (
    account_id INTEGER,
    peer_id INTEGER,
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    options BLOB NOT NULL,
    PRIMARY KEY (account_id, peer_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE business_pace (
    account_id INTEGER, peer_id INTEGER, next_us INTEGER NOT NULL, PRIMARY KEY (account_id, peer_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE business_audit (
    position INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    business_id INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TABLE business_template (
    business_id INTEGER,
    name TEXT,
    language TEXT,
    template_id INTEGER NOT NULL,
    category TEXT NOT NULL,
    components BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (business_id, name, language)
) STRICT, WITHOUT ROWID;
"""


class Business(NamedTuple):
    """A business ("WABA"); `ids.graph_id(GraphKind.BUSINESS, business_id)` names it outside."""

    business_id: int
    name: str
    created_ms: int


class App(NamedTuple):
    """
    An application of a business, which holds tokens and is told of events.

    Attributes:
        secret: Signs what it is sent; outside it is written in hexadecimal digits.
        streams: Whether events are kept for a while for whoever reads them as a stream.
    """

    app_id: int
    business_id: int
    name: str
    secret: bytes
    streams: int
    created_ms: int


class Token(NamedTuple):
    """
    A bearer token of an application.

    Attributes:
        digest: SHA-256 of the token; the token itself is never kept.
        token_id: Names it to operators; position of the command that issued it.
        scopes: Sorted, with a space between two.
        expires_ms: Cluster time from which on it is good for nothing; 0 for never.
    """

    digest: bytes
    token_id: int
    app_id: int
    label: str
    scopes: str
    created_ms: int
    expires_ms: int


class Number(NamedTuple):
    """
    A number: the account that a business speaks as.

    Attributes:
        localpart: Of the account; digits.
        verified_name: What people see it by; operators alone set it.
        profile: What the business says of itself, as a JSON object.
        per_second: Messages that it may send in a second; 0 for any number.
        pair_per_minute: Messages that it may send to one person in a minute; 0 for any number.
        is_registered: It may send; a number that was deregistered may not.
    """

    account_id: AccountId
    number_id: int
    business_id: int
    localpart: str
    verified_name: str
    profile: bytes
    per_second: int
    pair_per_minute: int
    is_registered: int
    created_ms: int


class Callback(NamedTuple):
    """
    Where an application is told of events.

    Attributes:
        scope: `app`, or the graph id of a business or a number, for which it counts instead.
        fields: What it subscribed to, sorted, with a comma between two; counts in the scope `app` alone.
    """

    app_id: int
    scope: str
    url: str
    verify_token: str
    fields: str


class EventKind(enum.IntEnum):
    """What an event tells."""

    MESSAGE = 1
    """A person, or somebody in a group, said something; what, the message tells."""
    ANSWER = 2
    """A person chose a button or a row; `detail` is a `values.Choice` as msgpack."""
    STATUS = 3
    """A message of the number has come so far; `detail` is a `values.StatusDetail` as msgpack."""
    GROUP = 4
    """Something has become of a group; `peer` is its room's JID, `detail` a `group_values.GroupNews` as msgpack."""


class EventState(enum.IntEnum):
    """Where an event stands."""

    WAITING = 1
    """Until its receiver has taken it."""
    DEAD = 2
    """Nobody took it in time."""
    KEPT = 3
    """Delivered, or not to be: kept for streams alone."""


class BusinessEvent(NamedTuple):
    """
    Something that an application is told.

    Attributes:
        position, ordinal: Of the command that caused it, and of the event among those; its name for ever.
        number_id: Of the number that it concerns.
        peer: Bare JID of the other side: whose message it is, or whose device took it; the number's own of a message
            to a room that is sent.
        room: Local part of the room it happened in; empty outside.
        message: Position of the message that is shown or whose status it is.
        target: Position of the message that it refers to (reply, reaction, edit, revocation, answer); 0 for none.
        name: What the person is called, as it was known then.
        detail: See EventKind; empty for MESSAGE.
        time_ms: Cluster time at which it happened.
        due_ms: Cluster time at which its state ends: to the dead letters, or to nothing.
        peer_account: Account of the peer; 0 for an address that is no account here. It is known though that is gone.
    """

    position: Position
    ordinal: int
    app_id: int
    number_id: int
    peer: str
    room: str
    kind: int
    state: int
    message: Position
    target: Position
    name: str
    detail: bytes
    time_ms: int
    due_ms: int
    peer_account: AccountId


class MessageStatus(enum.IntEnum):
    """How far a message of a number has come; it never falls."""

    RECEIVED = 0
    """It is the other side's message."""
    SENT = 1
    DELIVERED = 2
    READ = 3
    PLAYED = 4
    FAILED = 5


class BusinessMessage(NamedTuple):
    """
    A message of a number's conversation, by the `id` attribute it was sent under, for receipts and references.

    Attributes:
        peer_id: Address of the other side.
        message_id: Its `id`; of messages under the same id the latest counts.
        opaque: `biz_opaque_callback_data`, handed back with each status.
    """

    account_id: AccountId
    peer_id: int
    message_id: str
    position: Position
    time_ms: int
    status: int
    opaque: str


class PromptKind(enum.IntEnum):
    """What a number has asked a person last."""

    BUTTONS = 1
    LIST = 2
    QUICK_REPLIES = 3
    """Quick replies of a template: answers are of type `button`."""


class PromptRow(NamedTuple):
    """
    The last question of a number to a person.

    Attributes:
        is_open: What the person types may be an answer: nothing else was said since, and none was typed.
        options: `values.Option`s as msgpack.
    """

    account_id: AccountId
    peer_id: int
    position: Position
    kind: int
    is_open: int
    options: bytes


class Pace(NamedTuple):
    """
    How fast a number has sent, to a person, or to all when `peer_id` is 0.

    Attributes:
        next_us: Cluster time in microseconds up to which what was sent has used its share (GCRA).
    """

    account_id: AccountId
    peer_id: int
    next_us: int


class AuditLine(NamedTuple):
    """
    One line of the audit trail.

    Attributes:
        actor: Who did it, as the interface knows them: `admin`, `console`, `app 1…`.
        action: In a few words, such as `token.issue`.
        detail: What it was about; never a secret.
    """

    position: Position
    time_ms: int
    business_id: int
    actor: str
    action: str
    detail: str


class Template(NamedTuple):
    """A stored template; `components` is a JSON list, as it was submitted. It is approved as soon as it is stored."""

    business_id: int
    name: str
    language: str
    template_id: int
    category: str
    components: bytes
    created_ms: int
