"""
A cluster founded with the state of another one: what of the other one ends.

Accounts and all they keep stay. Whoever was connected to the nodes of the former cluster is connected to nobody: its
sessions end as if their nodes had died with no time left, so that what they had not acknowledged becomes offline
messages, and how far each had come is kept: a client that asks for its session here is told which of its stanzas
counted (XEP-0198 section 5) and sends the others again. Nodes, what they told of themselves, and invitations go: the
new nodes have the same small numbers, and other data.

Numbers are given out from where the former cluster was: of accounts, sessions, addresses and nodes. What was said there
keeps its stanza ids, by which clients know it and people have marked how far they have read; so up to which position
they have the former epoch is state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.ids import Position, index_of, position_of
from raftline.machine import sessions
from raftline.machine.outcomes import Done, Outcome
from raftline.machine.records import FormerEpoch
from raftline.machine.versions import BUSINESSES_SINCE

if TYPE_CHECKING:
    from raftline.machine.context import Context
    from raftline.machine.node_commands import EndFormerCluster


def end_former_cluster(context: Context, action: EndFormerCluster) -> Outcome:
    """End all sessions, forget nodes and invitations, remember which ids were given out."""
    if action.epoch and context.machine_version >= BUSINESSES_SINCE:
        last = Position(position_of(index_of(context.position), 0) - 1)
        context.former_epochs.put(last, FormerEpoch(last, action.epoch))
    for (session_id,) in context.rows.select((context.sessions,), "SELECT session_id FROM session ORDER BY session_id"):
        session = context.sessions.get(session_id)
        assert session is not None, session_id
        sessions.end_session(context, session, "reset")
    for table in (context.nodes, context.node_profiles, context.invitations):
        sql = f"SELECT node_id FROM {table.definition.name} ORDER BY node_id"  # noqa: S608 - own names alone
        for (node_id,) in context.rows.select((table,), sql):
            table.delete(node_id)
    return Done()
