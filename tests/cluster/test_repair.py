"""D7: nodes whose disks damaged something: what is damaged is never served, and comes back from the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from cluster import damage
from cluster.clusters import CLUSTER_ID, DOMAIN, Cluster, ClusterNode, ask_to_join, until
from cluster.people import Person, archive_of
from cluster.test_members import gone
from cluster.test_snapshots import require_equal_replicas, write
from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster import checkpoints
from raftline.cluster.peer_book import peer_of
from raftline.cluster.repair import ATTEMPT_COUNT_MAX, DAMAGED_DIRECTORY, NOTE_FILE, read_note
from raftline.cluster.storage import StorageSettings, open_storage
from raftline.machine.versions import VERSION_MAX
from raftline.raft.membership import Membership
from raftline.raft.messages import HardState
from wal.faulty_files import Crash, FaultyFiles

SEGMENT_BYTES = 64 << 10
VOTED = HardState(Term(7), NodeId(2))


@pytest_asyncio.fixture
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """Three nodes that keep little of their logs, with alice's mail in them."""
    monkeypatch.setitem(checkpoints.Checkpoints.__init__.__kwdefaults__, "period_seconds", 0.02)
    cluster = Cluster(tmp_path, 3)
    for node in cluster.nodes.values():
        node.segment_bytes = node.trailing_bytes = SEGMENT_BYTES
    await cluster.start()
    yield cluster
    await cluster.stop()


async def prepare(cluster: Cluster) -> tuple[Person, ClusterNode]:
    """Let alice write herself, and the log be compacted; returns her, and a follower that is stopped."""
    alice = Person("alice")
    await alice.appear(cluster.leader.node)
    await write(alice, 12)
    alice.send("alice", "kept by three")
    await until(lambda: len(alice.outcomes) == 14)
    await cluster.caught_up()
    await until(lambda: all(node.running.raft.base_index > 0 for node in cluster.running))
    victim = cluster.followers[0]
    await victim.stop()
    return alice, victim


async def require_repaired(cluster: Cluster, victim: ClusterNode) -> None:
    """Wait until a node has back what it lost, and compare it with the others."""
    await until(lambda: not victim.running.raft.is_recovering)
    await require_equal_replicas(cluster)
    await until(lambda: victim.running.metrics().upkeep.repair_count == 1)
    assert not (victim.directory / NOTE_FILE).exists()
    assert not (victim.directory / DAMAGED_DIRECTORY).exists()
    assert await archive_of(victim.node, "alice") == [b"kept by three"]


@pytest.mark.parametrize("hurt", damage.REPAIRABLE, ids=lambda hurt: hurt.__name__)
async def test_damage_found_at_the_start_is_repaired(cluster: Cluster, hurt: damage.Damage) -> None:
    """The node starts, tells that it is recovering, gets everything from the others and is their equal again."""
    alice, victim = await prepare(cluster)
    hurt(victim.directory)
    await victim.start()
    assert victim.running.raft.is_recovering
    note = read_note(victim.directory)
    assert note is not None
    assert note.is_set_aside
    await write(alice, 2)
    await require_repaired(cluster, victim)
    await victim.stop()
    await victim.start()
    assert not victim.running.raft.is_recovering
    await require_equal_replicas(cluster)


async def test_a_founder_is_repaired_by_nodes_that_came_later(cluster: Cluster) -> None:
    """Of those it was founded with none is left; it finds those whom it knew last."""
    alice = Person("alice")
    await alice.appear(cluster[1].node)
    alice.send("alice", "kept by three")
    await until(lambda: all(node.machine.machine_version == VERSION_MAX for node in cluster.running))
    for victim in (2, 3):
        node, token = await cluster.invite(replaces=victim)
        await ask_to_join(node, token)
        cluster.nodes[node.config.node_id] = node
        await node.start()
        await gone(cluster, NodeId(victim))
        await cluster.settle()
    await until(lambda: len(alice.outcomes) == 2)
    await cluster.caught_up()
    founder = cluster[1]
    known: list[Membership] = []
    founder.running.on_membership = known.append
    founder.running._membership_seen = None
    await until(lambda: known)
    await founder.stop()
    damage.flip_a_record(founder.directory)
    contacts = {member.node_id: peer_of(member) for member in known[-1].members}
    assert set(contacts) == {1, 4, 5}
    founder.config = replace(founder.config, contacts=contacts)
    await founder.start()
    await require_repaired(cluster, founder)


async def test_damage_found_while_a_node_works_is_noted(cluster: Cluster) -> None:
    """A question that meets a damaged page gets no answer, the node ends, and its next start repairs it."""
    await prepare(cluster)
    victim = cluster.running[0]
    leader_term = victim.running.raft.term
    await until(lambda: victim.running.upkeep.checkpoints.durable_index == victim.machine.applied_index)
    victim.machine._database.pragma("shrink_memory")
    damage.flip_a_page(victim.directory)
    with pytest.raises(StorageCorrupt, match="checksum"):
        await archive_of(victim.node, "alice")
    with pytest.raises(StorageCorrupt, match="checksum"):
        await archive_of(victim.node, "alice")
    assert len(victim.failures) == 1
    victim.failures.clear()
    note = read_note(victim.directory)
    assert note is not None
    assert (note.attempt, note.is_set_aside, note.term >= leader_term) == (1, False, True)
    await victim.stop()
    for node in cluster.nodes.values():
        if node.driver is None:
            await node.start()
    await require_repaired(cluster, victim)


async def test_a_leader_whose_database_cannot_be_copied_is_repaired(cluster: Cluster) -> None:
    """It ends over the snapshot that another node needs; the others go on, and all are equal in the end."""
    alice, behind = await prepare(cluster)
    index = cluster.leader.machine.applied_index
    while any(node.running.raft.base_index <= index for node in cluster.running):
        await write(alice, 3)
    leader = cluster.leader
    await until(lambda: leader.running.upkeep.checkpoints.durable_index == leader.machine.applied_index)
    damage.flip_a_page(leader.directory)
    await behind.start()
    await until(lambda: leader.failures)
    assert isinstance(leader.failures[0], StorageCorrupt)
    leader.failures.clear()
    await leader.stop()
    await leader.start()
    await require_repaired(cluster, leader)
    await require_equal_replicas(cluster)


async def test_a_node_that_knows_nothing_of_its_promises_does_not_come_back(cluster: Cluster) -> None:
    """Without log and mark nobody knows whom it voted for."""
    _, victim = await prepare(cluster)
    damage.lose_the_log(victim.directory)
    with pytest.raises(StorageCorrupt, match="cluster replace"):
        victim.make()
    assert (victim.directory / "state.db").exists()


def settings_of(directory: Path, files: FaultyFiles, **options: bool) -> StorageSettings:
    return StorageSettings(
        data_dir=directory,
        cluster_id=CLUSTER_ID,
        node_id=NodeId(3),
        domain=DOMAIN,
        segment_bytes=SEGMENT_BYTES,
        files=files,
        **options,
    )


def begin(directory: Path, files: FaultyFiles) -> None:
    """Let a node have voted."""
    storage = open_storage(settings_of(directory, files))
    storage.log.append(VOTED, [])
    storage.log.sync()
    storage.machine.apply_empty(LogIndex(1), Term(7))
    storage.machine.commit()
    storage.log.close()
    storage.machine.close()
    files.process_death()


def test_who_is_alone_is_told_to_restore(tmp_path: Path) -> None:
    """Nothing is set aside where nobody has the data: it may be all there is."""
    files = FaultyFiles(Random(1))
    begin(tmp_path, files)
    with pytest.raises(StorageCorrupt, match="No other node"):
        open_storage(settings_of(tmp_path, files, has_peers=False))
    assert not (tmp_path / NOTE_FILE).exists()
    assert (tmp_path / "state.db").exists()


def test_an_empty_log_is_damage_where_one_was_begun(tmp_path: Path) -> None:
    """With everything gone but the knowledge that there was something, the node must not vote again."""
    with pytest.raises(StorageCorrupt, match="cluster replace"):
        open_storage(settings_of(tmp_path, FaultyFiles(Random(1)), has_begun=True))


@pytest.mark.parametrize("seed", range(3))
def test_a_crash_at_any_operation_of_a_repair(tmp_path: Path, seed: int) -> None:
    """Term and vote are known after it, the node knows that it is recovering, and the damaged files are kept."""
    for crash_after in range(200):
        directory = tmp_path / str(crash_after)
        directory.mkdir()
        files = FaultyFiles(Random(1000 * seed + crash_after))
        begin(directory, files)  # the database has an entry that the log has not: the log's end is lost
        fuse = files.crash_after(crash_after)
        try:
            storage = open_storage(settings_of(directory, files))
        except Crash:
            files.power_failure()
            storage = open_storage(settings_of(directory, files))
        files.on_operation = None
        assert storage.is_recovering
        assert (storage.log.hard_state, storage.log.last_index, storage.machine.applied_index) == (VOTED, 0, 0)
        kept = {path.name for path in files._names if path.parent.name == DAMAGED_DIRECTORY}
        assert kept >= {"mark", "wal-0000000001-00000000000000000001"}
        assert (directory / DAMAGED_DIRECTORY / "state.db").exists()
        storage.log.close()
        storage.machine.close()
        storage.repair.finish()
        assert not open_storage(settings_of(directory, files)).is_recovering
        if fuse.left > 0:
            break
    else:
        raise AssertionError("a repair has more operations than were tried")


def test_a_disk_that_damages_everything_is_given_up(tmp_path: Path) -> None:
    """Repairs that never end are not begun for ever."""
    files = FaultyFiles(Random(1))
    begin(tmp_path, files)
    for attempt in range(1, ATTEMPT_COUNT_MAX + 1):
        storage = open_storage(settings_of(tmp_path, files))
        assert storage.repair.note is not None
        assert storage.repair.note.attempt == attempt
        storage.machine.apply_empty(LogIndex(1), Term(7))
        storage.machine.commit()
        storage.log.close()
        storage.machine.close()
    with pytest.raises(StorageCorrupt, match="not to be trusted"):
        open_storage(settings_of(tmp_path, files))


def test_a_note_of_a_later_release_is_not_taken_for_damage(tmp_path: Path) -> None:
    """Nor is it guessed at; one that cannot be read is damage that nobody repairs."""
    path = tmp_path / NOTE_FILE
    path.write_text('{"format": 2, "unheard_of": 1}')
    with pytest.raises(StorageError, match="knows formats up to 1") as caught:
        read_note(tmp_path)
    assert not isinstance(caught.value, StorageCorrupt)
    path.write_text('{"format": 1, "reason": ')
    with pytest.raises(StorageCorrupt):
        read_note(tmp_path)
