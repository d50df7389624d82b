"""Tables of personal eventing and their rows, by account. Field order is column order."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position, SessionId
from raftline.machine.tables import TableDefinition

PUBSUB_NODE: Final = TableDefinition(
    64, "pubsub_node", ("account_id", "node", "created_ms", "item_count", "size", "config"), key_width=2
)
PUBSUB_ITEM: Final = TableDefinition(
    65, "pubsub_item", ("account_id", "node", "item_id", "position", "time_ms", "payload", "due_ms"), key_width=3
)
PUBSUB_AFFILIATION: Final = TableDefinition(
    66, "pubsub_affiliation", ("account_id", "node", "jid", "affiliation"), key_width=3
)
PUBSUB_SUBSCRIPTION: Final = TableDefinition(
    67, "pubsub_subscription", ("account_id", "node", "jid", "contact"), key_width=3
)
PUBSUB_REMOVAL: Final = TableDefinition(
    68, "pubsub_removal", ("account_id", "node", "item_id", "kind", "position", "time_ms"), key_width=3
)
CAPABILITY: Final = TableDefinition(
    69, "capability", ("algorithm", "version", "position", "nodes"), key_width=2, cached=True
)
INTEREST: Final = TableDefinition(
    70, "interest", ("session_id", "algorithm", "version", "node", "known", "nodes"), cached=True
)
AVATAR: Final = TableDefinition(71, "avatar", ("account_id", "digest"))
LOCATION_UPDATE: Final = TableDefinition(105, "location_update", ("account_id", "time_ms"))

TABLES: Final = (
    PUBSUB_NODE,
    PUBSUB_ITEM,
    PUBSUB_AFFILIATION,
    PUBSUB_SUBSCRIPTION,
    PUBSUB_REMOVAL,
    CAPABILITY,
    INTEREST,
    AVATAR,
    LOCATION_UPDATE,
)

SCHEMA: Final = """
CREATE TABLE pubsub_node (
    account_id INTEGER, node TEXT, created_ms INTEGER NOT NULL, item_count INTEGER NOT NULL, size INTEGER NOT NULL,
    config BLOB NOT NULL, PRIMARY KEY (account_id, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE pubsub_item (
    account_id INTEGER, node TEXT, item_id TEXT, position INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    payload BLOB NOT NULL, due_ms INTEGER NOT NULL, PRIMARY KEY (account_id, node, item_id)
) STRICT;
CREATE INDEX pubsub_item_by_due ON pubsub_item (due_ms) WHERE due_ms > 0;
CREATE INDEX pubsub_item_by_node ON pubsub_item (account_id, node, position);
CREATE INDEX pubsub_item_by_position ON pubsub_item (account_id, position);

CREATE TABLE pubsub_affiliation (
    account_id INTEGER, node TEXT, jid TEXT, affiliation TEXT NOT NULL, PRIMARY KEY (account_id, node, jid)
) STRICT, WITHOUT ROWID;

CREATE TABLE pubsub_subscription (
    account_id INTEGER, node TEXT, jid TEXT, contact TEXT NOT NULL, PRIMARY KEY (account_id, node, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX pubsub_subscription_by_contact ON pubsub_subscription (account_id, contact);

CREATE TABLE pubsub_removal (
    account_id INTEGER, node TEXT, item_id TEXT, kind TEXT NOT NULL, position INTEGER NOT NULL,
    time_ms INTEGER NOT NULL, PRIMARY KEY (account_id, node, item_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX pubsub_removal_by_position ON pubsub_removal (position);

CREATE TABLE capability (
    algorithm TEXT, version TEXT, position INTEGER NOT NULL, nodes BLOB NOT NULL, PRIMARY KEY (algorithm, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX capability_by_position ON capability (position);

CREATE TABLE interest (
    session_id INTEGER PRIMARY KEY, algorithm TEXT NOT NULL, version TEXT NOT NULL, node TEXT NOT NULL,
    known INTEGER NOT NULL, nodes BLOB NOT NULL
) STRICT;

CREATE TABLE avatar (account_id INTEGER PRIMARY KEY, digest TEXT NOT NULL) STRICT;

CREATE TABLE location_update (account_id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL) STRICT;
"""


class Node(NamedTuple):
    """
    A node of an account.

    Attributes:
        item_count, size: Of its items: how many, and bytes of ids and payloads together.
        config: As config.encode_config writes it.
    """

    account_id: AccountId
    node: str
    created_ms: int
    item_count: int
    size: int
    config: bytes


class Item(NamedTuple):
    """
    An item.

    Attributes:
        position: Of the command that published it last; orders the items of a node.
        due_ms: Cluster time at which it expires; 0 for never.
    """

    account_id: AccountId
    node: str
    item_id: str
    position: Position
    time_ms: int
    payload: bytes
    due_ms: int = 0


class AffiliationRow(NamedTuple):
    """How a bare JID stands to a node: `member` or `outcast`; nobody has a row for `none`."""

    account_id: AccountId
    node: str
    jid: str
    affiliation: str


class SubscriptionRow(NamedTuple):
    """A subscription that was asked for, by a bare or full JID; `contact` is the bare one."""

    account_id: AccountId
    node: str
    jid: str
    contact: str


class Removal(NamedTuple):
    """
    What went within the last hour, for sessions that are resumed.

    Attributes:
        item_id: Empty when all items went.
        kind: `retract`, `purge` or `delete`.
    """

    account_id: AccountId
    node: str
    item_id: str
    kind: str
    position: Position
    time_ms: int


class Capability(NamedTuple):
    """Nodes that every client of a verified hash wants to hear of, as capabilities.encode_nodes writes them."""

    algorithm: str
    version: str
    position: Position
    nodes: bytes


class Interest(NamedTuple):
    """
    Nodes that an available session wants to hear of.

    Attributes:
        algorithm, version, node: As in commands.Capabilities, of its last presence.
        known: 0 while its client has not said what they stand for; `nodes` are those known before.
    """

    session_id: SessionId
    algorithm: str
    version: str
    node: str
    known: int
    nodes: bytes


class Avatar(NamedTuple):
    """Id of the picture that an account announces: the SHA-1 of its bytes, in hexadecimal digits."""

    account_id: AccountId
    digest: str


class LocationUpdate(NamedTuple):
    """When an account told last where it is."""

    account_id: AccountId
    time_ms: int
