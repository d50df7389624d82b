"""Space on the disk: seen in time, refused clearly, nothing damaged, and service again when there is some."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.clusters import Cluster, until
from cluster.disks import TroubledDisk
from cluster.people import Person, anything, archive_of
from raftline.base.errors import Busy, StorageFull, Unavailable
from raftline.cluster.disk_space import BALLAST_FILE, DiskSpace, SpaceState
from raftline.machine.outcomes import Event

MIB = 1 << 20
RESERVE = 16 * MIB
BALLAST = RESERVE // 4
OUT = RESERVE // 4
MARGIN = RESERVE // 8
AMPLE = 100 * RESERVE


@pytest.fixture
def files() -> TroubledDisk:
    """A disk with ample space."""
    return TroubledDisk(AMPLE)


@pytest.fixture
def disk(tmp_path: Path, files: TroubledDisk) -> DiskSpace:
    """Watched, with a ballast."""
    space = DiskSpace(tmp_path, files, reserve_bytes=RESERVE)
    assert space.make_ballast()
    return space


def test_the_ballast_occupies_real_space(tmp_path: Path, disk: DiskSpace) -> None:
    """It has its size in blocks, and a second call makes no second one."""
    assert (tmp_path / BALLAST_FILE).stat().st_blocks * 512 >= BALLAST
    assert disk.make_ballast()
    assert [path.name for path in tmp_path.iterdir()] == [BALLAST_FILE]


@pytest.mark.parametrize(
    ("free", "state"),
    [
        (RESERVE, SpaceState.AMPLE),
        (RESERVE - 1, SpaceState.SHORT),
        (OUT, SpaceState.SHORT),
        (OUT - 1, SpaceState.OUT),
        (0, SpaceState.OUT),
    ],
)
def test_states_begin_at_their_bounds(disk: DiskSpace, files: TroubledDisk, free: int, state: SpaceState) -> None:
    """The reserve and a quarter of it, to the byte."""
    files.free = free
    assert disk.look() is state
    assert disk.state is state


def test_what_nobody_needs_must_leave_the_reserve(disk: DiskSpace, files: TroubledDisk) -> None:
    """To the byte: else a backup would have the node refuse commands."""
    files.free = RESERVE + 1000
    assert disk.leaves_reserve(1000)
    assert not disk.leaves_reserve(1001)


def test_states_end_a_margin_later(disk: DiskSpace, files: TroubledDisk) -> None:
    """A file that comes and goes at a bound turns nothing on and off."""
    for free, state in [
        (OUT - 1, SpaceState.OUT),
        (OUT + MARGIN - 1, SpaceState.OUT),
        (OUT + MARGIN, SpaceState.SHORT),
        (RESERVE + MARGIN - 1, SpaceState.SHORT),
        (RESERVE + MARGIN, SpaceState.AMPLE),
    ]:
        files.free = free
        assert disk.look() is state, free


def test_a_released_ballast_is_no_new_room(tmp_path: Path, disk: DiskSpace, files: TroubledDisk) -> None:
    """Its place is for the transaction that is open; it turns nothing on again."""
    files.free = 0
    disk.look()
    disk.release_ballast()
    disk.release_ballast()
    assert disk.release_count == 1
    assert files.free == BALLAST
    assert disk.room_bytes() == 0
    assert disk.look() is SpaceState.OUT
    assert not disk.wants_ballast
    assert not (tmp_path / BALLAST_FILE).exists()


def test_the_ballast_is_wanted_back_when_there_is_room_for_it(disk: DiskSpace, files: TroubledDisk) -> None:
    """Only when making it leaves the reserve."""
    files.free = 0
    disk.look()
    disk.release_ballast()
    files.free = RESERVE + MARGIN + BALLAST - 1
    disk.look()
    assert not disk.wants_ballast
    files.free += 1
    disk.look()
    assert disk.wants_ballast
    assert disk.make_ballast()
    assert disk.look() is SpaceState.AMPLE


def test_a_ballast_without_space_is_left_out(tmp_path: Path) -> None:
    """No error, no rest of a file; and the room does not count it."""
    files = TroubledDisk(BALLAST - 1)
    disk = DiskSpace(tmp_path, files, reserve_bytes=RESERVE)
    assert not disk.make_ballast()
    assert list(tmp_path.iterdir()) == []
    assert disk.room_bytes() == -1


def test_a_start_finds_the_ballast_and_removes_a_draft(tmp_path: Path, disk: DiskSpace, files: TroubledDisk) -> None:
    """What an interrupted attempt left is no ballast."""
    (tmp_path / "ballast.tmp").write_bytes(b"half")
    again = DiskSpace(tmp_path, files, reserve_bytes=RESERVE)
    assert again.has_ballast
    assert [path.name for path in tmp_path.iterdir()] == [BALLAST_FILE]


def test_a_start_without_space_releases_the_ballast(tmp_path: Path, disk: DiskSpace, files: TroubledDisk) -> None:
    """Log and database may have to write when they are opened."""
    files.free = 0
    again = DiskSpace(tmp_path, files, reserve_bytes=RESERVE)
    again.make_room_to_start()
    assert not again.has_ballast
    assert files.free == BALLAST


def troubled(cluster: Cluster) -> list[TroubledDisk]:
    """Give each node a disk of its own with ample space, watched."""
    disks = []
    for node in cluster.nodes.values():
        disks.append(TroubledDisk(AMPLE))
        node.files = disks[-1]
        node.reserve_bytes = RESERVE
    return disks


async def test_a_node_without_space_refuses_and_goes_on_when_there_is_some(tmp_path: Path) -> None:
    """Short: refused. Out: what is committed waits, and nothing is lost. Space again: everything goes on."""
    cluster = Cluster(tmp_path, 1)
    (files,) = troubled(cluster)
    await cluster.start()
    try:
        driver = cluster[1].running
        disk = cluster[1].disk
        assert disk is not None
        await until(lambda: disk.has_ballast)
        alice = Person("alice")
        await alice.appear(cluster[1].node)
        await until(lambda: len(alice.outcomes) == 1)

        files.free = RESERVE - 1
        await until(lambda: not driver.storage.has_space)
        with pytest.raises(Busy, match="space"):
            alice.send("alice", "refused")
        await driver.read_barrier()

        files.free = AMPLE
        await until(lambda: driver.storage.has_space)
        alice.number = 1
        applied_index = driver.machine.applied_index
        alice.send("alice", "waits")
        files.free = OUT - 1
        await until(lambda: driver.metrics().commit_index > applied_index)
        await until(lambda: driver._apply.held_since_ns is not None)
        assert driver.metrics().disk_state == SpaceState.OUT
        assert driver.machine.applied_index == applied_index
        with pytest.raises(Unavailable, match="space"):
            await driver.read_barrier()

        files.free = AMPLE
        await until(lambda: len(alice.outcomes) == 2)
        assert alice.bodies == [b"waits"]
        await driver.read_barrier()
    finally:
        await cluster.stop()


async def test_the_open_transaction_gets_the_ballasts_place(tmp_path: Path) -> None:
    """Space that vanishes between apply and commit costs the ballast, not the node; it comes back later."""
    cluster = Cluster(tmp_path, 1)
    (files,) = troubled(cluster)
    await cluster.start()
    try:
        node = cluster[1]
        disk = node.disk
        assert disk is not None
        await until(lambda: disk.has_ballast)
        was_open: list[bool] = []

        class Witness(Person):
            def receive_event(self, event: Event) -> None:
                was_open.append(node.machine.has_open_transaction)
                files.free = 0

        alice = Witness("alice")
        await alice.appear(node.node)
        await until(lambda: len(alice.outcomes) == 1)
        was_open.clear()
        files.free = AMPLE
        await until(lambda: disk.has_ballast and not node.machine.has_open_transaction)
        released_before = node.running.metrics().ballast_release_count
        alice.send("alice", "open")
        await until(lambda: was_open and not node.machine.has_open_transaction)
        assert was_open == [True]
        assert node.running.metrics().ballast_release_count == released_before + 1
        files.free = AMPLE
        await until(lambda: disk.has_ballast)
        assert alice.ended is None
    finally:
        await cluster.stop()


async def test_a_database_that_is_full_all_the_same_ends_the_node_and_a_restart_recovers(tmp_path: Path) -> None:
    """SQLite's own refusal ends the node with StorageFull; with space, the next start applies what the log has."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    node = cluster[1]
    try:
        alice = Person("alice")
        await alice.appear(node.node)
        await until(lambda: len(alice.outcomes) == 1 and not node.machine.has_open_transaction)
        database = node.machine._database
        database.pragma("max_page_count", database.pragma("page_count"))
        for number in range(200):
            alice.send("alice", f"{number} " + "x" * 10_000)
        await until(lambda: node.failures)
        assert isinstance(node.failures.pop(), StorageFull)
        await node.stop()

        await node.start()
        await cluster.settle()
        await node.running.read_barrier()
        bodies = await archive_of(node.node, "alice")
        assert [int(body.split()[0]) for body in bodies] == list(range(200))
    finally:
        await cluster.stop()


async def test_a_leader_without_space_hands_over(tmp_path: Path) -> None:
    """The leadership goes to a node with space, which takes commands; the old leader refuses its own."""
    cluster = Cluster(tmp_path, 3)
    disks = dict(zip(cluster.nodes, troubled(cluster), strict=True))
    await cluster.start()
    try:
        old = cluster.leader
        other = cluster.followers[0]
        alice = Person("alice")
        await alice.appear(other.node)
        disks[old.config.node_id].free = RESERVE - 1
        await until(lambda: all(node.running.leader_id != old.config.node_id for node in cluster.running))
        await cluster.settle()
        alice.send("alice", "goes on")
        await until(lambda: alice.bodies == [b"goes on"])
        assert old.running.metrics().handover_count == 1
        with pytest.raises(Busy, match="space"):
            await old.node.open_session(anything("alice", "elsewhere"), Person("alice"))
    finally:
        await cluster.stop()


async def test_nobody_without_space_is_handed_the_leadership(tmp_path: Path) -> None:
    """Where all disks are full the leader stays: a leadership that wanders helps nobody."""
    cluster = Cluster(tmp_path, 3)
    disks = dict(zip(cluster.nodes, troubled(cluster), strict=True))
    await cluster.start()
    try:
        leader = cluster.leader
        followers = cluster.followers
        for follower in followers:
            disks[follower.config.node_id].free = RESERVE - 1
        await until(lambda: leader.running.succession.heir() is None)
        disks[leader.config.node_id].free = RESERVE - 1
        await until(lambda: not leader.running.storage.has_space and leader.running.storage.is_told_short)
        assert leader.running.metrics().handover_count == 0
        disks[followers[0].config.node_id].free = AMPLE
        await until(lambda: leader.running.succession.heir() == followers[0].config.node_id)
    finally:
        await cluster.stop()
