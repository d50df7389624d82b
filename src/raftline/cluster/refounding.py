"""
The data of a node that founds a cluster with the state of another one, made from a backup while nothing runs.

    state.db   the backup's database, entries 1 to N of the former cluster, and entry N + 1 in a term of its own applied
    log        | hard state | snapshot mark: N + 1, T + 1, the founders |

Entry N + 1 holds the commands that end what belongs to the former cluster (`raftline.machine.refounding`). It is
applied like any other, so the chains go on from those of the backup and cover it. It is committed by decree, as the
founders' membership is, and has to be there before anything runs: nodes are known by their data, and those of the
former cluster have the same numbers. It is computed from the backup and the new cluster's id alone, so founders that
are made of one backup have the very same state.

Decided against: editing the database (the hash would not know of it), and a snapshot that a fresh cluster is told to
install (it would have elected a leader with an empty state before).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.config import Peer
from raftline.cluster.peer_book import founding_membership
from raftline.cluster.snapshot_files import SnapshotFiles
from raftline.cluster.storage import StorageSettings, begin_log, open_storage
from raftline.machine.commands import Action, Command, encode_command
from raftline.machine.database import open_database
from raftline.machine.entry import encode_entry
from raftline.machine.machine import Machine
from raftline.machine.node_commands import EndFormerCluster, RaiseVersion
from raftline.machine.outcomes import Done
from raftline.machine.snapshot import SnapshotHead, read_head
from raftline.machine.versions import BUSINESSES_SINCE
from raftline.raft.messages import HardState, SnapshotMeta

_SNAPSHOT_NAME: Final = "backup"
_SALT_SIZE: Final = 16


def begin_with_state(
    settings: StorageSettings, founders: Mapping[NodeId, Peer], fill: Callable[[Path], None], former_epoch: int
) -> SnapshotHead:
    """
    Make database and log of a founder in an empty directory, durably; it is a node that was stopped, from then on.

    Args:
        founders: All nodes of the new cluster, this one among them.
        fill: Writes the backup's database to a path, or raises.
        former_epoch: First part of the stanza ids that the former cluster gave out last.

    Returns: What the backup's database contains.

    Raises:
        StorageCorrupt: The backup holds no database.
        StorageError: The disk failed. What is half made must not be started.
    """
    begin_log(settings, HardState(Term(0), None))
    files = SnapshotFiles(settings.data_dir)
    files.begin()
    part = files.part_path(_SNAPSHOT_NAME)
    fill(part)
    former = read_head(part)
    if not former.applied_index:
        raise StorageCorrupt("the backup is that of a cluster that has done nothing yet")
    head = _apply_founding(settings, part, former, former_epoch)
    membership = founding_membership(founders)
    meta = SnapshotMeta(settings.node_id, _SNAPSHOT_NAME, head.applied_index, head.applied_term, membership)
    files.keep(part, meta)
    storage = open_storage(replace(settings, has_begun=True, has_peers=False))
    storage.log.close()
    storage.machine.close()
    return former


def _apply_founding(settings: StorageSettings, path: Path, former: SnapshotHead, former_epoch: int) -> SnapshotHead:
    """Apply the first entry of the new cluster's own to a database, and return what that contains then."""
    machine = Machine(open_database(path), domain=settings.domain)
    try:
        index, term = LogIndex(former.applied_index + 1), Term(former.applied_term + 1)
        results = machine.apply(index, term, founding_payload(settings.cluster_id, former, former_epoch))
        machine.commit()
        for fault in machine.take_faults():
            raise StorageError("the state of the backup cannot be taken over") from fault.error
        if not all(isinstance(result.outcome, Done) for result in results):
            raise StorageError(f"the state of the backup cannot be taken over: {[one.outcome for one in results]}")
    finally:
        machine.close()
    return read_head(path)


def founding_payload(cluster_id: str, head: SnapshotHead, former_epoch: int) -> bytes:
    """Return the first entry of the new cluster's own: the same on all founders, under the former cluster's time."""
    actions: list[Action] = [EndFormerCluster(former_epoch)]
    if head.machine_version < BUSINESSES_SINCE:
        # All founders are of this release, since none that is older reads the backup.
        actions.insert(0, RaiseVersion(BUSINESSES_SINCE))
    commands = []
    for number, action in enumerate(actions):
        seed = f"{cluster_id} {head.applied_index} {number}".encode()
        salt = hashlib.blake2b(seed, key=head.state_hash, digest_size=_SALT_SIZE, person=b"raftline-found").digest()
        commands.append(encode_command(Command(NodeId(0), 0, number, salt, None, action)))
    return encode_entry(head.cluster_time_ms, commands)
