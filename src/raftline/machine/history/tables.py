"""
Tables of archive preferences and of reports, and their rows.

`owner_id` is that of an archive row. Whoever has an archive may have preferences; without a row everything is kept.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition

ARCHIVE_DEFAULT: Final = TableDefinition(72, "archive_default", ("owner_id", "policy"))
ARCHIVE_RULE: Final = TableDefinition(73, "archive_rule", ("owner_id", "jid", "kept"), key_width=2)
REPORT: Final = TableDefinition(
    74,
    "report",
    ("position", "number", "account_id", "time_ms", "jid", "reason", "text", "messages", "consents", "closed_ms"),
    key_width=2,
)

HISTORY_TABLES: Final = (ARCHIVE_DEFAULT, ARCHIVE_RULE, REPORT)

HISTORY_SQL: Final = """
CREATE TABLE archive_default (owner_id INTEGER PRIMARY KEY, policy INTEGER NOT NULL) STRICT;

CREATE TABLE archive_rule (
    owner_id INTEGER, jid TEXT, kept INTEGER NOT NULL, PRIMARY KEY (owner_id, jid)
) STRICT, WITHOUT ROWID;

CREATE TABLE report (
    position INTEGER,
    number INTEGER,
    account_id INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    jid TEXT NOT NULL,
    reason TEXT NOT NULL,
    text TEXT NOT NULL,
    messages BLOB NOT NULL,
    consents INTEGER NOT NULL,
    closed_ms INTEGER NOT NULL,
    PRIMARY KEY (position, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_by_account ON report (account_id, position, number);
"""


class ArchiveDefault(NamedTuple):
    """What an owner's archive keeps of messages with addresses that no rule names: a `commands.ArchivePolicy`."""

    owner_id: AccountId
    policy: int


class ArchiveRule(NamedTuple):
    """Whether messages with a full or bare JID are kept, whatever the default says: 1 or 0."""

    owner_id: AccountId
    jid: str
    kept: int


class ReportRow(NamedTuple):
    """
    What an account reported when it blocked an address (XEP-0377).

    Attributes:
        position: Of the command that blocked; `number` is the report's place in it.
        account_id: Who reported.
        reason: A URN, such as `urn:xmpp:reporting:spam`.
        messages: Positions of the messages that are reported, as a msgpack array.
        consents: Sum of `commands.ReportConsent`.
        closed_ms: Cluster time at which an operator was done with it; 0 while nobody is.
    """

    position: Position
    number: int
    account_id: AccountId
    time_ms: int
    jid: str
    reason: str
    text: str
    messages: bytes
    consents: int
    closed_ms: int = 0
