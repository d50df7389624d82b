"""
Reports of spam and abuse over HTTP, behind the administrator's token (XEP-0377).

    GET  /admin/v1/reports?state=open&before=ID&limit=N   {"reports": [...], "next": ID or null}, the last first
    POST /admin/v1/reports/ID/close                       204; once

A report is `{"id", "reporter", "reported", "reason", "text", "time_ms", "closed_ms", "messages": [{"id", "text"}],
"may_tell_origin", "may_tell_others"}`. `state` is `open`, `closed` or `all`; `closed_ms` is null while it is open. The
text of a message is null where it has none, is encrypted, or is in the reporter's archive no more. Reports are
forgotten after half a year, closed or not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.base.ids import Position, format_stanza_id
from raftline.base.limits import REPORT_PAGE_ROW_COUNT_MAX
from raftline.machine.history.answers import ReportRecord
from raftline.machine.history.commands import CloseReport, ReportConsent
from raftline.machine.history.queries import ListReports
from raftline.web.admin import Admin, page_limit
from raftline.web.replies import BadRequest, json_reply, require_done

_STATES: Final = {"open": False, "closed": True, "all": None}
_ID: Final = re.compile(r"(\d{1,18})-(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reports:
    """The endpoints."""

    admin: Admin

    def routes(self) -> list[Route]:
        """Return all routes, each behind the token."""
        guard = self.admin.guarded
        return [
            Route("/admin/v1/reports", guard(self.list_some), methods=["GET"]),
            Route("/admin/v1/reports/{id}/close", guard(self.close), methods=["POST"]),
        ]

    async def list_some(self, request: Request) -> Response:
        """List reports, a page at a time."""
        limit = page_limit(request, REPORT_PAGE_ROW_COUNT_MAX)
        state = request.query_params.get("state", "open")
        if state not in _STATES:
            raise BadRequest(400, "bad-request", f"state must be one of {', '.join(_STATES)}.")
        before = request.query_params.get("before")
        start = None if before is None else _parse_id(before)
        if before is not None and start is None:
            raise BadRequest(400, "bad-request", "before must be the id of a report.")
        node = self.admin.node
        await node.barrier()
        found = cast("list[ReportRecord]", await node.ask(ListReports(start, limit + 1, _STATES[state])))
        shown = [self._shown(record) for record in found[:limit]]
        return json_reply({"reports": shown, "next": shown[-1]["id"] if len(found) > limit else None})

    async def close(self, request: Request) -> Response:
        """Note that an operator is done with a report."""
        key = _parse_id(request.path_params["id"])
        if key is None:
            raise BadRequest(404, "item-not-found", "There is no such report.")
        require_done(await self.admin.node.execute(CloseReport(*key), key=self.admin.key_of(request)))
        return Response(status_code=204)

    def _shown(self, record: ReportRecord) -> dict[str, Any]:
        domain, epochs = self.admin.node.domain, self.admin.node.epochs
        return {
            "id": f"{record.position}-{record.number}",
            "reporter": f"{record.reporter}@{domain}",
            "reported": record.jid,
            "reason": record.reason,
            "text": record.text,
            "time_ms": record.time_ms,
            "closed_ms": record.closed_ms or None,
            "messages": [
                {"id": format_stanza_id(epochs, Position(position)), "text": text or None}
                for position, text in zip(record.messages, record.excerpts, strict=True)
            ],
            "may_tell_origin": bool(record.consents & ReportConsent.ORIGIN),
            "may_tell_others": bool(record.consents & ReportConsent.THIRD_PARTY),
        }


def _parse_id(text: str) -> tuple[Position, int] | None:
    found = _ID.fullmatch(text)
    return None if found is None else (Position(int(found[1])), int(found[2]))
