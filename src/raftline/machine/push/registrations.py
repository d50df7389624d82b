"""
Registrations: which nodes of push services an account's devices have enabled (XEP-0357 sections 5, 6).

A registration belongs to the device that enabled it last, and a device is known by its resource: clients bind the same
one again, or enable anew when they do not. Decided against the session as its name: a device whose session is over is
just the one to be notified. Decided against the account as a whole, too: that the desk is connected says nothing of
the phone in a pocket.
"""

from __future__ import annotations

from raftline.base.ids import Position
from raftline.base.limits import (
    JID_SIZE_MAX,
    PUSH_NODE_SIZE_MAX,
    PUSH_OPTIONS_SIZE_MAX,
    PUSH_REGISTRATION_COUNT_MAX,
)
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.push import outbox
from raftline.machine.push.commands import DisablePush, EnablePush
from raftline.machine.push.tables import Registration
from raftline.machine.records import Account, Session


def enable_push(context: Context, session: Session, action: EnablePush) -> Outcome:
    """Make a registration; the last request counts for one that is there (section 5)."""
    if not 0 < len(action.service.encode()) <= JID_SIZE_MAX or len(action.node.encode()) > PUSH_NODE_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"A node has at most {PUSH_NODE_SIZE_MAX} bytes.")
    if len(action.options) > PUSH_OPTIONS_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"Options have at most {PUSH_OPTIONS_SIZE_MAX} bytes.")
    account_id = session.account_id
    known = context.push.registrations.get((account_id, action.service, action.node))
    if known is not None:
        again = known._replace(resource=session.resource, options=action.options, unread=0, failure_count=0, due_ms=0)
        context.push.put(again)
        context.push.change_count += 1
        if known.resource != session.resource:
            context.watchers.registrations_changed(account_id)
        return Done()
    if len(context.push.of(account_id)) >= PUSH_REGISTRATION_COUNT_MAX:
        text = f"An account enables at most {PUSH_REGISTRATION_COUNT_MAX} nodes of push services."
        return Rejected("resource-constraint", "cancel", text)
    made = Registration(
        account_id,
        action.service,
        action.node,
        context.position,
        session.resource,
        action.options,
        alerted=Position(0),
        unread=0,
        failure_count=0,
        due_ms=0,
    )
    context.push.put(made)
    context.watchers.registrations_changed(account_id)
    return Done()


def disable_push(context: Context, session: Session, action: DisablePush) -> Outcome:
    """End registrations; nothing that waits is published any more (section 6)."""
    for row in context.push.of(session.account_id):
        if row.service == action.service and action.node in {None, row.node}:
            outbox.end_registration(context, row)
    return Done()


def forget_account(context: Context, account: Account) -> None:
    """End all registrations of an account that is deleted; what waits is deleted in steps (pruning.py)."""
    for row in context.push.of(account.account_id):
        context.push.delete(row)


def device_returned(context: Context, session: Session) -> None:
    """A device is connected again: it gets what it missed, so counting begins anew."""
    for row in context.push.of(session.account_id):
        if row.unread and row.resource == session.resource:
            context.push.put(row._replace(unread=0))
