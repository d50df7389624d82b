"""
Reading archives (XEP-0313, XEP-0059).

Cost. A page is a range of an index, whatever the length of the archive: by owner, or by owner and contact. A bound in
time becomes a bound in position first, by bisection over all messages (some 45 steps), since time never falls as
positions rise. `count` and `offset` are counts over index ranges: no row of a message is touched, but the range is
walked, some 30 ns for each archived message. The filter by a full JID is the exception: it reads each message with
the contact's account.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from raftline.base.ids import Position
from raftline.base.limits import ARCHIVE_PAGE_ROW_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.queries import ArchiveEnds, ArchivePage, ArchiveRow, Page

EMPTY = Page(rows=[], complete=True, count=0, offset=0)
_POSITION_END = (1 << 63) - 1


class Paging(Protocol):
    """What queries of all archives have in common; see queries.ArchivePage."""

    @property
    def start_ms(self) -> int | None:
        """Earliest time."""

    @property
    def end_ms(self) -> int | None:
        """Latest time."""

    @property
    def after(self) -> Position | None:
        """Lower bound by position."""

    @property
    def before(self) -> Position | None:
        """Upper bound by position."""

    @property
    def positions(self) -> tuple[Position, ...]:
        """Just these, when not empty."""

    @property
    def backward(self) -> bool:
        """Whether the page is the last one."""

    @property
    def limit(self) -> int:
        """Rows at most."""


class ArchiveFilter(NamedTuple):
    """What rows match, paging aside: the FROM clause, conditions and their values, and the range of positions."""

    source: str
    conditions: str
    bindings: tuple[Any, ...]
    start: int
    end: int


def archive_page(context: Context, query: ArchivePage) -> Page:
    """Return a page of an archive; an empty one if there is no such account."""
    wanted = archive_filter(context, query)
    return EMPTY if wanted is None else page_of(context, wanted, query)


def page_of(context: Context, wanted: ArchiveFilter, query: Paging) -> Page:
    """Return the page of what matches that a query asks for."""
    tables = (context.archive, context.messages)
    limit = min(max(query.limit, 0), ARCHIVE_PAGE_ROW_COUNT_MAX)
    lower = wanted.start if query.after is None else max(wanted.start, query.after + 1)
    upper = wanted.end if query.before is None else min(wanted.end, query.before)
    order = "DESC" if query.backward else "ASC"
    found = context.rows.select(
        tables,
        f"SELECT archive.position FROM {wanted.source} WHERE {wanted.conditions}"  # noqa: S608 - own text alone
        f" AND archive.position >= ? AND archive.position < ? ORDER BY archive.position {order} LIMIT ?",
        (*wanted.bindings, lower, upper, limit + 1),
    )
    positions = sorted(position for (position,) in found[:limit])
    rows = [archive_row(context, position) for position in positions]
    return Page(
        rows,
        complete=len(found) <= limit,
        count=_count(context, wanted, wanted.end),
        offset=_count(context, wanted, positions[0]) if positions else 0,
    )


def archive_ends(context: Context, query: ArchiveEnds) -> tuple[ArchiveRow, ArchiveRow] | None:
    """Return the first and the last row of an archive."""
    account = context.accounts.get(account_name(query.owner))
    if account is None:
        return None
    return ends_of(context, account.account_id)


def ends_of(context: Context, owner_id: int) -> tuple[ArchiveRow, ArchiveRow] | None:
    """Return the first and the last row of the archive of an account or a room."""
    sql = (
        "SELECT (SELECT min(position) FROM archive WHERE owner_id = ?1),"
        " (SELECT max(position) FROM archive WHERE owner_id = ?1)"
    )
    ((first, last),) = context.rows.select((context.archive,), sql, (owner_id,))
    if first is None:
        return None
    return archive_row(context, first), archive_row(context, last)


def account_name(owner: str) -> str:
    """Return the localpart of an archive's owner, which may be given as bare JID as well."""
    return owner.partition("@")[0]


def archive_filter(context: Context, query: ArchivePage) -> ArchiveFilter | None:
    """Turn a query into conditions; None if nothing can match."""
    account = context.accounts.get(account_name(query.owner))
    if account is None:
        return None
    source, conditions = "archive", "archive.owner_id = ?"
    bindings: tuple[Any, ...] = (account.account_id,)
    if query.contact is not None:
        bare_jid, _, resource = query.contact.partition("/")
        address = context.addresses.get(bare_jid)
        if address is None:
            return None
        conditions += " AND archive.contact_id = ?"
        bindings += (address.address_id,)
        if resource:
            source += " JOIN message USING (position)"
            conditions += (
                " AND CASE WHEN sender_id = archive.contact_id AND from_resource = ? THEN 1"
                " ELSE (sender_id <> archive.contact_id OR archive.contact_id = ?) AND to_resource = ? END"
            )
            bindings += (resource, account.address_id, resource)
    return filter_of(context, source, conditions, bindings, query)


def filter_of(
    context: Context, source: str, conditions: str, bindings: tuple[Any, ...], query: Paging
) -> ArchiveFilter:
    """Narrow conditions by the ids and the times that a query names."""
    if query.positions:
        positions = sorted(set(query.positions))
        conditions += f" AND archive.position IN ({','.join('?' * len(positions))})"
        bindings += tuple(positions)
    start = 0 if query.start_ms is None else position_at(context, query.start_ms)
    end = _POSITION_END if query.end_ms is None else position_at(context, query.end_ms + 1)
    return ArchiveFilter(source, conditions, bindings, start, end)


def _count(context: Context, wanted: ArchiveFilter, end: int) -> int:
    """Count the rows that match before a position."""
    sql = (
        f"SELECT count(*) FROM {wanted.source} WHERE {wanted.conditions}"  # noqa: S608 - own text alone
        " AND archive.position >= ? AND archive.position < ?"
    )
    bindings = (*wanted.bindings, wanted.start, end)
    return int(context.rows.select((context.archive, context.messages), sql, bindings)[0][0])


def position_at(context: Context, time_ms: int) -> int:
    """Return the lowest position from which on all messages are at `time_ms` or later."""
    tables = (context.messages,)
    ((low, high),) = context.rows.select(tables, "SELECT min(position), max(position) FROM message")
    if low is None:
        return 0
    high += 1
    sql = "SELECT position, time_ms FROM message WHERE position >= ? ORDER BY position LIMIT 1"
    while low < high:
        middle = (low + high) // 2
        position, found_ms = context.rows.select(tables, sql, (middle,))[0]
        if found_ms >= time_ms:
            high = middle
        else:
            low = position + 1
    return int(low)


def archive_row(context: Context, position: int) -> ArchiveRow:
    """Return the row of a message that is there."""
    message = context.messages.get(position)
    assert message is not None, position
    return ArchiveRow(Position(position), message.time_ms, message.stanza)
