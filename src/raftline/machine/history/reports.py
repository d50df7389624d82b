"""
Reports of spam and abuse (XEP-0377), kept for the operators: who blocked whom, why, and which messages say so.

A report names messages by position and holds none of their text: what is retracted or deleted is gone here as well.
What operators read of those messages is read from the reporter's archive while it is there.

The number of reports is bounded, and so is that of each account; the oldest go first, and each after half a year
(pruning.py). One that an operator has closed stays until then.
"""

from __future__ import annotations

import msgspec

from raftline.base.ids import AccountId, Position
from raftline.base.limits import (
    ACCOUNT_REPORT_COUNT_MAX,
    JID_SIZE_MAX,
    REPORT_COUNT_MAX,
    REPORT_EXCERPT_CHARACTERS_MAX,
    REPORT_PAGE_ROW_COUNT_MAX,
    REPORT_REASON_SIZE_MAX,
    REPORT_TEXT_SIZE_MAX,
)
from raftline.machine.context import Context
from raftline.machine.conversations.payloads import content_of
from raftline.machine.history.answers import ReportRecord
from raftline.machine.history.commands import CloseReport, Report
from raftline.machine.history.queries import ListReports
from raftline.machine.history.tables import ReportRow
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Account

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


def close_report(context: Context, action: CloseReport) -> Outcome:
    """Note that an operator is done with a report."""
    key = (Position(action.position), action.number)
    row = context.reports.get(key)
    if row is None or row.closed_ms:
        return Rejected("item-not-found", "cancel", "There is no such report, or it is closed.")
    context.reports.put(key, row._replace(closed_ms=context.time_ms))
    return Done()


def delete_reports(context: Context, account: Account) -> None:
    """Delete what a deleted account has reported."""
    _forget_oldest(context, "WHERE account_id = ?", (account.account_id,), 0)


def list_reports(context: Context, query: ListReports) -> list[ReportRecord]:
    """Return a page of reports, the last first, and one more, which tells that there are more."""
    end = (_POSITION_END, 0) if query.before is None else query.before
    limit = min(max(query.limit, 0), REPORT_PAGE_ROW_COUNT_MAX + 1)
    state = "" if query.is_closed is None else f"AND (closed_ms > 0) = {int(query.is_closed)}"
    sql = (
        f"SELECT * FROM report WHERE (position, number) < (?, ?) {state}"  # noqa: S608 - own text alone
        " ORDER BY position DESC, number DESC LIMIT ?"
    )
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
            messages := _DECODER.decode(row.messages),
            row.consents,
            row.closed_ms,
            _name_of(context, row.account_id),
            tuple(_excerpt(context, row.account_id, Position(position)) for position in messages),
        )
        for row in found
    ]


def _name_of(context: Context, account_id: AccountId) -> str:
    sql = "SELECT localpart FROM account WHERE account_id = ?"
    found = context.rows.select((context.accounts,), sql, (account_id,))
    return str(found[0][0]) if found else ""


def _excerpt(context: Context, account_id: AccountId, position: Position) -> str:
    """Read what a message says, as far as its reporter's archive has it."""
    message = context.messages.get(position) if context.archive.get((account_id, position)) is not None else None
    return "" if message is None else content_of(message.stanza).body[:REPORT_EXCERPT_CHARACTERS_MAX]


def _forget_oldest(context: Context, condition: str, bindings: tuple[int, ...], count_max: int) -> None:
    tables = (context.reports,)
    ((count,),) = context.rows.select(tables, f"SELECT count(*) FROM report {condition}", bindings)  # noqa: S608
    if count <= count_max:
        return
    sql = f"SELECT position, number FROM report {condition} ORDER BY position, number LIMIT ?"  # noqa: S608
    for key in context.rows.select(tables, sql, (*bindings, count - count_max)):
        context.reports.delete(tuple(key))
