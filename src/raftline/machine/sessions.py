"""
Sessions: bound, fenced by number and epoch, marked, ended.

A session's commands form a chain: each names its own stanza number and that of the session's command before it. A
command whose number was reached already is a repeat; one whose predecessor is missing, or whose epoch is over, has no
effect. So a retry after an unknown outcome is harmless, whatever order retries arrive in.

A session that can be resumed outlives the node that holds it; see resumption.py.
"""

from __future__ import annotations

from raftline.base.ids import CURSOR_START, Cursor, NodeId, SessionId
from raftline.base.limits import ACCOUNT_SESSION_COUNT_MAX, RESOURCE_SIZE_MAX, RESUMPTION_TOKEN_SIZE
from raftline.machine import inbox, kept_requests, presence
from raftline.machine.commands import (
    BindSession,
    EnableManagement,
    EndSession,
    EndSessions,
    MarkSessions,
    SessionMark,
    SessionOrigin,
)
from raftline.machine.context import Context
from raftline.machine.outcomes import Bound, Done, Outcome, Rejected, Repeated, SessionEnded, Stale
from raftline.machine.pubsub.capabilities import forget_capabilities
from raftline.machine.push.alerts import device_left
from raftline.machine.push.registrations import device_returned
from raftline.machine.records import Account, EndedSession, Progress, Resumption, Session
from raftline.machine.rooms import alerting, deliveries

FIRST_EPOCH = 1

_REPEATED = Repeated()
_STALE = Stale()


def admit(context: Context, origin: SessionOrigin) -> Session | Repeated | Stale:
    """Decide whether a command is the next of its session; if so it counts as done, whatever comes of it."""
    progress = context.progress.get(origin.session_id)
    if progress is None or progress.epoch != origin.epoch:
        return _STALE
    number = origin.number
    if number <= progress.number:
        return _REPEATED
    if origin.previous != progress.number:
        return _STALE
    session = context.sessions.get(origin.session_id)
    assert session is not None, origin.session_id
    if origin.requests:
        kept_requests.note(context, progress, origin.requests)
    inbound_count = max(progress.inbound_count, number)
    context.progress.put(
        session.session_id,
        Progress(session.session_id, progress.epoch, number, inbound_count, progress.delivered, progress.acknowledged),
    )
    return session


def bind_session(context: Context, action: BindSession) -> Outcome:
    """Bind a resource; whoever holds it goes (RFC 6120 section 7.7.2.2, the third way)."""
    if not is_resource(action.resource):
        return Rejected("bad-request", "modify", "The resource is empty or too long.")
    if is_over(context, action.node_id, action.incarnation):
        return _STALE
    account = context.accounts.get(action.localpart)
    if account is None:
        return Rejected("item-not-found", "cancel", "There is no such account.")
    holder = context.session_index.at(account.account_id, action.resource)
    if holder is not None:
        end_session(context, holder, "conflict")
    elif len(context.session_index.ids(account.account_id)) >= ACCOUNT_SESSION_COUNT_MAX and not _make_room(
        context, account
    ):
        return Rejected("resource-constraint", "wait", "The account has too many sessions.")
    session = Session(
        SessionId(context.next_number("session")),
        account.account_id,
        account.localpart,
        action.resource,
        action.node_id,
        action.incarnation,
        context.time_ms,
        managed=0,
        interested=0,
        carbons=0,
        blocklist=0,
    )
    add_session(context, session)
    return Done(Bound(session.session_id, FIRST_EPOCH))


def add_session(context: Context, session: Session) -> None:
    """Write a new session, in its first epoch."""
    context.session_index.added(session)
    context.inboxes.opened(session.session_id)
    context.visits.opened(session.session_id)
    context.sessions.insert(session.session_id, session)
    context.progress.insert(
        session.session_id,
        Progress(session.session_id, FIRST_EPOCH, 0, 0, *CURSOR_START),
    )
    device_returned(context, session)


def is_resource(resource: str) -> bool:
    """Whether a resource has a size that one may have."""
    return 0 < len(resource.encode()) <= RESOURCE_SIZE_MAX


def is_over(context: Context, node_id: NodeId, incarnation: int) -> bool:
    """Whether a life of a node has ended, so that nobody would ever end what it holds."""
    node = context.nodes.get(node_id)
    return node is not None and (incarnation < node.started or incarnation <= node.buried)


def _make_room(context: Context, account: Account) -> bool:
    """End the session that has waited longest to be resumed, if any does: its client may have gone another way."""
    waiting = [
        (row.due_ms - row.timeout_ms, session.session_id)
        for session in context.session_index.of(account.account_id)
        if (row := context.resumptions.get(session.session_id)) is not None and row.due_ms
    ]
    if not waiting:
        return False
    session = context.sessions.get(min(waiting)[1])
    assert session is not None, account.localpart
    end_session(context, session, "connection-timeout")
    return True


def at_epoch(context: Context, session_id: SessionId, epoch: int) -> Session | Done | Stale:
    """Return a session in the epoch that is named; Done if it is over, Stale if it was taken over since."""
    progress = context.progress.get(session_id)
    if progress is None:
        return Done()
    if progress.epoch != epoch:
        return _STALE
    session = context.sessions.get(session_id)
    assert session is not None, session_id
    return session


def end_session_command(context: Context, action: EndSession) -> Outcome:
    """End a session at the wish of its stream."""
    session = at_epoch(context, action.session_id, action.epoch)
    if not isinstance(session, Session):
        return session
    end_session(context, session, "")
    return Done()


def end_sessions(context: Context, action: EndSessions) -> Outcome:
    """End an account's sessions, or the one of a resource, at the wish of an administrator."""
    account = context.accounts.get(action.localpart)
    found = [] if account is None else context.session_index.of(account.account_id)
    ended = [session for session in found if action.resource in {"", session.resource}]
    for session in ended:
        end_session(context, session, "policy-violation")
    return Done() if ended else Rejected("item-not-found", "cancel", "There is no such session.")


def enable_management(context: Context, action: EnableManagement) -> Outcome:
    """From here on keep what the session has not acknowledged, and let it be resumed if it has a token."""
    if action.token and len(action.token) != RESUMPTION_TOKEN_SIZE:
        return Rejected("bad-request", "modify", "The token has another size.")
    session = at_epoch(context, action.session_id, action.epoch)
    if not isinstance(session, Session):
        return _STALE
    if not session.managed:
        context.sessions.put(session.session_id, session._replace(managed=1))
        context.session_index.changed(session.account_id)
        if action.token and action.timeout_s:
            account = context.accounts.get(session.localpart)
            assert account is not None, session.localpart
            context.resumptions.insert(
                session.session_id,
                Resumption(
                    session.session_id,
                    action.token,
                    action.inbound_base,
                    action.timeout_s * 1000,
                    due_ms=0,
                    roster_version=account.roster_version,
                ),
            )
    return Done()


def mark_sessions(context: Context, action: MarkSessions) -> Outcome:
    """Take over the progress of a node's sessions; marks of sessions that are over are skipped."""
    for mark in action.marks:
        _mark_session(context, mark)
    return Done()


def _mark_session(context: Context, mark: SessionMark) -> None:
    progress = context.progress.get(mark.session_id)
    if progress is None or progress.epoch != mark.epoch:
        return
    # What comes later in the log was not delivered before.
    acknowledged = min(mark.acknowledged, Cursor(context.position, context.position))
    session = context.sessions.get(mark.session_id)
    assert session is not None, mark.session_id
    if session.managed and acknowledged > CURSOR_START:
        inbox.acknowledge(context, session, acknowledged)
        deliveries.acknowledge(context, session, acknowledged)
    if mark.requests:
        kept_requests.note(context, progress, mark.requests)
    for number in mark.answered:
        context.kept_requests.delete((mark.session_id, number))
    acknowledged = max(acknowledged, Cursor(progress.delivered, progress.acknowledged))
    inbound_count = max(mark.inbound_count, progress.inbound_count)
    context.progress.put(
        mark.session_id,
        Progress(mark.session_id, progress.epoch, progress.number, inbound_count, *acknowledged),
    )
    if mark.roster_version:
        _mark_roster(context, mark)


def _mark_roster(context: Context, mark: SessionMark) -> None:
    row = context.resumptions.get(mark.session_id)
    if row is not None and mark.roster_version > row.roster_version:
        context.resumptions.put(mark.session_id, row._replace(roster_version=mark.roster_version))


def end_session(context: Context, session: Session, reason: str, *, keep_messages: bool = True) -> None:
    """
    End a session: it is gone first, so that nothing said about its end comes back to it.

    Args:
        reason: As in `SessionEnded`.
        keep_messages: What it had not acknowledged becomes offline messages; not so when its account goes as well.
    """
    if keep_messages:
        alerting.device_left(context, session)
    last_presence = context.presences.delete(session.session_id)
    forget_capabilities(context, session)
    owed = list(context.inboxes.of(session.session_id).values())
    context.session_index.removed(session)
    context.sessions.delete(session.session_id)
    progress = context.progress.delete(session.session_id)
    resumption = context.resumptions.delete(session.session_id)
    if progress is not None and resumption is not None:
        kept_requests.drop(context, session.session_id)
        _remember_end(context, session, progress, resumption)
    context.events.append(SessionEnded(session.node_id, session.session_id, reason))
    deliveries.session_ended(context, session)
    if last_presence is not None:
        presence.broadcast_loss(context, session)
    if keep_messages:
        device_left(context, session, owed)
    inbox.release(context, session, owed, keep_messages=keep_messages)


def _remember_end(context: Context, session: Session, progress: Progress, resumption: Resumption) -> None:
    """Keep how far the session had come: its client may come back for that (XEP-0198 section 5)."""
    context.ended_sessions.insert(
        session.session_id,
        EndedSession(
            session.session_id,
            session.account_id,
            resumption.token,
            max(progress.inbound_count - resumption.inbound_base, 0),
            context.position,
            context.time_ms,
        ),
    )
