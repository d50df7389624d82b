"""
The tables of polls and events, and their rows.

A question takes its id from the accounts' counter: when it goes, what was chosen is deleted as what a deleted account
leaves is, a few rows with each entry (pruning.py), and nothing finds it meanwhile.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId, Position
from raftline.machine.tables import TableDefinition

POLL: Final = TableDefinition(
    120,
    "poll",
    (
        "position",
        "poll_id",
        "owner_id",
        "partner_id",
        "kind",
        "author_id",
        "state",
        "due_ms",
        "voter_count",
        "terms",
        "counts",
    ),
)
POLL_VOTE: Final = TableDefinition(
    121, "poll_vote", ("poll_id", "voter_id", "localpart", "choices", "time_ms"), key_width=2
)
POLL_NEWS: Final = TableDefinition(122, "poll_news", ("position", "due_ms"))

TABLES: Final = (POLL, POLL_VOTE, POLL_NEWS)

SQL: Final = """
CREATE TABLE poll (
    position INTEGER PRIMARY KEY,
    poll_id INTEGER NOT NULL,
    owner_id INTEGER NOT NULL,
    partner_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    state INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    voter_count INTEGER NOT NULL,
    terms BLOB NOT NULL,
    counts BLOB NOT NULL
) STRICT;
CREATE INDEX poll_by_owner ON poll (owner_id, partner_id, kind, position);
CREATE INDEX poll_by_partner ON poll (partner_id) WHERE partner_id > 0;
CREATE INDEX poll_by_id ON poll (poll_id);
CREATE INDEX poll_open ON poll (owner_id, partner_id) WHERE state = 0;
CREATE INDEX poll_by_due ON poll (due_ms) WHERE due_ms > 0;

CREATE TABLE poll_vote (
    poll_id INTEGER, voter_id INTEGER, localpart TEXT NOT NULL, choices INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    PRIMARY KEY (poll_id, voter_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX poll_vote_by_voter ON poll_vote (voter_id);

CREATE TABLE poll_news (position INTEGER PRIMARY KEY, due_ms INTEGER NOT NULL) STRICT;
CREATE INDEX poll_news_by_due ON poll_news (due_ms) WHERE due_ms > 0;
"""

OPEN: Final = 0
CLOSED: Final = 1
OVER: Final = 2
"""States of a question: taken are choices; its author or a moderator ended it; its time did."""


class Poll(NamedTuple):
    """
    A question.

    Attributes:
        position: Of its message.
        poll_id: Owner of what was chosen.
        owner_id, partner_id: The conversation, as in conversations/participation.py.
        kind: As in terms.QuestionKind.
        author_id: The account that asked.
        due_ms: Cluster time at which it ends by itself; 0 for never, and once it has ended.
        voter_count: Accounts whose choice counts.
        terms: As `terms.encode` writes them.
        counts: msgpack array: how many have chosen each option.
    """

    position: Position
    poll_id: AccountId
    owner_id: AccountId
    partner_id: AccountId
    kind: int
    author_id: AccountId
    state: int
    due_ms: int
    voter_count: int
    terms: bytes
    counts: bytes


class PollVote(NamedTuple):
    """
    The choice of one account that counts.

    Attributes:
        localpart: Of its address.
        choices: Sum of powers of two, one for each option.
        time_ms: Cluster time of the choice.
    """

    poll_id: AccountId
    voter_id: AccountId
    localpart: str
    choices: int
    time_ms: int


class PollNews(NamedTuple):
    """The count of a question has changed and is to be told at a cluster time."""

    position: Position
    due_ms: int
