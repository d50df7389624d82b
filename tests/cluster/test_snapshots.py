"""Nodes that were away longer than the log reaches: snapshots made, fetched, verified and installed at work."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from cluster.clusters import Cluster, ClusterNode, until
from cluster.people import Person, archive_of, body_of
from raftline.base.errors import RemoteProtocolError, StorageCorrupt
from raftline.base.ids import CURSOR_START, NodeId
from raftline.cluster import checkpoints, snapshot_fetch, snapshot_source
from raftline.cluster.connections import TransferConnection
from raftline.cluster.frames import ChunkRequest, SnapshotChunk
from raftline.cluster.snapshot_files import FileDigest, SnapshotFiles
from raftline.machine.commands import CreateAccount, SetVcard
from raftline.machine.outcomes import Done
from raftline.machine.queries import InboxPage
from raftline.machine.snapshot import SnapshotCopy, adopt
from raftline.raft.messages import Append, SnapshotMeta

SEGMENT_BYTES = 64 << 10
TOKEN = b"t" * 16
VCARD_SIZE = 20_000


@pytest.fixture(autouse=True)
def quick_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints run all the time, so that logs are short."""
    monkeypatch.setitem(checkpoints.Checkpoints.__init__.__kwdefaults__, "period_seconds", 0.02)


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes that keep very little of their logs."""
    cluster = Cluster(tmp_path, 3)
    for node in cluster.nodes.values():
        node.segment_bytes = SEGMENT_BYTES
        node.trailing_bytes = SEGMENT_BYTES
    await cluster.start()
    yield cluster
    await cluster.stop()


async def write(person: Person, count: int) -> None:
    """Submit large commands, one after the other, and wait for their outcomes."""
    for _ in range(count):
        number = person.submit(SetVcard(os.urandom(VCARD_SIZE // 2).hex().encode()))
        await until(lambda number=number: person.outcomes and person.outcomes[-1][0] == number)
        assert person.outcomes[-1][1] == Done()


async def leave_behind(cluster: Cluster) -> tuple[Person, ClusterNode]:
    """Stop a follower and write until no other node's log reaches back to what it has."""
    alice = Person("alice")
    leader = cluster.leader
    await alice.appear(leader.node)
    await write(alice, 3)
    await cluster.caught_up()
    behind = cluster.followers[0]
    driver = behind.running
    await behind.stop()
    # Not what it had when it was asked: the cluster writes entries of its own as well.
    index = driver.raft.last_index
    while any(node.running.raft.base_index <= index for node in cluster.running):
        await write(alice, 3)
    return alice, behind


async def require_equal_replicas(cluster: Cluster) -> None:
    """Wait until all have applied what is committed now, and compare their hashes at an index that all remember."""
    await cluster.caught_up()
    digests: set[bytes | None] = set()

    def are_known() -> bool:
        index = min(node.machine.applied_index for node in cluster.running)
        digests.clear()
        digests.update(node.machine.digest_at(index) for node in cluster.running)
        return None not in digests

    await until(are_known)
    assert len(digests) == 1


async def test_a_node_behind_the_log_gets_a_snapshot(cluster: Cluster) -> None:
    """It comes back, is sent what the others' state was, goes on from the log, and is their equal."""
    alice, behind = await leave_behind(cluster)
    await behind.start()
    await until(lambda: behind.running.upkeep.snapshots.installed_count >= 1)
    await write(alice, 2)
    await require_equal_replicas(cluster)
    leader = cluster.leader.running.upkeep.snapshots.source
    assert (leader.taken_count, leader.sent_bytes > VCARD_SIZE) == (1, True)
    files = SnapshotFiles(behind.directory)
    await until(lambda: files.kept() is None)  # the log knows
    await behind.stop()
    await behind.start()
    await require_equal_replicas(cluster)


async def test_a_node_that_got_a_snapshot_serves_and_can_lead(cluster: Cluster) -> None:
    """Its sessions, its commands and its log are like any other's."""
    alice, behind = await leave_behind(cluster)
    await behind.start()
    await until(lambda: behind.running.upkeep.snapshots.installed_count >= 1 and behind.running.lives.is_live)
    bob = Person("bob")
    await bob.appear(behind.node)
    bob.send("alice", "hello")
    await until(lambda: alice.bodies == [b"hello"])
    cluster.leader.running.transfer_leadership(behind.config.node_id)
    await until(lambda: {node.running.leader_id for node in cluster.running} == {behind.config.node_id})
    alice.send("bob", "and back")
    await until(lambda: bob.bodies == [b"and back"])


def hear_no_appends(node: ClusterNode) -> None:
    """Let a node's core get everything but entries: it is alive, follows its leader, and falls behind."""
    raft = node.running.raft
    step = raft.step
    raft.step = lambda message, now_ns: None if isinstance(message, Append) else step(message, now_ns)


async def test_sessions_of_a_node_that_is_replaced_wait_for_their_clients(cluster: Cluster) -> None:
    """What happened to them is in the snapshot, not in events: streams end, a client that resumes misses nothing."""
    alice, bob = Person("alice"), Person("bob")
    await alice.appear(cluster.leader.node)
    behind = cluster.followers[0]
    await bob.appear(behind.node)
    await bob.session.enable_management(0, TOKEN, 300)
    alice.send("bob", "before")
    await until(lambda: bob.bodies == [b"before"])
    index = await cluster.caught_up()
    hear_no_appends(behind)
    alice.send("bob", "meanwhile")
    others = [node for node in cluster.running if node is not behind]
    while any(node.running.raft.base_index <= index for node in others):
        await write(alice, 3)
    await until(lambda: behind.running.upkeep.snapshots.installed_count >= 1)
    del behind.running.raft.step
    await until(lambda: bob.ended is not None)
    await until(lambda: behind.running.lives.is_live)
    again = Person("bob")
    node = behind.node
    await node.barrier()
    resumed = await node.resume_session("bob", bob.session.session_id, TOKEN, again)
    assert isinstance(resumed, tuple)
    page = await node.ask(InboxPage(bob.session.session_id, CURSOR_START))
    assert [body_of(event.stanza) for event in page] == [b"before", b"meanwhile"]
    alice.send("bob", "after")
    await until(lambda: again.bodies == [b"after"])
    await require_equal_replicas(cluster)


async def test_commands_under_way_happen_once(cluster: Cluster) -> None:
    """A command whose outcome the node never saw, because the snapshot contains it, is not lost and not doubled."""
    alice, bob = Person("alice"), Person("bob")
    await alice.appear(cluster.leader.node)
    behind = cluster.followers[0]
    await bob.appear(behind.node)
    await bob.session.enable_management(0, TOKEN, 300)
    await until(lambda: bob.outcomes)
    index = await cluster.caught_up()
    hear_no_appends(behind)
    for number in range(5):
        bob.send("alice", f"{number}")
    creation = asyncio.ensure_future(behind.node.execute(CreateAccount("carol", ()), key=b"k" * 16))
    await until(lambda: len(alice.bodies) == 5)
    others = [node for node in cluster.running if node is not behind]
    while any(node.running.raft.base_index <= index for node in others):
        await write(alice, 3)
    await until(lambda: behind.running.upkeep.snapshots.installed_count >= 1)
    del behind.running.raft.step
    assert await creation == Done()
    await until(lambda: behind.running.lives.is_live)
    assert await archive_of(behind.node, "alice") == [b"0", b"1", b"2", b"3", b"4"]
    assert alice.bodies == [b"0", b"1", b"2", b"3", b"4"]


class Wire:
    """Looks at the chunks that arrive, and spoils some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[int, SnapshotChunk], SnapshotChunk]) -> None:
        self.offsets: list[int] = []
        original = TransferConnection.next_chunk

        async def next_chunk(connection: TransferConnection) -> SnapshotChunk:
            chunk = await original(connection)
            self.offsets.append(chunk.offset)
            return spoil(len(self.offsets), chunk)

        monkeypatch.setattr(TransferConnection, "next_chunk", next_chunk)


async def test_a_transfer_that_breaks_off_goes_on_where_it_was(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has arrived is not fetched again."""
    monkeypatch.setattr(snapshot_fetch, "CHUNK_BYTES", 16 << 10)
    monkeypatch.setattr(snapshot_fetch, "RETRY_SECONDS", 0.01)

    def spoil(count: int, chunk: SnapshotChunk) -> SnapshotChunk:
        if count % 5 == 0:
            raise ConnectionError("cut")
        return chunk

    wire = Wire(monkeypatch, spoil)
    _alice, behind = await leave_behind(cluster)
    await behind.start()
    await until(lambda: behind.running.upkeep.snapshots.installed_count >= 1)
    fetch = behind.running.upkeep.snapshots.fetch
    assert fetch.failure_count >= 2
    repeated = len(wire.offsets) - len(set(wire.offsets))
    assert repeated <= fetch.failure_count * snapshot_fetch.WINDOW_COUNT


async def test_what_the_network_altered_is_not_installed(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot with another hash than its maker's is thrown away and fetched anew."""

    def spoil(count: int, chunk: SnapshotChunk) -> SnapshotChunk:
        return replace(chunk, data=bytes(len(chunk.data))) if count == 1 else chunk

    Wire(monkeypatch, spoil)
    _alice, behind = await leave_behind(cluster)
    await behind.start()
    await until(lambda: behind.running.upkeep.snapshots.installed_count >= 1)
    assert behind.running.upkeep.snapshots.fetch.failure_count >= 1
    assert cluster.leader.running.upkeep.snapshots.source.damaged_count == 0
    await require_equal_replicas(cluster)


async def test_a_snapshot_that_its_makers_disk_altered_is_made_anew(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D8: the maker finds out when it is told, and makes another one; nobody installs the damaged one."""
    original = snapshot_source.FileDigest.value
    damaged: list[Path] = []

    def value(digest: FileDigest) -> bytes:
        result = original(digest)
        if not damaged:
            damaged.append(digest._path)
            content = bytearray(digest._path.read_bytes())
            content[len(content) // 2] ^= 1
            digest._path.write_bytes(content)
        return result

    monkeypatch.setattr(snapshot_source.FileDigest, "value", value)
    _alice, behind = await leave_behind(cluster)
    await behind.start()
    await until(lambda: behind.running.upkeep.snapshots.installed_count >= 1)
    source = cluster.leader.running.upkeep.snapshots.source
    assert (source.damaged_count, source.taken_count) == (1, 2)
    await require_equal_replicas(cluster)


async def test_the_leader_changes_while_a_snapshot_is_fetched(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R9: the next leader makes one of its own; what had arrived of the first is of no use and goes."""
    monkeypatch.setattr(snapshot_fetch, "CHUNK_BYTES", 4 << 10)
    monkeypatch.setattr(snapshot_fetch, "RETRY_SECONDS", 0.01)
    held = asyncio.Event()

    alice, behind = await leave_behind(cluster)
    first = cluster.leader
    original = TransferConnection.next_chunk

    async def next_chunk(connection: TransferConnection) -> SnapshotChunk:
        if connection._node_id == first.config.node_id:
            held.set()
            await asyncio.Event().wait()
        return await original(connection)

    monkeypatch.setattr(TransferConnection, "next_chunk", next_chunk)
    await behind.start()
    await asyncio.wait_for(held.wait(), 10)
    first.running.transfer_leadership(cluster.followers[-1].config.node_id)
    await until(lambda: behind.running.upkeep.snapshots.installed_count >= 1)
    assert alice.ended is None
    await require_equal_replicas(cluster)
    await until(lambda: [path.name for path in (behind.directory / "snapshots").iterdir()] == [])


class TestInstallationAcrossACrash:
    """R4, R5: the node stops at every step of an installation, and its next start goes on from there."""

    async def prepare(self, cluster: Cluster) -> tuple[ClusterNode, Path, SnapshotMeta]:
        """Return a stopped node, with the snapshot that it needs lying in its directory."""
        _alice, behind = await leave_behind(cluster)
        source = cluster.leader
        membership = source.running.raft.membership
        meta = SnapshotMeta(
            source.config.node_id, "1-1", source.machine.applied_index, source.machine.applied_term, membership
        )
        source.machine.commit()
        files = SnapshotFiles(behind.directory)
        part = files.part_path("1-1")
        copy = SnapshotCopy(source.directory / "state.db", part)
        while not copy.step():
            pass
        copy.close()
        assert copy.head.applied_index == meta.index
        return behind, part, meta

    async def come_back(self, cluster: Cluster, behind: ClusterNode, has: SnapshotMeta | None) -> None:
        """
        Start a node that has a snapshot before anybody sends it anything, or has none.

        A leader that is quick may send one all the same: it knows what the node has once the node has said it.
        """
        await behind.start()
        if has is not None:
            assert behind.machine.applied_index >= has.index
            assert behind.running.raft.base_index >= has.index
        await require_equal_replicas(cluster)
        if has is None:
            assert behind.running.upkeep.snapshots.installed_count > 0
        await until(lambda: SnapshotFiles(behind.directory).kept() is None)

    async def test_before_it_is_kept(self, cluster: Cluster) -> None:
        """A part is of no use to the next start, nor is a file whose meaning is not written beside it."""
        behind, part, _meta = await self.prepare(cluster)
        part.with_name("install").write_bytes(part.read_bytes())
        await self.come_back(cluster, behind, has=None)

    async def test_kept_and_nothing_else(self, cluster: Cluster) -> None:
        """The next start replaces the database and tells the log."""
        behind, part, meta = await self.prepare(cluster)
        SnapshotFiles(behind.directory).keep(part, meta)
        await self.come_back(cluster, behind, has=meta)

    async def test_the_write_ahead_file_gone_already(self, cluster: Cluster) -> None:
        """The old database without it is older than what the log was trimmed to; it is replaced all the same."""
        behind, part, meta = await self.prepare(cluster)
        SnapshotFiles(behind.directory).keep(part, meta)
        for suffix in ("-wal", "-shm"):
            behind.directory.joinpath(f"state.db{suffix}").unlink(missing_ok=True)
        await self.come_back(cluster, behind, has=meta)

    async def test_database_replaced_and_the_log_not_told(self, cluster: Cluster) -> None:
        """A database ahead of its log is no damage when the reason lies beside it."""
        behind, part, meta = await self.prepare(cluster)
        files = SnapshotFiles(behind.directory)
        files.keep(part, meta)
        adopt(files.install_path, behind.directory / "state.db")
        await self.come_back(cluster, behind, has=meta)

    async def test_both_have_it(self, cluster: Cluster) -> None:
        """Only the promise to tell the log is left, and is dropped."""
        behind, part, meta = await self.prepare(cluster)
        files = SnapshotFiles(behind.directory)
        content = part.read_bytes()
        files.keep(part, meta)
        await self.come_back(cluster, behind, has=meta)
        await behind.stop()
        part.write_bytes(content)
        files.keep(part, meta)
        files.install_path.unlink()
        await self.come_back(cluster, behind, has=meta)

    async def test_a_damaged_promise_is_told(self, cluster: Cluster) -> None:
        """What says of a snapshot is verified like everything else."""
        behind, part, meta = await self.prepare(cluster)
        files = SnapshotFiles(behind.directory)
        files.keep(part, meta)
        path = behind.directory / "snapshots" / "install.meta"
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
        with pytest.raises(StorageCorrupt, match="snapshot"):
            files.kept()


async def test_who_asks_for_too_much_is_dropped(cluster: Cluster) -> None:
    """Requests are bounded in size and number, and pass only over a connection of their kind."""
    one, two = cluster[1].running._links, cluster[2]
    with pytest.raises(RemoteProtocolError):
        await one.open_transfer(NodeId(9))
    connection = await one.open_transfer(two.config.node_id)
    connection.ask(ChunkRequest("1-1", 0, 1000))
    assert (await connection.next_chunk()).total_size == -1
    connection.ask(ChunkRequest("1-1", 0, 1 << 30))
    with pytest.raises(ConnectionError):
        await connection.next_chunk()
    assert two.running._links.refused_count == 1
