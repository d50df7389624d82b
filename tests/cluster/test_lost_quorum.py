"""What a node that goes on alone finds in its log, and what becomes of the others' part in it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from cluster.clusters import CLUSTER_ID, DOMAIN
from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.config import Peer
from raftline.cluster.lost_quorum import go_on_alone, open_stopped, position_of
from raftline.cluster.storage import NodeStorage, StorageSettings, open_storage
from raftline.raft.config import RaftConfig
from raftline.raft.membership import Member, Membership, decode_membership, encode_membership
from raftline.raft.messages import Entry, EntryKind, HardState
from raftline.raft.node import Raft, Role

FOUNDERS = {NodeId(node_id): Peer("127.0.0.1", 9000 + node_id, "ab" * 32) for node_id in (1, 2, 3)}
LATER = Membership(
    tuple(Member(NodeId(k), f"host-{k}:1", b"k") for k in (3, 5, 6)), (NodeId(3), NodeId(5), NodeId(6)), node_id_max=8
)


def settings_of(directory: Path) -> StorageSettings:
    return StorageSettings(
        data_dir=directory, cluster_id=CLUSTER_ID, node_id=NodeId(3), domain=DOMAIN, segment_bytes=64 << 10
    )


def entry(index: int, term: int, kind: EntryKind = EntryKind.DATA, payload: bytes = b"x") -> Entry:
    return Entry(LogIndex(index), Term(term), kind, payload)


def fill(directory: Path, *entries: Entry, applied: int = 0) -> None:
    """Let node 3 have voted in term 7, and hold these entries."""
    storage = open_storage(settings_of(directory))
    storage.log.append(HardState(Term(7), NodeId(2)), entries)
    storage.log.sync()
    for index in range(1, applied + 1):
        storage.machine.apply_empty(LogIndex(index), Term(5))
    storage.machine.commit()
    close(storage)


def close(storage: NodeStorage) -> None:
    storage.log.close()
    storage.machine.close()


def start(storage: NodeStorage) -> Raft:
    return Raft(
        node_id=NodeId(3),
        log=storage.log,
        hard_state=storage.log.hard_state,
        applied_index=storage.machine.applied_index,
        config=RaftConfig(),
        random=Random(1),
        now_ns=0,
    )


def test_it_commits_its_whole_log_alone(tmp_path: Path) -> None:
    """The next start elects itself in a later term, under a membership of its own, and gives no id out again."""
    fill(tmp_path, entry(1, 5), entry(2, 5, EntryKind.MEMBERSHIP, encode_membership(LATER)), entry(3, 7), applied=1)
    storage = open_stopped(settings_of(tmp_path))
    position = position_of(storage, {})
    assert (position.last_index, position.last_term, position.applied_index, position.term) == (3, 7, 1, 7)
    assert position.membership == LATER
    alone = go_on_alone(storage, position)
    assert alone == Membership((LATER.members[0],), (NodeId(3),), node_id_max=8)
    close(storage)

    storage = open_storage(settings_of(tmp_path))
    assert storage.log.hard_state == HardState(Term(8), NodeId(3))
    raft = start(storage)
    while (ready := raft.ready()).io:
        for write in ready.io:
            storage.log.append(write.hard_state, write.entries)
            storage.log.sync()
            raft.io_completed(write.sequence, 0)
    assert (raft.role, raft.term, raft.commit_index) == (Role.LEADER, 9, 5)
    assert raft.membership == alone
    assert decode_membership(storage.log.memberships()[-1][1]) == alone
    close(storage)


def test_founders_are_the_membership_of_a_log_that_names_none(tmp_path: Path) -> None:
    """Their greatest id counts as given out."""
    fill(tmp_path, entry(1, 7))
    storage = open_stopped(settings_of(tmp_path))
    position = position_of(storage, FOUNDERS)
    assert position.membership.voters == (1, 2, 3)
    alone = go_on_alone(storage, position)
    assert (alone.voters, alone.node_id_max, alone.members[0].address) == ((3,), 3, "127.0.0.1:9003")
    close(storage)


def test_who_is_no_member_is_refused(tmp_path: Path) -> None:
    """A node that never heard of its membership, and one that was removed, have nothing to go on with."""
    fill(tmp_path, entry(1, 7))
    storage = open_stopped(settings_of(tmp_path))
    with pytest.raises(StorageError, match="member"):
        position_of(storage, {})
    without = Membership(LATER.members[1:], LATER.voters[1:])
    storage.log.append(None, [entry(2, 7, EntryKind.MEMBERSHIP, encode_membership(without))])
    storage.log.sync()
    with pytest.raises(StorageError, match="member"):
        position_of(storage, FOUNDERS)
    close(storage)


def test_damaged_data_are_left_as_they_are(tmp_path: Path) -> None:
    """Nothing is set aside, and a repair that has not ended is no base to go on from."""
    fill(tmp_path, entry(1, 7), applied=1)
    segment = next((tmp_path / "log").glob("wal-*"))
    whole = segment.read_bytes()
    segment.write_bytes(bytes(len(whole)))
    with pytest.raises(StorageCorrupt):
        open_stopped(settings_of(tmp_path))
    assert not (tmp_path / "damaged").exists()
    close(open_storage(settings_of(tmp_path)))  # a start that repairs
    with pytest.raises(StorageError, match="damaged and is not repaired"):
        open_stopped(settings_of(tmp_path))
