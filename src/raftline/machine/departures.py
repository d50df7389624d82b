"""When an account was last there, and what it said as it left (XEP-0012 section 4)."""

from __future__ import annotations

from raftline.machine.context import Context
from raftline.machine.records import Departure, Session


def note(context: Context, session: Session, stanza: bytes) -> None:
    """
    Note that a session, which is not available any more, left.

    Args:
        stanza: Its unavailable presence; empty when it went without one.
    """
    if not context.session_index.available(session.account_id):
        context.departures.put(session.account_id, Departure(session.account_id, context.time_ms, stanza))
