"""Whole clusters in the test's process: real links, logs and machines, on loopback and in temporary directories."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cluster.certificates import Authority, Identity
from raftline.base.ids import LogIndex, NodeId
from raftline.cluster.config import Clocks, ClusterConfig, ClusterLimits, ClusterTiming, Peer
from raftline.cluster.disk_space import DiskSpace
from raftline.cluster.driver import Driver
from raftline.cluster.frames import JoinRequest
from raftline.cluster.joining import join
from raftline.cluster.media.objects.bucket import BucketSettings
from raftline.cluster.peer_book import peer_of
from raftline.cluster.storage import StorageSettings, open_storage
from raftline.machine.machine import Machine
from raftline.node.node import LocalNode
from raftline.raft.config import MILLISECOND_NS, RaftConfig
from raftline.wal.files import FileSystem

CLUSTER_ID = "test-cluster"
DOMAIN = "example.test"
CLOCKS = Clocks(time.monotonic_ns, lambda: time.time_ns() // 1_000_000)

# The machines tests run on are busy: a paused process must not look like a dead one.
PATIENT_RAFT = RaftConfig(
    election_timeout_min_ns=400 * MILLISECOND_NS,
    election_timeout_max_ns=800 * MILLISECOND_NS,
    heartbeat_ns=50 * MILLISECOND_NS,
)
PATIENT_TIMING = ClusterTiming(bury_after_ns=2_000 * MILLISECOND_NS)


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class NoLeaderKnown(Exception):
    """A test asks for the leader while a machine that is busy elects another one."""


async def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for a condition; fail when it does not come true in time. Of a leader none is true while none is known."""
    deadline = time.monotonic() + seconds

    def is_true() -> bool:
        try:
            return bool(condition())
        except NoLeaderKnown:
            return False

    while not is_true():
        assert time.monotonic() < deadline, f"not in {seconds} s: {condition.__code__.co_names}"  # type: ignore[attr-defined]
        await asyncio.sleep(0.005)


RUNNING: set[ClusterNode] = set()
"""Nodes of this process that are not stopped."""


async def stop_all() -> None:
    """Stop what a failed test has left: a loop does not close while something listens on it, and no timeout helps."""
    for node in list(RUNNING):
        await node.stop()


class ClusterNode:
    """
    One node; it can be stopped and started again on its data.

    Attributes:
        files: The log's disk; the operating system's unless a test puts another one in before the start.
        bucket: Where uploaded files are kept; None for the nodes' disks.
        reserve_bytes: What the node keeps free on it; 0 for a node that does not look.
        segment_bytes, trailing_bytes: As `StorageSettings` has them.
    """

    def __init__(self, config: ClusterConfig, identity: Identity, directory: Path) -> None:
        self.config = config
        self.identity = identity
        self.directory = directory
        self.failures: list[BaseException] = []
        self.files: FileSystem | None = None
        self.reserve_bytes = 0
        self.segment_bytes = 4 << 20
        self.trailing_bytes = 64 << 20
        self.disk: DiskSpace | None = None
        self.bucket: BucketSettings | None = None
        self.driver: Driver | None = None
        self._node: LocalNode | None = None

    @property
    def node(self) -> LocalNode:
        assert self._node is not None
        return self._node

    @property
    def running(self) -> Driver:
        assert self.driver is not None
        return self.driver

    @property
    def machine(self) -> Machine:
        return self.running.machine

    async def start(self) -> None:
        driver = self.make()
        self._node = LocalNode(
            driver, domain=DOMAIN, cluster_epoch=1, entropy=os.urandom, monotonic_ns=time.monotonic_ns
        )
        self.driver = driver
        RUNNING.add(self)
        await driver.start()

    def make(self) -> Driver:
        """Open what is on the disk; the driver has it from then on."""
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = StorageSettings(
            data_dir=self.directory,
            cluster_id=CLUSTER_ID,
            node_id=self.config.node_id,
            domain=DOMAIN,
            segment_bytes=self.segment_bytes,
            trailing_bytes=self.trailing_bytes,
            reserve_bytes=self.reserve_bytes,
            keeps_media=True,
            bucket=self.bucket,
            **({} if self.files is None else {"files": self.files}),
        )
        storage = open_storage(settings)
        self.disk = storage.disk
        return Driver(
            self.config,
            raft_random=random.Random(),
            clocks=CLOCKS,
            storage=storage,
            contexts=self.identity.contexts(),
            entropy=os.urandom,
            fatal=self.failures.append,
        )

    async def stop(self) -> None:
        if self.driver is not None:
            driver, self.driver = self.driver, None
            RUNNING.discard(self)
            await driver.stop()


class Cluster:
    """Nodes 1 to `count`, all in this process."""

    def __init__(
        self,
        directory: Path,
        count: int,
        *,
        raft: RaftConfig = PATIENT_RAFT,
        timing: ClusterTiming = PATIENT_TIMING,
        limits: ClusterLimits | None = None,
    ) -> None:
        authority = Authority(directory)
        ports = free_ports(count)
        identities = {NodeId(k): authority.issue(str(k)) for k in range(1, count + 1)}
        peers = {
            node_id: Peer("127.0.0.1", port, identity.fingerprint)
            for (node_id, identity), port in zip(identities.items(), ports, strict=True)
        }
        self.nodes = {
            node_id: ClusterNode(
                ClusterConfig(
                    cluster_id=CLUSTER_ID,
                    node_id=node_id,
                    peers=peers,
                    listen_host="127.0.0.1",
                    listen_port=peers[node_id].port,
                    raft=raft,
                    timing=timing,
                    limits=limits or ClusterLimits(),
                    data_id=b"data of node %d" % node_id,
                ),
                identity,
                directory / f"node{node_id}",
            )
            for node_id, identity in identities.items()
        }
        self._directory = directory
        self._authority = authority

    def __getitem__(self, node_id: int) -> ClusterNode:
        return self.nodes[NodeId(node_id)]

    def make_newcomer(self, node_id: NodeId) -> ClusterNode:
        """Return a node that is to join, and knows those who are members now; nothing of it runs."""
        one = self.leader
        identity = self._authority.issue(str(node_id))
        peers = {member.node_id: peer_of(member) for member in one.running.raft.membership.members}
        peers[node_id] = Peer("127.0.0.1", free_ports(1)[0], identity.fingerprint)
        config = replace(
            one.config,
            node_id=node_id,
            peers=peers,
            listen_port=peers[node_id].port,
            is_founder=False,
            data_id=b"data of node %d" % node_id,
        )
        node = ClusterNode(config, identity, self._directory / f"node{node_id}")
        node.segment_bytes, node.trailing_bytes = one.segment_bytes, one.trailing_bytes
        return node

    async def invite(self, replaces: int | None = None) -> tuple[ClusterNode, bytes]:
        """Invite a node; returns it, and its token."""
        members = self.leader.running.members
        node_id, token = await members.invite(None if replaces is None else NodeId(replaces), 60_000)
        return self.make_newcomer(node_id), token

    async def let_in(self, node: ClusterNode, token: bytes) -> None:
        """Let an invited node ask, start it, and wait until it votes."""
        await ask_to_join(node, token)
        self.nodes[node.config.node_id] = node
        await node.start()
        node_id = node.config.node_id
        await until(lambda: self.is_settled_voter(node_id))

    def is_settled_voter(self, node_id: NodeId) -> bool:
        """Whether a node votes for certain, and no change is under way."""
        raft = self.leader.running.raft
        membership = raft.membership
        return node_id in membership.voters and not membership.is_joint and raft.membership_is_committed

    @property
    def running(self) -> list[ClusterNode]:
        return [node for node in self.nodes.values() if node.driver is not None]

    async def start(self) -> None:
        for node in self.nodes.values():
            await node.start()
        await self.settle()

    async def settle(self) -> None:
        """Wait until all running nodes know one leader and have begun their lives."""
        await until(self._is_settled)

    def _is_settled(self) -> bool:
        drivers = [node.running for node in self.running]
        leaders = {driver.leader_id for driver in drivers}
        return len(leaders) == 1 and None not in leaders and all(driver.lives.is_live for driver in drivers)

    @property
    def leader(self) -> ClusterNode:
        leader_id = self.running[0].running.leader_id
        if leader_id is None:
            raise NoLeaderKnown
        return self.nodes[leader_id]

    @property
    def followers(self) -> list[ClusterNode]:
        leader = self.leader
        return [node for node in self.running if node is not leader]

    async def caught_up(self) -> LogIndex:
        """Wait until all running nodes have applied all that is committed now; return that index."""
        index = max(node.running.metrics().commit_index for node in self.running)
        await until(lambda: all(node.machine.applied_index >= index for node in self.running))
        return index

    async def stop(self) -> None:
        for node in self.nodes.values():
            await node.stop()
        failures = [failure for node in self.nodes.values() for failure in node.failures]
        assert not failures, failures


async def ask_to_join(node: ClusterNode, token: bytes) -> None:
    """Show the token to the members that an invited node knows."""
    config = node.config
    own = config.peers[config.node_id]
    request = JoinRequest(
        config.cluster_id, token, f"{own.host}:{own.port}", config.data_id, config.machine_version_max
    )
    contacts = {node_id: peer for node_id, peer in config.peers.items() if node_id != config.node_id}
    assert await join(contacts, node.identity.contexts().client, request)


def with_timing(**changes: int) -> ClusterTiming:
    """Return the tests' timing with changes."""
    return replace(PATIENT_TIMING, **changes)
