"""
When an account was last there, and what it said as it left (XEP-0012 section 4); which of its resources left lately.

The latter is for sessions that are resumed (catch_up.py): their clients may have missed a farewell.
"""

from __future__ import annotations

from raftline.base.ids import AccountId
from raftline.machine.context import Context
from raftline.machine.records import Departure, LeftResource, Session


def note(context: Context, session: Session, stanza: bytes) -> None:
    """
    Note that a session, which is not available any more, left.

    Args:
        stanza: Its unavailable presence; empty when it went without one.
    """
    if not context.session_index.available(session.account_id):
        context.departures.put(session.account_id, Departure(session.account_id, context.time_ms, stanza))


def note_left(context: Context, session: Session) -> None:
    """Note that a resource is not available any more."""
    row = LeftResource(session.account_id, session.resource, context.position, context.time_ms)
    context.left_resources.put((session.account_id, session.resource), row)


def forget_left(context: Context, session: Session) -> None:
    """Note that a resource is available again."""
    context.left_resources.delete((session.account_id, session.resource))


def left_resources(context: Context, account_id: AccountId) -> list[str]:
    """Return the resources that left within the last hour and did not come back."""
    sql = "SELECT resource FROM left_resource WHERE account_id = ? ORDER BY resource"
    return [resource for (resource,) in context.rows.select((context.left_resources,), sql, (account_id,))]
