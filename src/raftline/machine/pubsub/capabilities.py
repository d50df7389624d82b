"""
Which nodes a session wants to hear of: those whose names, with `+notify`, are among the features of its client.

Presence carries a hash of the features (XEP-0115), not the features. What a hash stands for is kept once for the
cluster; a session gets its own copy, so that the memory of hashes can be bounded. A hash that nobody knows is asked
for: an event has the node that holds the session ask the client, and what the client answers comes back as a command.
Whether the answer is that of the hash is checked by that node, which is trusted as the proposer of any command.

    presence with a hash ──▶ known: the session wants to hear of these nodes
                         └─▶ unknown: CapabilitiesUnknown ──▶ client ──▶ LearnCapabilities: known

Until the answer comes, the session goes on hearing of what it wanted before. One that was resumed meanwhile is asked
again (catch_up.py). A client without a hash, or with one that does not hold, speaks for itself alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from raftline.base.limits import (
    CAPABILITY_COUNT_MAX,
    CAPABILITY_NODE_COUNT_MAX,
    CAPABILITY_NODES_SIZE_MAX,
    CAPABILITY_TEXT_SIZE_MAX,
)
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pubsub.commands import Capabilities
from raftline.machine.pubsub.tables import Capability, Interest
from raftline.machine.pubsub.values import CapabilitiesUnknown
from raftline.machine.versions import FEATURES_SINCE

if TYPE_CHECKING:
    from raftline.machine.context import Context
    from raftline.machine.pubsub.commands import LearnCapabilities
    from raftline.machine.records import Session

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(tuple[str, ...])
_NONE: Final = _ENCODER.encode(())


@lru_cache(maxsize=4096)
def _decode_nodes(data: bytes) -> frozenset[str]:
    return frozenset(_DECODER.decode(data))


def encode_nodes(nodes: tuple[str, ...]) -> bytes:
    """Write names of nodes as rows keep them."""
    return _ENCODER.encode(nodes)


def nodes_of(context: Context, session: Session) -> frozenset[str]:
    """Return the nodes that a session wants to hear of."""
    row = context.pubsub.interests.get(session.session_id)
    return frozenset() if row is None else _decode_nodes(row.nodes)


def set_capabilities(
    context: Context, session: Session, capabilities: Capabilities | None, *, is_initial: bool
) -> frozenset[str]:
    """
    Take note of what a session's presence says; it is available.

    Returns: Nodes that it wants to hear of and did not before; all it wants to hear of at its initial presence.
    """
    interests = context.pubsub.interests
    if context.machine_version < FEATURES_SINCE:
        return frozenset()
    if capabilities is None or not _is_short(capabilities):
        interests.delete(session.session_id)
        return frozenset()
    before = interests.get(session.session_id)
    if before is not None and before[1:4] == (capabilities.algorithm, capabilities.version, capabilities.node):
        return frozenset()
    old_nodes = _NONE if before is None else before.nodes
    known = context.pubsub.capabilities.get((capabilities.algorithm, capabilities.version))
    if known is None:
        interests.put(session.session_id, _interest(session, capabilities, 0, old_nodes))
        context.events.append(CapabilitiesUnknown(session.node_id, session.session_id, capabilities))
        return frozenset()
    interests.put(session.session_id, _interest(session, capabilities, 1, known.nodes))
    return _decode_nodes(known.nodes) - (frozenset() if is_initial else _decode_nodes(old_nodes))


def forget_capabilities(context: Context, session: Session) -> None:
    """Take note that a session is not available any more."""
    context.pubsub.interests.delete(session.session_id)


def learn_capabilities(context: Context, session: Session, action: LearnCapabilities) -> tuple[Outcome, frozenset[str]]:
    """
    Take note of what capabilities stand for.

    Returns: The outcome, and nodes that the session wants to hear of and did not before.
    """
    capabilities = action.capabilities
    if not _is_short(capabilities) or len(action.nodes) > CAPABILITY_NODE_COUNT_MAX:
        return Rejected("resource-constraint", "cancel", "These capabilities are too long."), frozenset()
    nodes = encode_nodes(action.nodes)
    if len(nodes) > CAPABILITY_NODES_SIZE_MAX:
        return Rejected("resource-constraint", "cancel", "The nodes have names too long."), frozenset()
    if action.verified:
        _remember(context, Capability(capabilities.algorithm, capabilities.version, context.position, nodes))
    row = context.pubsub.interests.get(session.session_id)
    if row is None or row[1:4] != (capabilities.algorithm, capabilities.version, capabilities.node):
        return Done(), frozenset()  # it has said something else since, or went
    context.pubsub.interests.put(session.session_id, row._replace(known=1, nodes=nodes))
    return Done(), _decode_nodes(nodes) - _decode_nodes(row.nodes)


def question_of(context: Context, session: Session) -> CapabilitiesUnknown | None:
    """Return the question whose answer a session still owes."""
    row = context.pubsub.interests.get(session.session_id)
    if row is None or row.known:
        return None

    return CapabilitiesUnknown(session.node_id, session.session_id, Capabilities(*row[1:4]))


def _remember(context: Context, row: Capability) -> None:
    """Keep what a hash stands for; beyond the bound the one that was learned first goes."""
    capabilities = context.pubsub.capabilities
    if capabilities.get(row[:2]) is not None:
        return
    capabilities.insert(row[:2], row)
    sql = "SELECT algorithm, version FROM capability ORDER BY position DESC LIMIT -1 OFFSET ?"
    for key in context.rows.select((capabilities,), sql, (CAPABILITY_COUNT_MAX,)):
        capabilities.delete(tuple(key))


def _interest(session: Session, capabilities: Capabilities, known: int, nodes: bytes) -> Interest:
    return Interest(session.session_id, capabilities.algorithm, capabilities.version, capabilities.node, known, nodes)


def _is_short(capabilities: Capabilities) -> bool:
    texts = (capabilities.algorithm, capabilities.version, capabilities.node)
    return all(len(text.encode()) <= CAPABILITY_TEXT_SIZE_MAX for text in texts)
