"""
Sessions that outlive their node (XEP-0198 section 5).

A session that can be resumed is in one of two states:

    held ── DetachSession, or its node's life ends ──> waiting ── its time is over ──> ended
     ^  └──────────── ResumeSession ────────────┐         │
     └──────────────────────────────────────────┴─────────┘

Waiting, it is as bound and as available as before: it takes messages into its inbox, its contacts see no change. The
clock that ends it is cluster time, which moves with the entries of the log: whether a command finds the session or
not is the same on every node, and so `due_ms` is looked at by every command that cares, not by CarryOutDue alone.

A take-over needs no one's consent. It begins an epoch, which makes everything stale that the former holder has under
way; that node learns of it from the log like everyone else. So two nodes never both speak for a session.

What a client is owed after it comes back is in the rows: inbox, kept requests, rosters, presence (see catch_up.py).
"""

from __future__ import annotations

from hmac import compare_digest

from raftline.base.ids import SessionId
from raftline.machine import sessions
from raftline.machine.commands import DetachSession, ResumeSession
from raftline.machine.context import Context
from raftline.machine.outbox import SessionOverdue
from raftline.machine.outcomes import Done, Gone, Outcome, Rejected, Resumed, SessionReleased, Stale
from raftline.machine.push.alerts import device_left
from raftline.machine.push.registrations import device_returned
from raftline.machine.records import Account, Resumption, Session
from raftline.machine.rooms import alerting, deliveries

_STALE = Stale()
_TIMED_OUT = "connection-timeout"


def detach_session(context: Context, action: DetachSession) -> Outcome:
    """Let a session wait; end it if it cannot be resumed."""
    session = sessions.at_epoch(context, action.session_id, action.epoch)
    if not isinstance(session, Session):
        return session
    row = context.resumptions.get(action.session_id)
    if row is None:
        sessions.end_session(context, session, "")
    else:
        _start_clock(context, session, row)
    return Done()


def release(context: Context, session: Session) -> None:
    """The node that holds the session is dead, or in another life: let it wait, or end it."""
    row = context.resumptions.get(session.session_id)
    if row is None:
        sessions.end_session(context, session, "reset")
    elif not row.due_ms:
        _start_clock(context, session, row)
        progress = context.progress.get(session.session_id)
        assert progress is not None, session.session_id
        context.events.append(SessionReleased(session.node_id, session.session_id, progress.epoch, "reset"))


def resume_session(context: Context, action: ResumeSession) -> Outcome:
    """Take a session over."""
    if sessions.is_over(context, action.node_id, action.incarnation):
        return _STALE
    account = context.accounts.get(action.localpart)
    row = context.resumptions.get(action.session_id)
    if account is None:
        return _not_found()
    if row is None:
        return _ended(context, account, action)
    session = context.sessions.get(action.session_id)
    progress = context.progress.get(action.session_id)
    assert session is not None, action.session_id
    assert progress is not None, action.session_id
    if session.account_id != account.account_id or not compare_digest(row.token, action.token):
        return _not_found()
    if is_overdue(context, row):
        sessions.end_session(context, session, _TIMED_OUT)
        return _ended(context, account, action)
    epoch = progress.epoch + 1
    context.events.append(SessionReleased(session.node_id, session.session_id, progress.epoch, "conflict"))
    context.sessions.put(session.session_id, session._replace(node_id=action.node_id, incarnation=action.incarnation))
    context.session_index.changed(session.account_id)
    deliveries.session_moved(context, session)
    context.resumptions.put(session.session_id, row._replace(due_ms=0))
    context.progress.put(session.session_id, progress._replace(epoch=epoch))
    device_returned(context, session)
    return Done(
        Resumed(
            session.session_id,
            epoch,
            session.resource,
            progress.number,
            progress.inbound_count,
            row.inbound_base,
        )
    )


def expire_session(context: Context, session_id: SessionId) -> None:
    """End a session whose time is over (timers/due.py)."""
    session = context.sessions.get(session_id)
    assert session is not None, session_id
    sessions.end_session(context, session, _TIMED_OUT)


def end_overdue(context: Context, overdue: SessionOverdue) -> None:
    """End a session that waits and can take no more messages, as if its time were over."""
    session = context.sessions.get(overdue.session_id)
    row = context.resumptions.get(overdue.session_id)
    if session is not None and row is not None and row.due_ms:
        sessions.end_session(context, session, _TIMED_OUT)


def is_overdue(context: Context, row: Resumption) -> bool:
    """Whether the time of a session is over, though no command has ended it yet."""
    return 0 < row.due_ms <= context.time_ms


def _start_clock(context: Context, session: Session, row: Resumption) -> None:
    if not row.due_ms:
        context.resumptions.put(row.session_id, row._replace(due_ms=context.time_ms + row.timeout_ms))
        deliveries.session_waits(context, session)
        alerting.device_left(context, session)
        device_left(context, session, context.inboxes.of(session.session_id).values())


def _ended(context: Context, account: Account, action: ResumeSession) -> Outcome:
    """Tell how far a session had come that is over, if it was this account's."""
    ended = context.ended_sessions.get(action.session_id)
    if ended is None or ended.account_id != account.account_id or not compare_digest(ended.token, action.token):
        return _not_found()
    return Done(Gone(ended.handled_count))


def _not_found() -> Rejected:
    return Rejected("item-not-found", "cancel", "There is no such session.")
