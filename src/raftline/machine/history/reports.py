"""
Reports of spam and abuse (XEP-0377), kept for the operators: who blocked whom, why, and which messages say so.

A report names messages by position and holds none of their text: what is retracted or deleted is gone here as well.
The number of reports is bounded, and so is that of each account; the oldest go first.
"""

from __future__ import annotations

import msgspec

from raftline.base.ids import Position
from raftline.base.limits import (
    ACCOUNT_REPORT_COUNT_MAX,
    JID_SIZE_MAX,
    REPORT_COUNT_MAX,
    REPORT_REASON_SIZE_MAX,
    REPORT_TEXT_SIZE_MAX,
)
from raftline.machine.context import Context
from raftline.machine.history.answers import ReportRecord
from raftline.machine.history.commands import Report
from raftline.machine.history.queries import ListReports
from raftline.machine.history.tables import ReportRow
from raftline.machine.outcomes import Rejected
from raftline.machine.records import Account

_PAGE_ROW_COUNT_MAX = 100
_POSITION_END = (1 << 63) - 1
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[int, ...])


def check_reports(reports: tuple[Report, ...]) -> Rejected | None:
    """Return why reports cannot be kept; None if they can."""
    for report in reports:
        if len(report.text.encode()) > REPORT_TEXT_SIZE_MAX:
            return Rejected("not-acceptable", "modify", f"A report has at most {REPORT_TEXT_SIZE_MAX} bytes of text.")
        if not 0 < len(report.reason.encode()) <= REPORT_REASON_SIZE_MAX or len(report.jid.encode()) > JID_SIZE_MAX:
            return Rejected("bad-request", "modify", "A report has no reason, or one that is too long.")
    return None


def keep_reports(context: Context, account: Account, reports: tuple[Report, ...]) -> None:
    """Keep what an account reports, in the place of what it reported long ago."""
    for number, report in enumerate(reports[-ACCOUNT_REPORT_COUNT_MAX:]):
        row = ReportRow(
            context.position,
            number,
            account.account_id,
            context.time_ms,
            report.jid,
            report.reason,
            report.text,
            _ENCODER.encode(report.messages),
            report.consents,
        )
        context.reports.insert((context.position, number), row)
    if reports:
        _forget_oldest(context, "WHERE account_id = ?", (account.account_id,), ACCOUNT_REPORT_COUNT_MAX)
        _forget_oldest(context, "", (), REPORT_COUNT_MAX)


def delete_reports(context: Context, account: Account) -> None:
    """Delete what a deleted account has reported."""
    _forget_oldest(context, "WHERE account_id = ?", (account.account_id,), 0)


def list_reports(context: Context, query: ListReports) -> list[ReportRecord]:
    """Return a page of reports, the last first."""
    end = (_POSITION_END, 0) if query.before is None else query.before
    limit = min(max(query.limit, 0), _PAGE_ROW_COUNT_MAX)
    sql = "SELECT * FROM report WHERE (position, number) < (?, ?) ORDER BY position DESC, number DESC LIMIT ?"
    found = [ReportRow._make(row) for row in context.rows.select((context.reports,), sql, (*end, limit))]
    return [
        ReportRecord(
            Position(row.position),
            row.number,
            row.account_id,
            row.time_ms,
            row.jid,
            row.reason,
            row.text,
            _DECODER.decode(row.messages),
            row.consents,
        )
        for row in found
    ]


def _forget_oldest(context: Context, condition: str, bindings: tuple[int, ...], count_max: int) -> None:
    tables = (context.reports,)
    ((count,),) = context.rows.select(tables, f"SELECT count(*) FROM report {condition}", bindings)  # noqa: S608
    if count <= count_max:
        return
    sql = f"SELECT position, number FROM report {condition} ORDER BY position, number LIMIT ?"  # noqa: S608
    for key in context.rows.select(tables, sql, (*bindings, count - count_max)):
        context.reports.delete(tuple(key))
