"""
A cluster that has lost a majority of its voters for good: one node that is left goes on alone.

No protocol can do this without a risk, which is why people decide it. Whatever the lost majority acknowledged and this
node did not receive is lost; what this node holds and nobody acknowledged is kept. And if the others are not lost after
all, two clusters of one name are at work. So the node is chosen by its position (the greatest term, then index, of a
last entry wins, as in an election), and its data is changed while it is stopped:

    log    | ... last entry | hard state: next term, vote for itself | a membership of this node alone |

It stands for election in a later term and commits its whole log under that membership. Others that come back are told
that they are no members any more; new nodes join as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from raftline.base.errors import StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.config import Peer
from raftline.cluster.peer_book import founding_membership
from raftline.cluster.repair import DAMAGED_DIRECTORY, read_note
from raftline.cluster.storage import NodeStorage, StorageSettings, open_storage
from raftline.raft.membership import NOBODY, Membership, decode_membership, encode_membership
from raftline.raft.messages import Entry, EntryKind, HardState


class Position(msgspec.Struct, frozen=True):
    """
    How far a node that is stopped has come.

    Attributes:
        term: The greatest that it knows.
        membership: In force at the end of its log.
    """

    last_index: LogIndex
    last_term: Term
    applied_index: LogIndex
    term: Term
    membership: Membership


def open_stopped(settings: StorageSettings) -> NodeStorage:
    """
    Open the data of a node that is stopped, as it is.

    Raises:
        StorageCorrupt: It is damaged.
        StorageError: It was damaged, and is not repaired yet; or the disk failed.
    """
    if read_note(settings.data_dir) is not None:
        raise StorageError(
            f"{settings.data_dir} was damaged and is not repaired: this node lacks what it had. Choose another one. If"
            f" this is the last, what it had lies in {settings.data_dir / DAMAGED_DIRECTORY}"
        )
    return open_storage(replace(settings, has_begun=True, has_peers=False))


def position_of(storage: NodeStorage, founders: Mapping[NodeId, Peer]) -> Position:
    """
    Say how far a node has come.

    Args:
        founders: Whom the cluster was founded with; empty on a node that joined later.

    Raises:
        StorageError: It knows of no membership that it belongs to: it has nothing to go on with.
    """
    log = storage.log
    known = log.memberships()
    membership = decode_membership(known[-1][1]) if known else founding_membership(founders) if founders else NOBODY
    if membership.member(storage.settings.node_id) is None:
        raise StorageError(f"{storage.settings.data_dir}: the log of this node does not say that it is a member")
    last_term = log.term_at(log.last_index) or Term(0)
    return Position(log.last_index, last_term, storage.machine.applied_index, log.hard_state.term, membership)


def go_on_alone(storage: NodeStorage, position: Position) -> Membership:
    """
    Make a node the only one of its cluster, durably; it must be started after that, and no other on its old data.

    Returns: The membership that it goes on with.

    Raises:
        StorageError: The disk failed; nothing or everything has changed.
    """
    node_id = storage.settings.node_id
    own = position.membership.member(node_id)
    assert own is not None
    ids = [member.node_id for member in position.membership.members]
    alone = Membership((own,), (node_id,), node_id_max=max(position.membership.node_id_max, *ids))
    term = Term(position.term + 1)
    index = LogIndex(position.last_index + 1)
    storage.log.append(HardState(term, node_id), [Entry(index, term, EntryKind.MEMBERSHIP, encode_membership(alone))])
    storage.log.sync()
    return alone
