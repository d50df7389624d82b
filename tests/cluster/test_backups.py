"""A backup that a node makes while it serves, and the cluster that is founded with it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import DOMAIN, Cluster, ClusterNode, until
from cluster.people import Person
from cluster.test_media import has, lose, understand, upload
from raftline.base.errors import Refused, StorageCorrupt, StorageFull
from raftline.base.ids import NodeId, Position, position_of
from raftline.cluster import backups as node_backups
from raftline.cluster.backups import CHUNK_BYTES_MAX, Backup, Backups
from raftline.cluster.config import Peer
from raftline.cluster.refounding import begin_with_state, founding_payload
from raftline.cluster.snapshot_files import FileDigest
from raftline.cluster.storage import StorageSettings, open_storage
from raftline.machine.commands import decode_command
from raftline.machine.database import open_database
from raftline.machine.entry import decode_entry
from raftline.machine.machine import Machine
from raftline.machine.node_commands import EndFormerCluster, RaiseVersion
from raftline.machine.snapshot import read_head
from raftline.raft.membership import decode_membership

EPOCH = 4
FOUNDERS = {NodeId(node_id): Peer("127.0.0.1", 9000 + node_id, "ab" * 32) for node_id in (1, 2)}


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes, and alice, who is online at the leader."""
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    alice = Person("alice")
    await alice.appear(cluster.leader.node)
    await cluster.caught_up()
    yield cluster
    await cluster.stop()


def backups_of(node: ClusterNode) -> Backups:
    return node.running.upkeep.backups


async def made(node: ClusterNode) -> Backup:
    backup = backups_of(node).begin()
    await until(lambda: backup.state != "copying")
    assert backup.state == "ready", backup.reason
    return backup


async def fetched(node: ClusterNode, backup: Backup, target: Path, size: int = 4096) -> Path:
    """Read a backup's state in chunks."""
    content = b""
    while chunk := await backups_of(node).chunk(backup.name, "state", len(content), size):
        content += chunk
    target.write_bytes(content)
    return target


def kept(node: ClusterNode) -> list[str]:
    return [path.name for path in (node.directory / "snapshots").iterdir()]


class TestOnANode:
    """Made, read, removed."""

    async def test_a_follower_hands_out_what_was_acknowledged(self, cluster: Cluster, tmp_path: Path) -> None:
        """All that was applied when it began, open transaction or not; the digest is that of the bytes."""
        node = cluster.followers[0]
        index, state_hash = node.machine.applied_index, node.machine.state_hash
        backup = await made(node)
        file = await fetched(node, backup, tmp_path / "state")
        head = backup.head
        assert head is not None
        assert (head.applied_index, head.state_hash) == (index, state_hash)
        assert head == read_head(file)
        (part,) = backup.parts.values()
        assert (part.name, part.size) == ("state", file.stat().st_size)
        assert part.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        await backups_of(node).end(backup.name)
        assert kept(node) == []

    async def test_uploaded_files_are_parts(self, cluster: Cluster) -> None:
        """Those that this node lacks as well, if another has them; what nobody has is named as missing."""
        await understand(cluster)
        node, other = cluster.followers
        here, there, nowhere = [os.urandom(100 + number) for number in range(3)]
        digests = [await upload(node, content, f"user{index}") for index, content in enumerate((here, there, nowhere))]
        await until(lambda: all(has(one, digest) for one in cluster.running for digest in digests))
        await lose(node, digests[1])
        for one in cluster.running:
            await lose(one, digests[2])
        await cluster.caught_up()
        backup = await made(node)
        names = [f"media/{digest.hex()}" for digest in sorted(digests[:2])]
        assert list(backup.parts) == ["state", *names]
        assert backup.missing == (digests[2].hex(),)
        for content, digest in zip((here, there), digests, strict=False):
            part = backup.parts[f"media/{digest.hex()}"]
            assert (part.size, part.sha256) == (len(content), digest.hex())
            chunks = [await backups_of(node).chunk(backup.name, part.name, offset, 60) for offset in (0, 60)]
            assert b"".join(chunks) == content
        assert has(other, digests[0])

    async def test_one_at_a_time(self, cluster: Cluster) -> None:
        """Each takes the space of the database; when it is read another may begin."""
        backups = backups_of(cluster.leader)
        first = await made(cluster.leader)
        with pytest.raises(Refused, match="under way"):
            backups.begin()
        await backups.end(first.name)
        with pytest.raises(Refused, match="no such backup"):
            backups.find(first.name)
        assert (await made(cluster.leader)).name != first.name

    async def test_one_that_nobody_reads_is_removed(self, cluster: Cluster) -> None:
        """A minute after somebody asked for it last, not before."""
        node = cluster.leader
        backup = await made(node)
        backups = backups_of(node)
        asked_ns = node.running.now_ns()
        backups.find(backup.name)
        backups.keep_house(asked_ns + node_backups.IDLE_NS - 1)
        backups.find(backup.name)
        backups.keep_house(node.running.now_ns() + node_backups.IDLE_NS)
        await until(lambda: kept(node) == [])
        with pytest.raises(Refused):
            backups.find(backup.name)

    async def test_one_that_is_given_up_leaves_nothing(self, cluster: Cluster) -> None:
        """Even while it is being made."""
        node = cluster.leader
        backup = backups_of(node).begin()
        await backups_of(node).end(backup.name)
        await until(lambda: backup.state == "failed" and kept(node) == [])
        await made(node)

    @pytest.mark.parametrize(
        ("part", "offset", "size", "condition"),
        [
            ("state", 0, CHUNK_BYTES_MAX + 1, "bad-request"),
            ("state", 0, 0, "bad-request"),
            ("state", -1, 1, "bad-request"),
            ("media/1", 0, 1, "item-not-found"),
        ],
    )
    async def test_what_is_no_part_of_it_is_refused(
        self, cluster: Cluster, part: str, offset: int, size: int, condition: str
    ) -> None:
        """A chunk is a mebibyte at most; behind the end there is nothing."""
        node = cluster.leader
        backup = await made(node)
        with pytest.raises(Refused) as refused:
            await backups_of(node).chunk(backup.name, part, offset, size)
        assert refused.value.condition == condition
        whole = await backups_of(node).chunk(backup.name, "state", 0, CHUNK_BYTES_MAX)
        assert len(whole) == backup.parts["state"].size
        assert await backups_of(node).chunk(backup.name, "state", len(whole), 1) == b""

    async def test_a_disk_without_room_is_told(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before it begins where that is known, else when it is met; the node goes on."""
        node = cluster.leader
        backups = backups_of(node)
        with monkeypatch.context() as patch:
            patch.setattr(backups, "_has_room_for", lambda _size: False)
            with pytest.raises(Refused, match="no room"):
                backups.begin()

        def fail(_self: FileDigest) -> bool:
            raise StorageFull("no space left")

        monkeypatch.setattr(FileDigest, "step", fail)
        backup = backups.begin()
        await until(lambda: backup.state == "failed" and kept(node) == [])
        assert "no space" in backup.reason
        assert node.failures == []


def settings_of(directory: Path, node_id: int = 1, cluster_id: str = "another") -> StorageSettings:
    directory.mkdir(exist_ok=True)
    return StorageSettings(
        data_dir=directory, cluster_id=cluster_id, node_id=NodeId(node_id), domain=DOMAIN, segment_bytes=64 << 10
    )


class TestFounding:
    """Data of a founder with the state of a backup."""

    @pytest_asyncio.fixture
    async def state(self, cluster: Cluster, tmp_path: Path) -> Path:
        """The database of a backup in which alice is online."""
        return await fetched(cluster.leader, await made(cluster.leader), tmp_path / "state")

    def test_a_node_opens_it(self, state: Path, tmp_path: Path) -> None:
        """One entry further, under the founders' membership; nobody is online, alice has her account."""
        settings = settings_of(tmp_path / "new")
        former = begin_with_state(settings, FOUNDERS, lambda path: path.write_bytes(state.read_bytes()), EPOCH)
        assert former == read_head(state)
        storage = open_storage(settings)
        try:
            machine, log = storage.machine, storage.log
            assert machine.applied_index == former.applied_index + 1 == log.last_index
            assert log.first_index == log.last_index + 1
            assert log.term_at(machine.applied_index) == former.applied_term + 1 == log.hard_state.term
            assert decode_membership(log.memberships()[0][1]).voters == (1, 2)
            last = Position(position_of(machine.applied_index, 0) - 1)
            assert machine.former_epochs == ((last, EPOCH),)
            counts = {
                table: machine._database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("account", "session", "node", "node_profile")
            }
        finally:
            storage.log.close()
            storage.machine.close()
        assert counts == {"account": 1, "session": 0, "node": 0, "node_profile": 0}

    def test_all_founders_have_the_same_state(self, state: Path, tmp_path: Path) -> None:
        """Hashes as well; another cluster made of the same backup has another chain."""
        hashes = {}
        for name, node_id, cluster_id in (("a", 1, "new"), ("b", 2, "new"), ("c", 1, "other")):
            settings = settings_of(tmp_path / name, node_id, cluster_id)
            begin_with_state(settings, FOUNDERS, lambda path: path.write_bytes(state.read_bytes()), EPOCH)
            head = read_head(settings.database_path)
            hashes[name] = (head.state_hash, head.entry_chain)
        assert hashes["a"] == hashes["b"]
        assert hashes["a"][1] != hashes["c"][1]

    def test_damage_is_refused(self, state: Path, tmp_path: Path) -> None:
        """A page whose checksum does not hold, on its way here."""
        content = bytearray(state.read_bytes())
        content[50] ^= 1
        with pytest.raises(StorageCorrupt):
            begin_with_state(settings_of(tmp_path / "new"), FOUNDERS, lambda path: path.write_bytes(content), EPOCH)

    def test_a_backup_of_nothing_is_refused(self, tmp_path: Path) -> None:
        """There is no position to go on from."""
        database = tmp_path / "empty"
        Machine(open_database(database), domain=DOMAIN).close()
        with pytest.raises(StorageCorrupt, match="done nothing"):
            begin_with_state(
                settings_of(tmp_path / "new"), FOUNDERS, lambda path: path.write_bytes(database.read_bytes()), EPOCH
            )

    @pytest.mark.parametrize(
        ("version", "actions"),
        [(1, [RaiseVersion, EndFormerCluster]), (3, [RaiseVersion, EndFormerCluster]), (4, [EndFormerCluster])],
    )
    def test_a_state_of_an_older_version_is_raised(self, state: Path, version: int, actions: list[type]) -> None:
        """Else nobody would understand the first command; all founders are of this release."""
        head = read_head(state)._replace(machine_version=version)
        batch = decode_entry(founding_payload("another", head, EPOCH))
        assert [type(decode_command(command).action) for command in batch.commands] == actions
        assert batch.time_ms == head.cluster_time_ms
