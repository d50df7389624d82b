"""
Nodes that are let in, and nodes that are gone.

An invitation names an id that no node had, and the digest of a token that the new node will show once. Showing it binds
the invitation to the key and the data directory that showed it: the same node may ask again, after a lost answer or a
crash, and nobody else can. Who is a member is decided by consensus, not here; an invitation says who may become one.
"""

from __future__ import annotations

from raftline.base.ids import NodeId
from raftline.base.limits import INVITATION_AGE_MAX_MS, INVITATION_DIGEST_SIZE
from raftline.machine import nodes
from raftline.machine.context import Context
from raftline.machine.node_commands import ForgetNode, InviteNode, RedeemInvitation
from raftline.machine.outcomes import Done, Invited, Outcome, Rejected
from raftline.machine.records import Counter, Invitation

_COUNTER = "node"
_NOBODY = b""


def invite_node(context: Context, action: InviteNode) -> Outcome:
    """Give out the next id, and keep what its holder will be known by."""
    if len(action.digest) != INVITATION_DIGEST_SIZE:
        return Rejected("bad-request", "modify", "The digest of the token has another size.")
    _drop_old(context)
    row = context.counters.get(_COUNTER)
    node_id = NodeId(max(0 if row is None else row.value, action.id_floor) + 1)
    context.counters.put(_COUNTER, Counter(_COUNTER, node_id))
    expires_ms = context.time_ms + min(action.lifetime_ms, INVITATION_AGE_MAX_MS)
    context.invitations.insert(
        node_id, Invitation(node_id, action.digest, action.replaces, expires_ms, _NOBODY, _NOBODY)
    )
    return Done(Invited(node_id))


def redeem_invitation(context: Context, action: RedeemInvitation) -> Outcome:
    """Bind an invitation to whoever shows its token first."""
    row = context.invitations.get(action.node_id)
    if row is None or row.digest != action.digest:
        return Rejected("item-not-found", "cancel", "There is no such invitation.")
    bearer = (action.fingerprint, action.data_id)
    if (row.fingerprint, row.data_id) == bearer:
        return Done()
    if row.fingerprint != _NOBODY:
        return Rejected("conflict", "cancel", "Another node, or this one with other data, has used this token.")
    if context.time_ms > row.expires_ms:
        return Rejected("not-acceptable", "cancel", "The token is not good any more.")
    context.invitations.put(action.node_id, row._replace(fingerprint=bearer[0], data_id=bearer[1]))
    return Done()


def forget_node(context: Context, action: ForgetNode) -> Outcome:
    """Keep nothing of a node that is no member any more but its incarnations, which must not come again."""
    nodes.release_all(context, action.node_id)
    context.node_profiles.delete(action.node_id)
    context.invitations.delete(action.node_id)
    return Done()


def _drop_old(context: Context) -> None:
    """Delete invitations that nobody has used for long."""
    sql = "SELECT node_id FROM invitation WHERE fingerprint = x'' AND expires_ms < ? ORDER BY node_id"
    due_ms = context.time_ms - INVITATION_AGE_MAX_MS
    for (node_id,) in context.rows.select((context.invitations,), sql, (due_ms,)):
        context.invitations.delete(node_id)
