"""
Logging in, as one command (XEP-0388 section 2.6.1 with XEP-0198, XEP-0386 and XEP-0484).

The order is that of the specifications: a token that was used is looked at first, a session that is asked for is
resumed next, and only where that fails is one bound. Whatever can be refused is refused before anything is written, but
that a session which nobody resumed in time has ended: that is so whether or not anybody looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.limits import RESUMPTION_TOKEN_SIZE
from raftline.machine import inbox, resumption, sessions
from raftline.machine.commands import BindSession, EnableManagement, ResumeSession
from raftline.machine.login import tokens
from raftline.machine.login.commands import BindAsked, LogIn
from raftline.machine.outcomes import Bound, Done, Gone, LoggedIn, Outcome, Rejected, Resumed, Stale

if TYPE_CHECKING:
    from raftline.machine.context import Context
    from raftline.machine.records import Account

_NOT_AUTHORIZED: Final = Rejected("not-authorized", "auth", "There is no such account.")
_SASL_CONDITIONS: Final = {"bad-request": "malformed-request", "resource-constraint": "temporary-auth-failure"}
"""For what a bind is refused with."""


def log_in(context: Context, action: LogIn) -> Outcome:
    """Use and issue tokens, resume or bind."""
    if (action.bind or action.resume) and sessions.is_over(context, action.node_id, action.incarnation):
        return Stale()
    account = context.accounts.get(action.localpart)
    if account is None:
        return _NOT_AUTHORIZED
    used = None if action.use is None else tokens.find(context, account, action.use)
    if isinstance(used, Rejected):
        return used
    refusal = None if action.issue is None else tokens.check_issue(action.issue)
    if refusal is not None:
        return refusal
    resumed = gone = bound = None
    if action.resume is not None:
        resumed, gone = _resume(context, action)
    if action.bind is not None and resumed is None:
        outcome = _bind(context, account, action, action.bind)
        if isinstance(outcome, Rejected):
            return outcome
        bound = outcome
    expires_ms = 0
    if used is not None and action.use is not None:
        tokens.take(context, used, action.use)
    if action.issue is not None:
        expires_ms = tokens.issue(context, account, action.issue)
    return Done(LoggedIn(bound, resumed, gone, expires_ms))


def _resume(context: Context, action: LogIn) -> tuple[Resumed | None, Gone | None]:
    assert action.resume is not None
    wanted = action.resume
    outcome = resumption.resume_session(
        context,
        ResumeSession(action.localpart, wanted.session_id, wanted.token, action.node_id, action.incarnation),
    )
    result = outcome.result if isinstance(outcome, Done) else None
    return (result if isinstance(result, Resumed) else None, result if isinstance(result, Gone) else None)


def _bind(context: Context, account: Account, action: LogIn, wanted: BindAsked) -> Bound | Rejected:
    if wanted.token and len(wanted.token) != RESUMPTION_TOKEN_SIZE:
        return Rejected("malformed-request", "modify", "The token of the session has another size.")
    bind = BindSession(account.localpart, wanted.resource, action.node_id, action.incarnation)
    if sessions.is_resource(wanted.resource) and wanted.client:
        _end_earlier(context, account, wanted.client)
    outcome = sessions.bind_session(context, bind)
    if isinstance(outcome, Rejected):
        return outcome._replace(condition=_SASL_CONDITIONS.get(outcome.condition, outcome.condition))
    assert isinstance(outcome, Done)
    bound = outcome.result
    assert isinstance(bound, Bound)
    inbox.clear_archived(context, account)
    if wanted.carbons:
        session = context.sessions.get(bound.session_id)
        assert session is not None
        context.sessions.put(bound.session_id, session._replace(carbons=1))
        context.session_index.changed(account.account_id)
    if wanted.managed:
        enable = EnableManagement(bound.session_id, bound.epoch, 0, wanted.token, wanted.timeout_s)
        sessions.enable_management(context, enable)
    return bound


def _end_earlier(context: Context, account: Account, client: str) -> None:
    """End what the same client installation bound before, under whatever tag (XEP-0386 section 3.2)."""
    for session in context.session_index.of(account.account_id):
        if session.resource.rpartition("/")[2] == client:
            sessions.end_session(context, session, "conflict")
