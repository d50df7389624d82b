"""Leaderships that are handed over: on request, and because a disk hangs."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from cluster.clusters import Cluster, until
from cluster.disks import TroubledDisk
from cluster.people import Person
from raftline.base.errors import StorageError, StorageFull, Unavailable
from raftline.base.ids import LogIndex, NodeId, Position
from raftline.cluster.frames import TransferRequest
from raftline.cluster.succession import Succession
from raftline.machine.apply import Fault
from raftline.raft.membership import Membership
from raftline.raft.node import Role
from raftline.raft.progress import ProgressState
from raftline.raft.ready import FollowerStatus


async def led_by(cluster: Cluster, node_id: NodeId) -> None:
    """Wait until everybody says that this node leads."""
    await until(lambda: all(node.running.leader_id == node_id for node in cluster.running))


async def test_any_node_can_be_asked_for_a_transfer(tmp_path: Path) -> None:
    """A follower passes it on; the leadership goes where the request says, and commands go on."""
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    try:
        asked, target = (node.config.node_id for node in cluster.followers)
        cluster[asked].running.transfer_leadership(target)
        await led_by(cluster, target)
        alice = Person("alice")
        await alice.appear(cluster[asked].node)
        await until(lambda: len(alice.outcomes) == 1)
    finally:
        await cluster.stop()


async def test_a_transfer_to_nobody_in_particular_goes_to_a_follower(tmp_path: Path) -> None:
    """The leader chooses one that can be reached; a transfer to the leader itself changes nothing."""
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    try:
        leader = cluster.leader
        old_id = leader.config.node_id
        leader.running.transfer_leadership(old_id)
        assert leader.running.metrics().handover_count == 0
        leader.running.transfer_leadership()
        await until(lambda: all(node.running.leader_id not in (None, old_id) for node in cluster.running))
    finally:
        await cluster.stop()


async def test_a_transfer_without_anyone_to_take_it_is_refused(tmp_path: Path) -> None:
    """A single node says so."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    try:
        with pytest.raises(Unavailable, match="no other node"):
            cluster[1].running.transfer_leadership()
    finally:
        await cluster.stop()


async def test_a_leader_whose_disk_hangs_is_replaced_and_commands_go_on(tmp_path: Path) -> None:
    """L1: no sync returns, no error either. Another node leads, the others' clients go on, the old leader follows."""
    cluster = Cluster(tmp_path, 3)
    disks = {}
    for node_id, node in cluster.nodes.items():
        node.files = disks[node_id] = TroubledDisk()
    await cluster.start()
    old = cluster.leader
    old_id = old.config.node_id
    try:
        alice = Person("alice")
        await alice.appear(cluster.followers[0].node)
        await until(lambda: len(alice.outcomes) == 1)
        disks[old_id].healthy.clear()
        alice.send("alice", "into a disk that hangs")
        others = cluster.followers
        await until(lambda: all(node.running.leader_id not in (None, old_id) for node in others))
        await until(lambda: alice.bodies == [b"into a disk that hangs"])
        alice.send("alice", "and on")
        await until(lambda: alice.bodies[1:] == [b"and on"])
        assert old.running.metrics().handover_count >= 1

        disks[old_id].healthy.set()
        await cluster.caught_up()
        await cluster.settle()
        assert not old.failures
    finally:
        disks[old_id].healthy.set()
        await cluster.stop()


async def test_a_leader_whose_disk_hangs_steps_down_when_nobody_takes_over(tmp_path: Path) -> None:
    """Without an heir it leads no longer all the same: a machine that is half dead must not be the leader."""
    cluster = Cluster(tmp_path, 3)
    disks = {}
    for node_id, node in cluster.nodes.items():
        node.files = disks[node_id] = TroubledDisk()
    await cluster.start()
    old = cluster.leader
    old_id = old.config.node_id
    try:
        for follower in cluster.followers:
            old.running.succession.peer_told(follower.config.node_id, is_unfit=True)
        disks[old_id].healthy.clear()
        alice = Person("alice")
        creating = asyncio.ensure_future(alice.create(cluster.followers[0].node))
        await until(lambda: old.running.metrics().step_down_count == 1)
        await creating
    finally:
        disks[old_id].healthy.set()
        await cluster.stop()


class JointCore:
    """A leader between two memberships: node 2 stays, node 3 is on its way out, and has come further."""

    node_id = leader_id = NodeId(1)
    role = Role.LEADER
    membership = Membership((), voters=(NodeId(1), NodeId(2)), outgoing=(NodeId(1), NodeId(2), NodeId(3)))
    voters = membership.deciders

    def __init__(self) -> None:
        self.transferred: list[NodeId] = []

    def followers(self) -> list[FollowerStatus]:
        return [
            FollowerStatus(NodeId(2), ProgressState.REPLICATE, LogIndex(5), LogIndex(6), 0, contact_ns=0),
            FollowerStatus(NodeId(3), ProgressState.REPLICATE, LogIndex(9), LogIndex(10), 0, contact_ns=0),
        ]

    def transfer_leadership(self, target: NodeId, _now_ns: int) -> None:
        assert target in self.membership.voters, "the core refuses those who will vote no more"
        self.transferred.append(target)


class AllUp:
    """Links to everybody."""

    def is_up(self, _node_id: NodeId) -> bool:
        return True


class TestChangingMembership:
    """A leadership that is handed over between two memberships goes to one who votes in the new one."""

    @pytest.fixture
    def core(self) -> JointCore:
        return JointCore()

    @pytest.fixture
    def succession(self, core: JointCore, tmp_path: Path) -> Succession:
        return Succession(Cluster(tmp_path, 3)[1].config, core, AllUp())  # type: ignore[arg-type]

    def test_the_heir_stays(self, core: JointCore, succession: Succession) -> None:
        """Whoever leaves is none, however far it has come: a leader whose disk hangs would stop over it."""
        assert succession.hand_over(0) == 2
        assert core.transferred == [2]

    def test_nobody_is_asked_for_who_leaves(self, core: JointCore, succession: Succession) -> None:
        """Neither by an operator here, nor by one elsewhere, whose wish then goes to the heir."""
        with pytest.raises(Unavailable):
            succession.transfer(NodeId(3), 0)
        assert core.transferred == []
        succession.asked(TransferRequest(NodeId(3)), 0)
        assert core.transferred == [2]


def test_figures_can_be_asked_for_before_the_start(tmp_path: Path) -> None:
    """They are those of a node that has done nothing."""
    cluster = Cluster(tmp_path, 1)
    node = cluster[1]
    driver = node.make()
    metrics = driver.metrics()
    driver._log.close()
    driver.machine.close()
    assert (metrics.role, metrics.applied_index, metrics.links) == ("follower", 0, ())


@pytest.mark.parametrize("error", [StorageFull("the database found no space"), StorageError("the disk failed")])
async def test_a_failing_disk_is_told_in_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: StorageError
) -> None:
    """No stack trace hides it; any other error brings its own, since it is a fault of ours."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    try:
        cluster[1].running.fail(error)
        assert cluster[1].failures.pop() is error
        told = [(entry.getMessage(), entry.exc_info) for entry in caplog.records if entry.levelno == logging.CRITICAL]
        assert told == [(f"node 1 stops: {error}", None)]
    finally:
        await cluster.stop()


async def test_a_fault_in_applying_a_command_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The machine refuses the command and goes on; what was wrong stands in the log of the node, once."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    try:
        node = cluster[1]
        node.machine._runner.faults.append(Fault(Position(77), ValueError("a bug of ours")))
        alice = Person("alice")
        await alice.create(node.node)
        told = [record for record in caplog.records if "a fault in applying command 77" in record.getMessage()]
        assert len(told) == 1
        assert told[0].exc_info is not None
        assert str(told[0].exc_info[1]) == "a bug of ours"
    finally:
        await cluster.stop()
