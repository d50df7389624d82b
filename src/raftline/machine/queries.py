"""
Questions to the local replica, as values, and their answers.

They see everything applied so far and change nothing. Reads that must not be stale pass a read barrier first.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.commands import Credential
from raftline.machine.outcomes import RosterItem


class Query(msgspec.Struct, frozen=True, array_like=True):
    """Root of all questions."""


class CredentialsOf(Query, frozen=True, array_like=True, tag=1):
    """Answer: `tuple[Credential, ...]`, empty when there is no such account."""

    localpart: str


class AccountExists(Query, frozen=True, array_like=True, tag=2):
    """Answer: `bool`."""

    localpart: str


class ListAccounts(Query, frozen=True, array_like=True, tag=3):
    """Answer: `list[AccountRow]`, by name, at most `limit`, after the name `after`."""

    after: str = ""
    limit: int = 100


class RosterOf(Query, frozen=True, array_like=True, tag=4):
    """Answer: `Roster`."""

    localpart: str


class SubscriptionOf(Query, frozen=True, array_like=True, tag=5):
    """Does `contact` (bare JID) see `localpart`'s presence? Answer: `bool`."""

    localpart: str
    contact: str


class SessionsOf(Query, frozen=True, array_like=True, tag=6):
    """Answer: `list[SessionRow]`, all sessions of an account, available or not."""

    localpart: str


class SessionAt(Query, frozen=True, array_like=True, tag=7):
    """Answer: `SessionRow | None`."""

    localpart: str
    resource: str


class ArchivePage(Query, frozen=True, array_like=True, tag=8):
    """
    A page of an account's archive (XEP-0313 section 4, XEP-0059). Answer: `Page`.

    Attributes:
        contact: Bare or full JID of the other side, or None for all.
        start_ms, end_ms: Bounds in cluster time, both included.
        after, before: Exclusive bounds by position, of paging and of `after-id`/`before-id` alike (the narrower wins).
        positions: When not empty, just these.
        backward: Take the last `limit` rows rather than the first; the answer is in log order either way.
    """

    owner: str
    contact: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    after: Position | None = None
    before: Position | None = None
    positions: tuple[Position, ...] = ()
    backward: bool = False
    limit: int = 50


class ArchiveEnds(Query, frozen=True, array_like=True, tag=9):
    """Answer: `tuple[ArchiveRow, ArchiveRow] | None`, the first and last row of an archive (XEP-0313 section 5)."""

    owner: str


class AccountRow(NamedTuple):
    """One account. `created_ms` is cluster time."""

    localpart: str
    created_ms: int
    session_count: int


class Roster(NamedTuple):
    """A roster and its version, which grows with each change."""

    version: int
    items: list[RosterItem]


class SessionRow(NamedTuple):
    """One session. `priority` is None while it is not available; `presence` is its last broadcast stanza."""

    session_id: SessionId
    node_id: NodeId
    resource: str
    priority: int | None
    presence: bytes | None


class ArchiveRow(NamedTuple):
    """One archived message, `stanza` as in SendMessage."""

    position: Position
    time_ms: int
    stanza: bytes


class Page(NamedTuple):
    """
    A page of an archive.

    Attributes:
        complete: Nothing lies beyond the page in the direction it was asked for.
        count: Rows that match in all, paging aside.
        offset: Rows that match before the first of the page.
    """

    rows: list[ArchiveRow]
    complete: bool
    count: int  # type: ignore[assignment]  # hides the method of tuples, which nobody calls on a page
    offset: int


Answer = (
    tuple[Credential, ...]
    | bool
    | list[AccountRow]
    | Roster
    | list[SessionRow]
    | SessionRow
    | Page
    | tuple[ArchiveRow, ArchiveRow]
    | None
)
