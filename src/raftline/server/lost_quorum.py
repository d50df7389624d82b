"""`raftline node force-new-cluster`: what it tells, what it changes, and the refusal of everything that is unsafe."""

from __future__ import annotations

import msgspec

from raftline.base.errors import StorageError
from raftline.base.ids import NodeId
from raftline.cluster.identity import read_identity, write_identity
from raftline.cluster.lost_quorum import Position, go_on_alone, open_stopped, position_of
from raftline.cluster.storage import NodeStorage, StorageSettings
from raftline.server.config import NodeSettings
from raftline.server.failures import ExitCode, Failure
from raftline.server.founding import check_owner
from raftline.server.locks import DirectoryLock

CONFIRMATION = "--lose-the-rest"
"""What has to be said."""


def force_new_cluster(settings: NodeSettings, *, is_confirmed: bool) -> str:
    """
    Tell how far a stopped node has come; if confirmed, make it a cluster of its own.

    Returns: What people must know.

    Raises:
        Failure: REFUSED without a confirmation, with what is to be known before; IN_USE while the node runs.
        StorageError: The data cannot be used.
    """
    data_dir = settings.data_dir
    identity = read_identity(data_dir)
    if identity is None:
        raise StorageError(f"{data_dir} holds no node's data")
    check_owner(settings, identity)
    lock = DirectoryLock(data_dir / "lock")
    try:
        storage = _open(settings)
        try:
            position = position_of(storage, identity.peers if identity.is_founder else {})
            told = _position_text(settings, position)
            if not is_confirmed:
                raise Failure(ExitCode.REFUSED, f"{told}\n\n{_warning(settings, position)}")
            go_on_alone(storage, position)
        finally:
            storage.log.close()
            storage.machine.close()
        epoch_min = max(settings.cluster.epoch, identity.epoch_min) + 1
        write_identity(data_dir, msgspec.structs.replace(identity, is_alone=True, epoch_min=epoch_min))
        return f"{told}\n\n{_what_next(settings, position, epoch_min)}"
    finally:
        lock.close()


def _open(settings: NodeSettings) -> NodeStorage:
    return open_stopped(
        StorageSettings(
            data_dir=settings.data_dir,
            cluster_id=settings.cluster.id,
            node_id=NodeId(settings.cluster.node_id),
            domain=settings.domain,
            segment_bytes=settings.storage.segment_bytes,
        )
    )


def _position_text(settings: NodeSettings, position: Position) -> str:
    members = ", ".join(str(member.node_id) for member in position.membership.members)
    learners = position.membership.learners
    node_id = settings.cluster.node_id
    note = " It does not vote yet: it may lack more than others." if node_id in learners else ""
    return (
        f"Node {node_id} of cluster {settings.cluster.id}, nodes {members}:\n"
        f"  last entry   term {position.last_term}, index {position.last_index}\n"
        f"  applied      index {position.applied_index}{note}"
    )


def _warning(settings: NodeSettings, position: Position) -> str:
    return (
        "This command is for a cluster that has lost more than half of its voting nodes for good. The node goes on\n"
        "alone, with what its own log holds:\n"
        "  - Messages that the others acknowledged and this node had not received ARE LOST, without a trace.\n"
        f"  - If {_others(settings, position)} still runs, or is started again on its old data and cannot reach\n"
        "    this one, TWO CLUSTERS are at work under one name, and what people write is torn in two.\n"
        "If a majority can still be repaired, repair it instead. A single node that is lost needs none of this:\n"
        "`raftline cluster replace`.\n\n"
        "Before: run this command on every node that is left, and choose the one whose last entry has the greatest\n"
        "term, and of these the greatest index. Copy its data directory. Destroy the data of all the others.\n"
        f"Then: the same command with {CONFIRMATION}"
    )


def _what_next(settings: NodeSettings, position: Position, epoch_min: int) -> str:
    return (
        f"Node {settings.cluster.node_id} is a cluster of its own from now on. What remains to be done:\n"
        f"  1. Set cluster.epoch to {epoch_min} in its settings: ids of messages that may be lost are not to be given\n"
        "     out again. It does not start with less.\n"
        "  2. Start it.\n"
        "  3. Invite new nodes with `raftline cluster add`, with the same cluster.epoch and empty data directories.\n"
        f"  4. Never start {_others(settings, position)} on old data."
    )


def _others(settings: NodeSettings, position: Position) -> str:
    own_id = settings.cluster.node_id
    others = [str(member.node_id) for member in position.membership.members if member.node_id != own_id]
    return f"node {' or '.join(others)}" if others else "another node"
