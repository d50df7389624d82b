"""Compaction, snapshots and members as a driver meets them: what is refused, and what is told."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from raft.simulation.disk import SimulatedDisk
from raft.simulation.script import Scripted, append, entry, leading, stored
from raftline.base.errors import Busy, LocalProtocolError, NotLeader, RemoteProtocolError, StorageCorrupt
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.confchange import MembershipChange
from raftline.raft.membership import Member, encode_membership, initial_membership, membership_of_voters
from raftline.raft.messages import (
    Append,
    Entry,
    EntryKind,
    HardState,
    InstallSnapshot,
    InstallSnapshotReply,
    SnapshotMeta,
)
from raftline.raft.node import Raft, RaftConfig

ROOT = Path(__file__).resolve().parents[2]
THREE = membership_of_voters([NodeId(1), NodeId(2), NodeId(3)])


def snapshot(index: int, term: int, name: str = "one") -> SnapshotMeta:
    return SnapshotMeta(NodeId(2), name, LogIndex(index), Term(term), THREE)


def announced(meta: SnapshotMeta, term: int = 3) -> InstallSnapshot:
    return InstallSnapshot(NodeId(2), NodeId(1), Term(term), meta)


def core(disk: SimulatedDisk, applied_index: int = 0) -> Raft:
    return Raft(
        node_id=NodeId(1),
        membership=THREE,
        log=disk,
        hard_state=disk.hard_state,
        applied_index=LogIndex(applied_index),
        config=RaftConfig(),
        random=random.Random(1),
        now_ns=0,
    )


def test_log_that_begins_above_the_applied_index_is_refused() -> None:
    """R4: entries between state machine and log are missing."""
    disk = SimulatedDisk()
    disk.install(snapshot(10, 2))
    with pytest.raises(StorageCorrupt, match="begins after 10"):
        core(disk, 9)
    assert core(disk, 10).last_index == 10


def test_membership_that_cannot_be_read_is_refused() -> None:
    """Of the own disk it is damage, of a leader a reason to drop the link."""
    bad = Entry(LogIndex(1), Term(1), EntryKind.MEMBERSHIP, b"none")
    disk = SimulatedDisk()
    disk.hard_state = HardState(Term(1), None)
    disk.log = [bad]
    with pytest.raises(StorageCorrupt, match="no membership"):
        core(disk)
    node = Scripted()
    with pytest.raises(RemoteProtocolError, match="no membership"):
        node.step(Append(NodeId(2), NodeId(1), Term(1), LogIndex(0), Term(0), LogIndex(0), [bad]))
    assert node.raft.last_index == 0


def test_only_what_was_delivered_is_compacted() -> None:
    """The driver cannot let the log forget what the state machine never got."""
    node = Scripted(terms=(1, 1, 1), term=1, applied_index=2)
    with pytest.raises(LocalProtocolError, match="not delivered"):
        node.raft.compact(LogIndex(3), 0)
    assert node.raft.compact(LogIndex(2), 0) == 2
    assert node.raft.compact(LogIndex(1), 0) == 2
    assert (node.raft.base_index, node.raft.term_at(LogIndex(2)), node.raft.term_at(LogIndex(1))) == (2, 1, None)
    with pytest.raises(LocalProtocolError):
        node.raft.membership_at(LogIndex(1))


def test_announcement_is_asked_for_once_and_again_after_a_failure() -> None:
    """A name is fetched once; another name takes its place; a failure starts over."""
    node = Scripted()
    installs = []
    for meta in (snapshot(9, 2), snapshot(9, 2), snapshot(12, 2, "two"), snapshot(12, 2, "two")):
        node.raft.step(announced(meta), 0)
        installs.append(node.raft.ready().install)
    assert [meta and meta.snapshot_id for meta in installs] == ["one", None, "two", None]
    node.raft.snapshot_failed("one")
    node.raft.step(announced(snapshot(12, 2, "two")), 0)
    assert node.raft.ready().install is None
    node.raft.snapshot_failed("two")
    node.raft.step(announced(snapshot(12, 2, "two")), 0)
    assert node.raft.ready().install == snapshot(12, 2, "two")


def test_snapshot_of_what_the_log_holds_only_commits() -> None:
    """A log that has the very entry applies up to it, and acknowledges what is durable."""
    node = Scripted(terms=(1, 2, 2), term=2)
    node.step(announced(snapshot(2, 2)))
    assert [e.index for e in node.committed] == [1, 2]
    node.sync()
    assert [reply.match_index for reply in node.take(InstallSnapshotReply)] == [2]


def test_snapshot_replaces_a_log_that_went_another_way() -> None:
    """Entries of an older leader, also behind the snapshot's end, are gone; the next ones follow it."""
    node = Scripted(terms=(1, 1, 1, 1, 1), term=1)
    node.step(announced(snapshot(3, 2)))
    assert node.raft.snapshot_installed(snapshot(3, 2), 0)
    node.drain()
    assert (node.raft.base_index, node.raft.last_index, node.raft.commit_index) == (3, 3, 3)
    assert node.take(InstallSnapshotReply) == []
    node.sync()
    assert [reply.match_index for reply in node.take(InstallSnapshotReply)] == [3]
    node.step(append(3, 3, 2, (3,), commit=4))
    node.sync()
    assert [e.index for e in node.committed] == [4]
    assert (node.disk.base_index, node.disk.last_index) == (3, 4)


def test_old_term_is_answered_with_ours() -> None:
    """A former leader that still announces snapshots learns of the term."""
    node = Scripted(term=7)
    node.step(announced(snapshot(9, 2)))
    node.sync()
    assert [(reply.term, reply.match_index) for reply in node.take(InstallSnapshotReply)] == [(7, 0)]


def test_snapshot_may_be_taken_back() -> None:
    """A leader whose snapshot is gone wants another one; who does not lead offers none."""
    node = leading(3)
    node.step(stored(2, 1, 1))
    node.propose(b"a")
    node.sync()
    node.step(stored(2, 1, 2))
    node.raft.compact(LogIndex(2), node.now_ns)
    node.step(stored(3, 1, 0))
    node.raft.peer_disconnected(NodeId(3), node.now_ns)
    node.step(stored(3, 1, 1))
    assert node.raft.ready().snapshot_wanted == (3,)
    node.raft.offer_snapshot(SnapshotMeta(NodeId(1), "own", LogIndex(2), Term(1), THREE), node.now_ns)
    ready = node.raft.ready()
    assert [message.receiver for message in ready.messages if isinstance(message, InstallSnapshot)] == [3]
    assert ready.snapshot_wanted == ()
    node.raft.offer_snapshot(None, node.now_ns)
    assert node.raft.ready().snapshot_wanted == (3,)
    follower = Scripted()
    follower.raft.offer_snapshot(snapshot(1, 1), 0)
    assert follower.raft.ready().messages == []


def test_only_leaders_change_members() -> None:
    """Others say who leads; a leader that hands over says that it is busy."""
    change = MembershipChange(add=(Member(NodeId(4)),))
    node = Scripted()
    with pytest.raises(NotLeader):
        node.raft.propose_membership(change, 0)
    node = leading(3)
    node.step(stored(2, 1, 1))
    node.raft.transfer_leadership(NodeId(3), node.now_ns)
    with pytest.raises(Busy):
        node.raft.propose_membership(change, node.now_ns)


def test_membership_is_told() -> None:
    """A driver learns of a new membership when it is in force, with addresses, and whether it is committed."""
    members = [Member(NodeId(number), f"host-{number}:1", b"key") for number in (1, 2, 3)]
    disk = SimulatedDisk()
    disk.hard_state = HardState(Term(1), None)
    disk.log = [
        entry(1, 1),
        Entry(LogIndex(2), Term(1), EntryKind.MEMBERSHIP, encode_membership(initial_membership(members))),
    ]
    raft = core(disk)
    assert raft.membership.member(NodeId(3)) == members[2]
    assert not raft.membership_is_committed
    assert not raft.ready().membership_changed
    other = initial_membership(members[:2])
    cut = Entry(LogIndex(2), Term(2), EntryKind.MEMBERSHIP, encode_membership(other))
    raft.step(Append(NodeId(2), NodeId(1), Term(2), LogIndex(1), Term(1), LogIndex(2), [cut]), 0)
    assert raft.ready().membership_changed
    assert (raft.membership, raft.membership_is_committed, raft.voters) == (other, True, {1, 2})


def test_learner_is_told_apart() -> None:
    """The leader's figures say who learns and whether it has caught up."""
    node = leading(3)
    node.step(stored(2, 1, 1))
    node.raft.propose_membership(MembershipChange(add=(Member(NodeId(4)),)), node.now_ns)
    node.drain()
    told = {status.node_id: (status.is_learner, status.is_caught_up) for status in node.raft.followers()}
    assert told == {2: (False, True), 3: (False, True), 4: (True, False)}
    node.step(stored(4, 1, 2))
    assert node.raft.followers()[2].is_caught_up


def test_catalogue_names_tests_that_exist() -> None:
    """Every test and every story that docs/bug-catalogue.md names is there, and every story is named."""
    text = (ROOT / "docs" / "bug-catalogue.md").read_text(encoding="utf-8")
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), (path, name)
    stories = {path.relative_to(ROOT / "tests") for path in ROOT.glob("tests/*/scenarios/*.txt")}
    named = set(re.findall(r"`((?:\w+/)?\w+\.txt)`", text))
    # Those of the core are named without their folder.
    assert named == {f"{path.parts[0]}/{path.name}".removeprefix("raft/") for path in stories}
