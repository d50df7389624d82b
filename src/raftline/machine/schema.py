"""
Tables of the replicated state, and the version of their form.

Integer keys where rows are many; accounts, sessions and addresses get small numbers from the table `counter`, so that
every node gives the same number. No table declares a constraint beside its key: what may be stored is decided by the
code of an entity before it writes, because a failing write would come too late to refuse the command (see rows.py).

The table `machine` holds how far the database has come. It is written by each commit, is not part of the state hash
and is the only table beside those listed in `TABLES`.

An area with a folder of its own keeps its tables, their rows and their SQL in `tables.py` there.
"""

from __future__ import annotations

from typing import Final

import apsw

from raftline.base.errors import StorageError
from raftline.machine.business import group_tables
from raftline.machine.business import tables as business
from raftline.machine.components import tables as components
from raftline.machine.conversations import tables as conversations
from raftline.machine.history.tables import HISTORY_SQL, HISTORY_TABLES
from raftline.machine.invites import tables as invites
from raftline.machine.login import tables as login
from raftline.machine.media import tables as media
from raftline.machine.pins import tables as pins
from raftline.machine.polls import tables as polls
from raftline.machine.pubsub import tables as pubsub
from raftline.machine.push import tables as push
from raftline.machine.retention import tables as retention
from raftline.machine.rooms import alert_tables, door_tables
from raftline.machine.rooms import tables as rooms_tables
from raftline.machine.tables import TableDefinition
from raftline.machine.timers import tables as timers
from raftline.machine.view_once import tables as view_once

SCHEMA_VERSION: Final = 4


COUNTER: Final = TableDefinition(1, "counter", ("name", "value"), cached=True)
ACCOUNT: Final = TableDefinition(
    2, "account", ("localpart", "account_id", "address_id", "created_ms", "roster_version"), cached=True
)
CREDENTIAL: Final = TableDefinition(
    3, "credential", ("account_id", "mechanism", "salt", "iterations", "stored_key", "server_key"), key_width=2
)
ADDRESS: Final = TableDefinition(4, "address", ("jid", "address_id"), cached=True)
NODE: Final = TableDefinition(5, "node", ("node_id", "started", "buried"), cached=True)
SESSION: Final = TableDefinition(
    6,
    "session",
    (
        "session_id",
        "account_id",
        "localpart",
        "resource",
        "node_id",
        "incarnation",
        "bound_ms",
        "managed",
        "interested",
        "carbons",
        "blocklist",
    ),
    cached=True,
)
PROGRESS: Final = TableDefinition(
    7, "progress", ("session_id", "epoch", "number", "inbound_count", "delivered", "acknowledged"), cached=True
)
PRESENCE: Final = TableDefinition(8, "presence", ("session_id", "priority", "stanza"), cached=True)
ROSTER: Final = TableDefinition(
    9,
    "roster",
    ("account_id", "contact", "name", "subscription", "ask", "groups", "approved", "version"),
    key_width=2,
    cached=True,
)
REQUEST: Final = TableDefinition(10, "request", ("account_id", "contact", "stanza"), key_width=2)
MESSAGE: Final = TableDefinition(
    11,
    "message",
    ("position", "time_ms", "sender_id", "from_resource", "to_resource", "holders", "stanza"),
)
ARCHIVE: Final = TableDefinition(12, "archive", ("owner_id", "position", "contact_id"), key_width=2)
INBOX: Final = TableDefinition(13, "inbox", ("session_id", "position", "storage", "delivered", "form"), key_width=2)
OFFLINE: Final = TableDefinition(14, "offline", ("account_id", "position", "storage"), key_width=2)
IDEMPOTENCY: Final = TableDefinition(15, "idempotency", ("key", "position", "time_ms", "outcome"))
ORIGIN: Final = TableDefinition(16, "origin", ("digest", "verifier", "position", "time_ms"))
DOOMED: Final = TableDefinition(17, "doomed", ("account_id",))
RESUMPTION: Final = TableDefinition(
    20, "resumption", ("session_id", "token", "inbound_base", "timeout_ms", "due_ms", "roster_version"), cached=True
)
ENDED_SESSION: Final = TableDefinition(
    21, "ended_session", ("session_id", "account_id", "token", "handled_count", "position", "time_ms")
)
LEFT_RESOURCE: Final = TableDefinition(
    23, "left_resource", ("account_id", "resource", "position", "time_ms"), key_width=2
)
KEPT_REQUEST: Final = TableDefinition(
    22, "kept_request", ("session_id", "number", "request_id", "recipient", "outcome"), key_width=2
)
BLOCKED: Final = TableDefinition(40, "blocked", ("account_id", "jid"), key_width=2)
PRIVATE: Final = TableDefinition(41, "private", ("account_id", "namespace", "name", "data"), key_width=3)
VCARD: Final = TableDefinition(42, "vcard", ("account_id", "data"))
DEPARTURE: Final = TableDefinition(43, "departure", ("account_id", "time_ms", "stanza"))
REMOVED_CONTACT: Final = TableDefinition(44, "removed_contact", ("account_id", "contact", "version"), key_width=2)

NODE_PROFILE: Final = TableDefinition(
    50, "node_profile", ("node_id", "data_id", "http_url", "xmpp_address"), cached=True
)
INVITATION: Final = TableDefinition(
    51, "invitation", ("node_id", "digest", "replaces", "expires_ms", "fingerprint", "data_id")
)

FORMER_EPOCH: Final = TableDefinition(151, "former_epoch", ("last_position", "epoch"))

TABLES: Final = (
    COUNTER,
    ACCOUNT,
    CREDENTIAL,
    ADDRESS,
    NODE,
    SESSION,
    PROGRESS,
    PRESENCE,
    ROSTER,
    REQUEST,
    MESSAGE,
    ARCHIVE,
    INBOX,
    OFFLINE,
    IDEMPOTENCY,
    ORIGIN,
    DOOMED,
    RESUMPTION,
    ENDED_SESSION,
    KEPT_REQUEST,
    LEFT_RESOURCE,
    BLOCKED,
    PRIVATE,
    VCARD,
    DEPARTURE,
    REMOVED_CONTACT,
    NODE_PROFILE,
    INVITATION,
    FORMER_EPOCH,
    login.LOGIN_TOKEN,
    *HISTORY_TABLES,
    *pubsub.TABLES,
    *rooms_tables.TABLES,
    *components.TABLES,
    *media.TABLES,
    *timers.TABLES,
    *alert_tables.TABLES,
    *conversations.TABLES,
    invites.INVITE,
    *push.TABLES,
    *door_tables.TABLES,
    *polls.TABLES,
    *pins.TABLES,
    *view_once.TABLES,
    *retention.TABLES,
    *business.TABLES,
    *group_tables.TABLES,
)
assert len({table.number for table in TABLES}) == len(TABLES)

_VERSION_1: Final = """
CREATE TABLE machine (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    applied_index INTEGER NOT NULL,
    applied_term INTEGER NOT NULL,
    cluster_time_ms INTEGER NOT NULL,
    machine_version INTEGER NOT NULL,
    state_hash BLOB NOT NULL,
    entry_chain BLOB NOT NULL
) STRICT;

CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    localpart TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL,
    address_id INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    roster_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE credential (
    account_id INTEGER, mechanism TEXT, salt BLOB, iterations INTEGER, stored_key BLOB, server_key BLOB,
    PRIMARY KEY (account_id, mechanism)
) STRICT, WITHOUT ROWID;

CREATE TABLE address (jid TEXT PRIMARY KEY, address_id INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE node (node_id INTEGER PRIMARY KEY, started INTEGER NOT NULL, buried INTEGER NOT NULL) STRICT;

CREATE TABLE session (
    session_id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    localpart TEXT NOT NULL,
    resource TEXT NOT NULL,
    node_id INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    bound_ms INTEGER NOT NULL,
    managed INTEGER NOT NULL,
    interested INTEGER NOT NULL,
    carbons INTEGER NOT NULL,
    blocklist INTEGER NOT NULL
) STRICT;
CREATE INDEX session_by_account ON session (account_id);
CREATE INDEX session_by_node ON session (node_id);

CREATE TABLE progress (
    session_id INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    number INTEGER NOT NULL,
    inbound_count INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL
) STRICT;

CREATE TABLE resumption (
    session_id INTEGER PRIMARY KEY,
    token BLOB NOT NULL,
    inbound_base INTEGER NOT NULL,
    timeout_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    roster_version INTEGER NOT NULL
) STRICT;
CREATE INDEX resumption_by_due ON resumption (due_ms) WHERE due_ms > 0;

CREATE TABLE ended_session (
    session_id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    token BLOB NOT NULL,
    handled_count INTEGER NOT NULL,
    position INTEGER NOT NULL,
    time_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX ended_session_by_position ON ended_session (position);

CREATE TABLE left_resource (
    account_id INTEGER, resource TEXT, position INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, resource)
) STRICT, WITHOUT ROWID;
CREATE INDEX left_resource_by_position ON left_resource (position);

CREATE TABLE kept_request (
    session_id INTEGER,
    number INTEGER,
    request_id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    outcome BLOB NOT NULL,
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE presence (session_id INTEGER PRIMARY KEY, priority INTEGER NOT NULL, stanza BLOB NOT NULL) STRICT;

CREATE TABLE roster (
    account_id INTEGER, contact TEXT, name TEXT, subscription INTEGER, ask INTEGER, groups BLOB,
    approved INTEGER, version INTEGER, PRIMARY KEY (account_id, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE request (
    account_id INTEGER, contact TEXT, stanza BLOB, PRIMARY KEY (account_id, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
    position INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    sender_id INTEGER NOT NULL,
    from_resource TEXT NOT NULL,
    to_resource TEXT NOT NULL,
    holders INTEGER NOT NULL,
    stanza BLOB NOT NULL
) STRICT;

CREATE TABLE archive (
    owner_id INTEGER, position INTEGER, contact_id INTEGER NOT NULL, PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX archive_by_contact ON archive (owner_id, contact_id, position);

CREATE TABLE inbox (
    session_id INTEGER,
    position INTEGER,
    storage INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    form INTEGER NOT NULL,
    PRIMARY KEY (session_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE offline (
    account_id INTEGER, position INTEGER, storage INTEGER NOT NULL, PRIMARY KEY (account_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    key BLOB PRIMARY KEY, position INTEGER NOT NULL, time_ms INTEGER NOT NULL, outcome BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_position ON idempotency (position);

CREATE TABLE origin (
    digest INTEGER PRIMARY KEY, verifier INTEGER NOT NULL, position INTEGER NOT NULL, time_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX origin_by_position ON origin (position);

CREATE TABLE doomed (account_id INTEGER PRIMARY KEY) STRICT;

CREATE TABLE blocked (account_id INTEGER, jid TEXT, PRIMARY KEY (account_id, jid)) STRICT, WITHOUT ROWID;

CREATE TABLE removed_contact (
    account_id INTEGER, contact TEXT, version INTEGER NOT NULL, PRIMARY KEY (account_id, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE private (
    account_id INTEGER, namespace TEXT, name TEXT, data BLOB, PRIMARY KEY (account_id, namespace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE vcard (account_id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

CREATE TABLE departure (account_id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, stanza BLOB NOT NULL) STRICT;
"""

_VERSION_2: Final = """
CREATE TABLE node_profile (
    node_id INTEGER PRIMARY KEY,
    data_id BLOB NOT NULL,
    http_url TEXT NOT NULL,
    xmpp_address TEXT NOT NULL
) STRICT;

CREATE TABLE invitation (
    node_id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    replaces INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    data_id BLOB NOT NULL
) STRICT;
"""

_AREAS: Final = (login.SQL, HISTORY_SQL, pubsub.SCHEMA, rooms_tables.SQL, components.SQL, media.SQL, timers.SQL)
_ROOM_AREAS: Final = (alert_tables.SQL, door_tables.SQL)
_SHARED_AREAS: Final = (polls.SQL, pins.SQL, view_once.SQL)
_OTHER_AREAS: Final = (conversations.SQL, invites.SQL, push.SQL, retention.SQL)
_VERSION_3: Final = "".join((*_AREAS, *_OTHER_AREAS, *_ROOM_AREAS, *_SHARED_AREAS))

_FORMER_EPOCHS: Final = """
CREATE TABLE former_epoch (last_position INTEGER PRIMARY KEY, epoch INTEGER NOT NULL) STRICT;
"""
_VERSION_4: Final = business.SQL + group_tables.SQL + _FORMER_EPOCHS

MIGRATIONS: Final = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)
"""`MIGRATIONS[n]` takes a database from version n to n + 1. A released one is never edited."""
assert len(MIGRATIONS) == SCHEMA_VERSION


def require_known_form(database: apsw.Connection) -> int:
    """
    Return the form of a database that nothing was done to yet.

    Raises:
        StorageError: A later version wrote the database.
    """
    version = int(database.pragma("user_version"))
    if version > SCHEMA_VERSION:
        raise StorageError(f"the database has form {version}, this version knows forms up to {SCHEMA_VERSION}")
    return version


def migrate(database: apsw.Connection) -> None:
    """
    Bring a database to the form of this version, each step in a transaction of its own.

    Raises:
        StorageError: A later version wrote the database.
    """
    for step in range(require_known_form(database), SCHEMA_VERSION):
        with database:
            database.execute(MIGRATIONS[step])
            database.pragma("user_version", step + 1)
