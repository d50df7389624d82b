"""
IQ requests whose answers may be lost with the node that gave them.

A stanza that is counted (XEP-0198) is not sent again by its client. If it was an IQ request the client waits for the
answer, so whoever counts it says so along with the count, once: the command or the mark that covers the request for
the first time. From then on the request is kept until a mark says that the client has the answer.

After a resumption kept requests are answered again: with the outcome of their command where that is all the answer
says, else with an error of type wait, since what a request was told is kept nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from raftline.base.ids import SessionId
from raftline.machine.commands import OpenRequest, SessionOrigin
from raftline.machine.context import Context
from raftline.machine.idempotency import encode_outcome
from raftline.machine.outcomes import Outcome
from raftline.machine.records import KeptRequest, Progress

_NO_OUTCOME = b""


def note(context: Context, progress: Progress, requests: Sequence[OpenRequest]) -> None:
    """
    Keep requests that are covered from now on; those that were covered before have been told, or answered, before.

    Args:
        progress: Of the session, before the command or mark that tells.
    """
    session_id = progress.session_id
    if context.resumptions.get(session_id) is None:
        return
    for request in requests:
        if request.number > progress.inbound_count:
            row = KeptRequest(session_id, request.number, request.request_id, request.to, _NO_OUTCOME)
            context.kept_requests.put((session_id, request.number), row)


def keep_outcome(context: Context, origin: SessionOrigin, outcome: Outcome) -> None:
    """Keep what came of a command, if it is all that the answer to its request says."""
    own = origin.requests[-1]
    if own.number != origin.number or not own.is_command:
        return
    row = context.kept_requests.get((origin.session_id, origin.number))
    if row is not None:
        context.kept_requests.put((origin.session_id, origin.number), row._replace(outcome=encode_outcome(outcome)))


def of(context: Context, session_id: SessionId) -> list[KeptRequest]:
    """Requests of a session, in the order they came."""
    sql = "SELECT * FROM kept_request WHERE session_id = ? ORDER BY number"
    return [KeptRequest._make(row) for row in context.rows.select((context.kept_requests,), sql, (session_id,))]


def drop(context: Context, session_id: SessionId) -> None:
    """The session is over: nobody waits for answers."""
    for row in of(context, session_id):
        context.kept_requests.delete((session_id, row.number))
