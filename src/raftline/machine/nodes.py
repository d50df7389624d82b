"""
Nodes: which incarnation of a server may have sessions.

A server gives each of its lives a higher incarnation number. A session belongs to one incarnation. When that is over,
a session that can be resumed waits for its client, and any other ends: whoever was connected to a server that died
becomes unavailable for everyone at the same place in the log.
"""

from __future__ import annotations

from raftline.base.ids import NodeId
from raftline.base.limits import NODE_ADDRESS_SIZE_MAX
from raftline.machine import resumption
from raftline.machine.context import Context
from raftline.machine.node_commands import BuryNode, StartNode
from raftline.machine.outcomes import Done, Outcome, Rejected, Stale
from raftline.machine.records import Node, NodeProfile
from raftline.machine.versions import NODE_PROFILES_SINCE


def start_node(context: Context, action: StartNode) -> Outcome:
    """Begin an incarnation; earlier ones are over. Stale if a later one has begun, or this one was buried."""
    node = _node(context, action.node_id)
    tells = context.machine_version >= NODE_PROFILES_SINCE and action.data_id != b""
    if tells:
        known = context.node_profiles.get(action.node_id)
        if known is not None and known.data_id != action.data_id:
            return Rejected("conflict", "cancel", "The node is known with other data.")
    if action.incarnation < node.started or action.incarnation <= node.buried:
        return Stale()
    if tells:
        profile = NodeProfile(
            action.node_id,
            action.data_id,
            action.http_url[:NODE_ADDRESS_SIZE_MAX],
            action.xmpp_address[:NODE_ADDRESS_SIZE_MAX],
        )
        context.node_profiles.put(action.node_id, profile)
    context.nodes.put(action.node_id, node._replace(started=action.incarnation))
    _release_sessions(context, action.node_id, action.incarnation - 1)
    return Done()


def bury_node(context: Context, action: BuryNode) -> Outcome:
    """Declare an incarnation, and all before it, over. Idempotent."""
    node = _node(context, action.node_id)
    if action.incarnation > node.buried:
        context.nodes.put(action.node_id, node._replace(buried=action.incarnation))
    _release_sessions(context, action.node_id, action.incarnation)
    return Done()


def release_all(context: Context, node_id: NodeId) -> None:
    """Release all sessions of a node, which is gone for good."""
    node = context.nodes.get(node_id)
    if node is not None:
        incarnation = max(node.started, node.buried)
        context.nodes.put(node_id, node._replace(buried=incarnation))
        _release_sessions(context, node_id, incarnation)


def _node(context: Context, node_id: NodeId) -> Node:
    return context.nodes.get(node_id) or Node(node_id, started=0, buried=-1)


def _release_sessions(context: Context, node_id: NodeId, upto: int) -> None:
    """Release all sessions of a node's incarnations up to one, in the order they were bound."""
    sql = "SELECT session_id FROM session WHERE node_id = ? AND incarnation <= ? ORDER BY session_id"
    for (session_id,) in context.rows.select((context.sessions,), sql, (node_id, upto)):
        session = context.sessions.get(session_id)
        assert session is not None, session_id
        resumption.release(context, session)
