"""Answers to the questions of an export (see queries.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.base.limits import EXPORT_PAGE_BYTES_MAX
from raftline.machine.archive import archive_row
from raftline.machine.commands import PrivateElement
from raftline.machine.context import Context
from raftline.machine.message_commands import Storage
from raftline.machine.portability.queries import OfflinePage, OfflineRow, PrivateElementsOf, RequestsOf


def private_elements_of(context: Context, query: PrivateElementsOf) -> tuple[PrivateElement, ...]:
    """Return all elements of private storage."""
    account = context.accounts.get(query.localpart)
    if account is None:
        return ()
    sql = "SELECT namespace, name, data FROM private WHERE account_id = ? ORDER BY namespace, name"
    return tuple(PrivateElement(*row) for row in context.rows.select((context.private,), sql, (account.account_id,)))


def requests_of(context: Context, query: RequestsOf) -> tuple[bytes, ...]:
    """Return requests that wait for an answer."""
    account = context.accounts.get(query.localpart)
    if account is None:
        return ()
    sql = "SELECT stanza FROM request WHERE account_id = ? ORDER BY contact"
    return tuple(stanza for (stanza,) in context.rows.select((context.requests,), sql, (account.account_id,)))


def offline_page(context: Context, query: OfflinePage) -> tuple[OfflineRow, ...]:
    """Return some of the messages that wait."""
    account = context.accounts.get(query.localpart)
    if account is None:
        return ()
    sql = "SELECT position, storage FROM offline WHERE account_id = ? AND position > ? ORDER BY position LIMIT ?"
    bindings = (account.account_id, query.after, max(query.limit, 1))
    rows: list[OfflineRow] = []
    byte_count = 0
    for position, storage in context.rows.select((context.offline,), sql, bindings):
        row = archive_row(context, position)
        byte_count += len(row.stanza)
        if rows and byte_count > EXPORT_PAGE_BYTES_MAX:
            break
        rows.append(OfflineRow(row, bool(storage & Storage.ARCHIVE)))
    return tuple(rows)


PORTABLE_ANSWERS: Final[Mapping[type, Callable[[Context, Any], Any]]] = MappingProxyType(
    {
        PrivateElementsOf: private_elements_of,
        RequestsOf: requests_of,
        OfflinePage: offline_page,
    }
)
