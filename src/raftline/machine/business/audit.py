"""The audit trail: a line for each change that an operator or a program makes to what businesses there are."""

from __future__ import annotations

from raftline.base.business_limits import BUSINESS_AUDIT_COUNT_MAX
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.tables import App, AuditLine
from raftline.machine.context import Context


def note(context: Context, business_id: int, actor: str, action: str, detail: str) -> None:
    """Write a line of the audit trail; where there are too many, the oldest goes. One command writes one line."""
    audit = context.business.audit
    if audit.get(context.position) is None:
        ((count, oldest),) = context.rows.select((audit,), "SELECT count(*), min(position) FROM business_audit")
        if count >= BUSINESS_AUDIT_COUNT_MAX:
            audit.delete(oldest)
    audit.put(context.position, AuditLine(context.position, context.time_ms, business_id, actor, action, detail))


def note_app(context: Context, app: App, actor: str, action: str, detail: str) -> None:
    """Write a line about an application, which people know by the id of the Cloud API."""
    note(context, app.business_id, actor, action, f"app {graph_id(GraphKind.APP, app.app_id)}: {detail}")
