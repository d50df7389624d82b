"""
Which node holds a component's connection, as replicated state.

A connection is a session: it is fenced by node, incarnation and the numbers of its commands, it ends with its node,
and it owes what it was given until it has acknowledged it. So a component needs no machinery of its own:

    no session ── ConnectComponent ──> session ── EndSession, its node's death ──> no session
    messages wait (`offline`)           messages are owed (`inbox`)                those owed wait again

The session belongs to no account: its owner is the component, whose id no account has, and its local part has an at
sign in front, which no account's has. It is never available, so nothing that is meant for people goes there.

One connection at a time. Another one is refused with `conflict` (XEP-0114 section 3) as long as the first is held: two
programs that speak under one name would each get half of what is said. When the node of the first is dead, its burial
has ended it.
"""

from __future__ import annotations

from raftline.base.ids import SessionId
from raftline.base.limits import COMPONENT_COUNT_MAX, COMPONENT_LABEL_SIZE_MAX
from raftline.machine import inbox, sessions
from raftline.machine.components.commands import ConnectComponent
from raftline.machine.components.queries import ComponentAt
from raftline.machine.components.state import SESSION_MARK, session_of
from raftline.machine.components.tables import Component
from raftline.machine.context import Context
from raftline.machine.outcomes import Bound, Done, Outcome, Rejected, Stale
from raftline.machine.queries import SessionRow
from raftline.machine.records import Session


def connect_component(context: Context, action: ConnectComponent) -> Outcome:
    """Give a component to the connection that a node has authenticated, and what waits for it."""
    label = action.label
    if not 0 < len(label.encode()) <= COMPONENT_LABEL_SIZE_MAX or "." in label or "@" in label or "/" in label:
        return Rejected("bad-request", "modify", "This cannot be the label of a component.")
    if sessions.is_over(context, action.node_id, action.incarnation):
        return Stale()
    component = context.components.get(label)
    if component is None:
        ((count,),) = context.rows.select((context.components,), "SELECT count(*) FROM component")
        if count >= COMPONENT_COUNT_MAX:
            return Rejected("resource-constraint", "wait", "There are too many components.")
        component = Component(label, context.new_owner_id())
        context.components.insert(label, component)
    elif session_of(context, component) is not None:
        return Rejected("conflict", "cancel", "The component is connected already.")
    session = Session(
        SessionId(context.next_number("session")),
        component.owner_id,
        f"{SESSION_MARK}{label}",
        "",
        action.node_id,
        action.incarnation,
        context.time_ms,
        managed=1,
        interested=0,
        carbons=0,
        blocklist=0,
    )
    sessions.add_session(context, session)
    inbox.deliver_offline(context, session)
    return Done(Bound(session.session_id, sessions.FIRST_EPOCH))


def component_row(context: Context, query: ComponentAt) -> SessionRow | None:
    """Answer where a component is connected."""
    component = context.components.get(query.label)
    session = None if component is None else session_of(context, component)
    if session is None:
        return None
    return SessionRow(session.session_id, session.node_id, "", None, None)
