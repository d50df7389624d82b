"""
Tables of rooms, their rows and their SQL.

A room takes its id from the accounts' counter, so that an id names one owner of an archive, be it an account or a room,
and is never used twice: a room that is made anew under an old name has nothing of the old one. What a destroyed room
leaves behind is deleted as what a deleted account leaves is, in small steps (pruning.py).

`room`, `room_affiliation`, `room_list_change`, `occupant` and `room_departure` belong to the room. `visit` belongs to
the session: it says what of the room's archive the session is owed (deliveries.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position, SessionId
from raftline.machine.tables import TableDefinition


class Room(NamedTuple):
    """
    A room.

    Attributes:
        name: Local part of its address.
        room_id: Owner of its archive, its affiliations and occupants.
        address_id: Stands for its bare JID, as with accounts.
        locked: 1 from its creation until its owner has configured it (XEP-0045 section 10.1).
        listed: 1 when anyone finds it in service discovery: it is public, and open.
        secret: What occupant ids are made with (XEP-0421).
        settings: As `settings.encode` writes them.
        subject: The message that set the subject last; empty if none did.
        subject_ms: Cluster time of it.
        list_version: Of its lists of affiliations (list_versions.py).
    """

    name: str
    room_id: AccountId
    address_id: int
    created_ms: int
    locked: int
    listed: int
    secret: bytes
    settings: bytes
    subject: bytes
    subject_ms: int
    list_version: int


class RoomAffiliation(NamedTuple):
    """
    A lasting relation of somebody to a room; who has none and no nickname kept has no row.

    Attributes:
        jid: Bare JID.
        affiliation: As in ranks.Affiliation.
        nick: Kept for them (XEP-0045 section 7.10); empty for none.
        known_as: Nickname under which a member or above was inside last; empty for never.
    """

    room_id: AccountId
    jid: str
    affiliation: int
    nick: str
    reason: str
    known_as: str = ""


class RoomListChange(NamedTuple):
    """One of the last changes of a room's lists: the affiliation of a bare JID before and after."""

    room_id: AccountId
    version: int
    jid: str
    before: int
    after: int


class Occupant(NamedTuple):
    """
    A session in a room; sessions of one account may share a nickname.

    Attributes:
        jid: Bare JID of the account.
        resource: Of the session.
        affiliation, role: As in ranks.py; the same for all sessions under one nickname.
        joined: Position of the command by which it came.
        presence: What is inside its presence, as XML, without what the room adds.
    """

    room_id: AccountId
    session_id: SessionId
    account_id: AccountId
    jid: str
    resource: str
    nick: str
    affiliation: int
    role: int
    joined: Position
    presence: bytes


class RoomDeparture(NamedTuple):
    """A nickname that left a room within the last hour and did not come back."""

    room_id: AccountId
    nick: str
    occupant_id: str
    position: Position
    time_ms: int


class RoomVcard(NamedTuple):
    """The vCard of a room, as XML, and the SHA-1 of the picture in it, in hexadecimal; empty for none."""

    room_id: AccountId
    data: bytes
    picture_hash: str


class Visit(NamedTuple):
    """
    A stay of a session in a room, kept until the session has acknowledged what it was owed of it.

    Attributes:
        joined: Position of the command by which it came; names the visit beside the session.
        room: Local part of the room's address.
        history: Position of the oldest message it was shown as history; `joined` when there was none.
        over: Position at which it was over; 0 while it lasts.
        why: Status codes that tell why it is over, in decimal, separated by spaces; empty when the session left by
            itself.
        nick: The nickname it had when it was over; empty while it lasts.
    """

    session_id: SessionId
    joined: Position
    room_id: AccountId
    room: str
    history: Position
    over: Position
    why: str
    nick: str


ROOM: Final = TableDefinition(
    80,
    "room",
    (
        "name",
        "room_id",
        "address_id",
        "created_ms",
        "locked",
        "listed",
        "secret",
        "settings",
        "subject",
        "subject_ms",
        "list_version",
    ),
    cached=True,
)
ROOM_AFFILIATION: Final = TableDefinition(
    81,
    "room_affiliation",
    ("room_id", "jid", "affiliation", "nick", "reason", "known_as"),
    key_width=2,
    cached=True,
)
OCCUPANT: Final = TableDefinition(
    82,
    "occupant",
    (
        "room_id",
        "session_id",
        "account_id",
        "jid",
        "resource",
        "nick",
        "affiliation",
        "role",
        "joined",
        "presence",
    ),
    key_width=2,
    cached=True,
)
ROOM_DEPARTURE: Final = TableDefinition(
    83, "room_departure", ("room_id", "nick", "occupant_id", "position", "time_ms"), key_width=2
)
VISIT: Final = TableDefinition(
    84, "visit", ("session_id", "joined", "room_id", "room", "history", "over", "why", "nick"), key_width=2
)
ROOM_VCARD: Final = TableDefinition(85, "room_vcard", ("room_id", "data", "picture_hash"))
ROOM_LIST_CHANGE: Final = TableDefinition(
    99, "room_list_change", ("room_id", "version", "jid", "before", "after"), key_width=2
)

TABLES: Final = (ROOM, ROOM_AFFILIATION, OCCUPANT, ROOM_DEPARTURE, VISIT, ROOM_VCARD, ROOM_LIST_CHANGE)

SQL: Final = """
CREATE TABLE room (
    name TEXT PRIMARY KEY,
    room_id INTEGER NOT NULL,
    address_id INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    locked INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    secret BLOB NOT NULL,
    settings BLOB NOT NULL,
    subject BLOB NOT NULL,
    subject_ms INTEGER NOT NULL,
    list_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX room_listed ON room (name) WHERE listed = 1;
CREATE INDEX room_by_id ON room (room_id);

CREATE TABLE room_affiliation (
    room_id INTEGER,
    jid TEXT,
    affiliation INTEGER NOT NULL,
    nick TEXT NOT NULL,
    reason TEXT NOT NULL,
    known_as TEXT NOT NULL,
    PRIMARY KEY (room_id, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_affiliation_by_jid ON room_affiliation (jid);
CREATE INDEX room_affiliation_by_nick ON room_affiliation (room_id, nick) WHERE nick <> '';

CREATE TABLE occupant (
    room_id INTEGER,
    session_id INTEGER,
    account_id INTEGER NOT NULL,
    jid TEXT NOT NULL,
    resource TEXT NOT NULL,
    nick TEXT NOT NULL,
    affiliation INTEGER NOT NULL,
    role INTEGER NOT NULL,
    joined INTEGER NOT NULL,
    presence BLOB NOT NULL,
    PRIMARY KEY (room_id, session_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE room_departure (
    room_id INTEGER, nick TEXT, occupant_id TEXT NOT NULL, position INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    PRIMARY KEY (room_id, nick)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_departure_by_position ON room_departure (position);

CREATE TABLE visit (
    session_id INTEGER,
    joined INTEGER,
    room_id INTEGER NOT NULL,
    room TEXT NOT NULL,
    history INTEGER NOT NULL,
    over INTEGER NOT NULL,
    why TEXT NOT NULL,
    nick TEXT NOT NULL,
    PRIMARY KEY (session_id, joined)
) STRICT, WITHOUT ROWID;
CREATE INDEX visit_by_room ON visit (room_id);

CREATE TABLE room_vcard (room_id INTEGER PRIMARY KEY, data BLOB NOT NULL, picture_hash TEXT NOT NULL) STRICT;

CREATE TABLE room_list_change (
    room_id INTEGER, version INTEGER, jid TEXT NOT NULL, before INTEGER NOT NULL, after INTEGER NOT NULL,
    PRIMARY KEY (room_id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX address_by_id ON address (address_id);
"""
