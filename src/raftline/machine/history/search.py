"""
Searching archives for words (XEP-0431), in parts.

An answer covers a window of an archive, so that no search holds up what is applied in between, however long the archive
is and however common the words are. Up to the position that is indexed, a window is many messages, found through the
index; behind it few, which are read and matched in a small index of their own, so that words mean the same there.
Whoever asks goes on from `Found.next` until the page is full.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from raftline.base.ids import Position
from raftline.base.limits import (
    ARCHIVE_PAGE_ROW_COUNT_MAX,
    SEARCH_WINDOW_ROW_COUNT_MAX,
    UNINDEXED_WINDOW_ROW_COUNT_MAX,
)
from raftline.machine.archive import ArchiveFilter, archive_filter, archive_row
from raftline.machine.context import Context
from raftline.machine.history.answers import Found
from raftline.machine.history.queries import SearchArchive
from raftline.machine.history.search_index import document_of, expression_of, make_index
from raftline.machine.queries import ArchivePage

_NOTHING: Final = Found([], None)


def search_archive(context: Context, query: SearchArchive) -> Found:
    """Return what the next window of an archive holds; see the head of this module."""
    page = query.page
    wanted = archive_filter(context, page)
    expression = expression_of(query.text, _people(context, page))
    limit = min(max(page.limit, 0), ARCHIVE_PAGE_ROW_COUNT_MAX)
    if wanted is None or expression is None or not limit:
        return _NOTHING
    lower = wanted.start if page.after is None else max(wanted.start, page.after + 1)
    upper = wanted.end if page.before is None else min(wanted.end, page.before)
    indexed_end = context.search.indexed_position + 1
    is_indexed = (upper <= indexed_end) if page.backward else (lower < indexed_end)
    if is_indexed:
        low, high = lower, min(upper, indexed_end)
        count_max = SEARCH_WINDOW_ROW_COUNT_MAX
    else:
        low, high = max(lower, indexed_end), upper
        count_max = UNINDEXED_WINDOW_ROW_COUNT_MAX
    bound = _bound(context, wanted, low, high, count_max, backward=page.backward)
    if bound is not None:
        low, high = (bound, high) if page.backward else (low, bound + 1)
    find = _find_indexed if is_indexed else _find_unindexed
    positions = find(context, wanted, expression, low, high, backward=page.backward)
    is_cut = len(positions) > limit
    rows = [archive_row(context, position) for position in sorted(positions[:limit])]
    if is_cut:
        last = rows[0] if page.backward else rows[-1]
        return Found(rows, last.position)
    if page.backward:
        return Found(rows, Position(low) if low > lower else None)
    return Found(rows, Position(high - 1) if high < upper else None)


def _people(context: Context, page: ArchivePage) -> list[str]:
    """Return the addresses that stand on all messages of a page: of an account both sides, of anything else its own."""
    owner = page.owner if "@" in page.owner else context.bare_jid(page.owner)
    if page.contact is None or context.account_named(owner) is None:
        return [owner]
    return [owner, page.contact.partition("/")[0]]


def _bound(
    context: Context, wanted: ArchiveFilter, low: int, high: int, count_max: int, *, backward: bool
) -> int | None:
    """Return the position of the last row of a window; None when all that is left is no more than a window."""
    order = "DESC" if backward else "ASC"
    sql = (
        f"SELECT archive.position FROM {wanted.source} WHERE {wanted.conditions}"  # noqa: S608 - own text alone
        f" AND archive.position >= ? AND archive.position < ? ORDER BY archive.position {order} LIMIT 1 OFFSET ?"
    )
    bindings = (*wanted.bindings, low, high, count_max - 1)
    found = context.rows.select((context.archive, context.messages), sql, bindings)
    return int(found[0][0]) if found else None


def _find_indexed(
    context: Context, wanted: ArchiveFilter, expression: str, low: int, high: int, *, backward: bool
) -> list[int]:
    """Find positions through the index, one more than fits on any page at most."""
    order = "DESC" if backward else "ASC"
    sql = (
        f"SELECT archive.position FROM search CROSS JOIN {wanted.source}"  # noqa: S608 - own text alone
        " WHERE search MATCH ? AND search.rowid >= ? AND search.rowid < ? AND archive.position = search.rowid"
        f" AND {wanted.conditions} ORDER BY search.rowid {order} LIMIT ?"
    )
    bindings: tuple[Any, ...] = (expression, low, high, *wanted.bindings, ARCHIVE_PAGE_ROW_COUNT_MAX + 1)
    return [position for (position,) in context.rows.select((context.archive, context.messages), sql, bindings)]


def _find_unindexed(
    context: Context, wanted: ArchiveFilter, expression: str, low: int, high: int, *, backward: bool
) -> list[int]:
    """Find positions by reading messages."""
    sql = (
        f"SELECT archive.position FROM {wanted.source} WHERE {wanted.conditions}"  # noqa: S608 - own text alone
        " AND archive.position >= ? AND archive.position < ? ORDER BY archive.position"
    )
    found = context.rows.select((context.archive, context.messages), sql, (*wanted.bindings, low, high))
    database = apsw.Connection(":memory:")
    try:
        make_index(database)
        for (position,) in found:
            message = context.messages.get(position)
            document = None if message is None else document_of(message.stanza)
            if document is not None:
                insert = "INSERT INTO search (rowid, people, body) VALUES (?, ?, ?)"
                database.execute(insert, (position, *document))
        order = "DESC" if backward else "ASC"
        sql = f"SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid {order}"  # noqa: S608 - as above
        return [position for (position,) in database.execute(sql, (expression,))]
    finally:
        database.close()
