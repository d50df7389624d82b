"""Tables of push notifications and their rows, by account. Field order is column order."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition

REGISTRATION: Final = TableDefinition(
    90,
    "push_registration",
    (
        "account_id",
        "service",
        "node",
        "registration_id",
        "resource",
        "options",
        "alerted",
        "unread",
        "failure_count",
        "due_ms",
    ),
    key_width=3,
)
NOTIFICATION: Final = TableDefinition(
    91,
    "push_notification",
    ("position", "registration_id", "account_id", "service", "time_ms", "message_count", "request_count", "sender"),
    key_width=2,
)

TABLES: Final = (REGISTRATION, NOTIFICATION)

SQL: Final = """
CREATE TABLE push_registration (
    account_id INTEGER,
    service TEXT,
    node TEXT,
    registration_id INTEGER NOT NULL,
    resource TEXT NOT NULL,
    options BLOB NOT NULL,
    alerted INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    failure_count INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, service, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE push_notification (
    position INTEGER,
    registration_id INTEGER,
    account_id INTEGER NOT NULL,
    service TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    request_count INTEGER NOT NULL,
    sender TEXT NOT NULL,
    PRIMARY KEY (position, registration_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX push_notification_by_service ON push_notification (service, position, registration_id);
CREATE INDEX push_notification_by_registration ON push_notification (registration_id, position);
CREATE INDEX push_notification_by_account ON push_notification (account_id);
"""


class Registration(NamedTuple):
    """
    A node of a push service that an account has enabled (XEP-0357 section 5).

    Attributes:
        service: JID of the service.
        registration_id: Names the registration; position of the command that made it.
        resource: Of the session that enabled it last: the device that is told.
        options: The form of publish options as it was sent, as XML; empty for none.
        alerted: Position of the latest message that the device was notified of.
        unread: Messages it was notified of since it was last there.
        failure_count: Transient errors that the service has answered in a row.
        due_ms: Cluster time before which nothing is published, after such an error; 0 for none.
    """

    account_id: AccountId
    service: str
    node: str
    registration_id: int
    resource: str
    options: bytes
    alerted: Position
    unread: int
    failure_count: int
    due_ms: int


class Notification(NamedTuple):
    """
    A notification that a service is to be sent; the row is there until it has answered.

    Attributes:
        position: Of the message; with the registration it names the notification for ever.
        time_ms: Cluster time at which it fell due.
        message_count, request_count, sender: What it says (XEP-0357 section 7): messages and subscription requests that
            the user has not seen, and the full JID that sent the last message.
    """

    position: Position
    registration_id: int
    account_id: AccountId
    service: str
    time_ms: int
    message_count: int
    request_count: int
    sender: str
