"""
A whole cluster in one process, on virtual time: everything that happens follows from one seed.

    people.py      devices on a loop of their own          nemesis.py   lets faults happen
       │ channel.py                                            │
    edge.py        streams, on the node's loop                 │
       │                                                       ▼
    life.py        LocalNode, Driver, Machine, log: the real ones     node.py: crash, power failure, pause, stop
       │                │                    │
    network.py     disk.py, writer.py   clocks.py        all on  scheduler.py,  each process on  loop.py

`run` lets the faults of the seed happen for a while (safety), then ends them all: every node starts again, and within a
bounded time the cluster must elect, agree, serve everybody's last messages and be done (liveness). Then all that was
promised is compared with what every node has.
"""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import struct
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from raftline.base.errors import StorageCorrupt
from raftline.base.ids import NodeId, Position
from raftline.cluster.config import ClusterConfig, ClusterLimits, Peer
from raftline.machine.history.answers import Found
from raftline.machine.history.queries import SearchArchive
from raftline.machine.queries import ArchivePage, NextExpiry, Page
from raftline.machine.rooms.queries import RoomArchivePage
from raftline.raft.config import RaftConfig
from sim.certificates import fingerprint_of
from sim.checkers import Checkers
from sim.counters import Counters
from sim.faults import Faults
from sim.life import CLUSTER_ID, Life
from sim.nemesis import Nemesis
from sim.network import Network
from sim.node import SimulatedNode
from sim.operators import Operator
from sim.people import People
from sim.promises import Archived
from sim.scheduler import SECOND_NS, Scheduler, Violation
from sim.stanzas import DOMAIN, RETRACTED, has_disappeared, is_tombstone, serial_of
from sim.talk import ROOM, serial_in

PEER_PORT: Final = 5269
SAFETY_NS: Final = 20 * SECOND_NS
SAFETY_EVENT_COUNT: Final = 20_000
"""The first phase ends with so many events at the latest: other seeds are to have their turn."""

CONVERGENCE_NS: Final = 60 * SECOND_NS

_SHARED_MEMORY: Final = Path("/dev/shm")
_FRAME_HEAD: Final = struct.Struct("<IB")
_KIND_RAFT: Final = 2
_PROMISES: Final = {4: "vote", 6: "append reply", 8: "heartbeat reply"}
"""Messages of the core that promise something, by their tags."""


@dataclass
class Options:
    """
    How nodes are set up in a seed.

    Attributes:
        trailing_bytes: What of the log stays behind a checkpoint; all of it, unless nodes can send snapshots.
    """

    size: int
    segment_bytes: int
    reserve_bytes: int
    raft: RaftConfig
    limits: ClusterLimits
    trailing_bytes: int

    @classmethod
    def draw(cls, chance: random.Random, faults: Faults) -> Options:
        """Draw one; small bounds are met more often than large ones."""
        segment_bytes = chance.choice((32 << 10, 128 << 10, 1 << 20))
        if faults.churn and faults.compaction:
            segment_bytes = 32 << 10  # whoever comes later is to find the beginning of the log gone
        limits = ClusterLimits(
            pending_count_max=chance.choice((40, 1000, 8192)),
            queue_count_max=chance.choice((50, 16_384)),
            entry_commands_max=chance.choice((1, 8, 512)),
            entry_bytes_max=segment_bytes // 4,
            entries_in_flight_max=chance.choice((1, 2, 4)),
            link_bytes_max=chance.choice((16 << 10, 16 << 20)),
            off_log_count_max=chance.choice((2, 4096)),
        )
        raft = RaftConfig(
            append_bytes_max=chance.choice((1000, 64 << 10, 1 << 20)),
            inflight_appends_max=chance.choice((1, 2, 4)),
        )
        return cls(
            size=chance.choice((3, 3, 3, 5, 1)),
            segment_bytes=segment_bytes,
            reserve_bytes=(2 << 20) if faults.squeeze else 0,
            raft=raft,
            limits=limits,
            trailing_bytes=chance.choice((1, segment_bytes)) if faults.compaction else 1 << 50,
        )


class World:
    """
    A cluster with its people, of one seed.

    Args:
        faults, options: Drawn from the seed unless given.

    `close` it in the end, whatever happens.
    """

    def __init__(self, seed: int, *, faults: Faults | None = None, options: Options | None = None) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        drawn = Faults.draw(self.chance)
        self.faults = drawn if faults is None else faults
        drawn_options = Options.draw(self.chance, self.faults)
        self.options = drawn_options if options is None else options
        self.scheduler = Scheduler()
        self.counters = Counters()
        self.checkers = Checkers(self.scheduler)
        self.network = Network(self.scheduler, random.Random(self.chance.randrange(1 << 60)))
        self._log_watch = _LogWatch(self)
        self._root = Path(
            tempfile.mkdtemp(prefix="raftline-sim-", dir=_SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None)
        )
        self.nodes = {config.node_id: self._add_node(config) for config in self._configs()}
        self.people = People(
            self.scheduler,
            random.Random(self.chance.randrange(1 << 60)),
            self.counters,
            self._choose_life,
        )
        self.nemesis = Nemesis(self)
        self.operator = Operator(self)

    def _configs(self) -> list[ClusterConfig]:
        peers = {NodeId(number): _peer(number) for number in range(1, self.options.size + 1)}
        return [
            ClusterConfig(
                cluster_id=CLUSTER_ID,
                node_id=node_id,
                peers=peers,
                listen_host=peer.host,
                listen_port=peer.port,
                raft=self.options.raft,
                limits=self.options.limits,
                data_id=_data_id(node_id),
            )
            for node_id, peer in peers.items()
        ]

    def _add_node(self, config: ClusterConfig, token: bytes = b"") -> SimulatedNode:
        name = _host_name(config.node_id)
        directory = self._root / name
        directory.mkdir()
        return SimulatedNode(self, config, self.network.add_host(config.node_id, name), directory, token=token)

    def add_newcomer(self, node_id: NodeId, token: bytes, contacts: Mapping[NodeId, Peer]) -> None:
        """Set a machine up that joins by a token, and start it."""
        own = _peer(node_id)
        founder = self.nodes[min(self.nodes)].config
        config = replace(
            founder,
            node_id=node_id,
            peers={**contacts, node_id: own},
            listen_host=own.host,
            listen_port=own.port,
            is_founder=False,
            data_id=_data_id(node_id),
        )
        node = self.nodes[node_id] = self._add_node(config, token)
        self.nemesis.set_conditions(node)
        node.start()

    def is_removed(self, node_id: NodeId) -> bool:
        """Whether a node was a member of the cluster, or was to be, and certainly is none any more."""
        lives = [node.serving_life for node in self.nodes.values()]
        known = [life.raft.membership for life in lives if life and life.raft and life.raft.membership_is_committed]
        if self.checkers.membership is not None:
            known.append(self.checkers.membership)
        return any(each.member(node_id) is None and node_id <= each.node_id_max for each in known)

    def _choose_life(self, chance: random.Random) -> Life | None:
        return chance.choice([node for node in self.nodes.values() if not node.is_retired]).serving_life

    def watcher_of(self, life: Life) -> Callable[[bytes], None] | None:
        """Return what looks for promises in the frames that a life sends; None where nobody aims at them."""
        if not self.faults.aimed_crash:
            return None

        def look(data: bytes) -> None:
            offset = 0
            while offset + _FRAME_HEAD.size + 2 <= len(data):
                length, kind = _FRAME_HEAD.unpack_from(data, offset)
                if kind == _KIND_RAFT and (promise := _PROMISES.get(data[offset + _FRAME_HEAD.size + 1])) is not None:
                    life.promised(promise)
                offset += 4 + length

        return look

    # Running

    def run(self, safety_ns: int = SAFETY_NS, convergence_ns: int = CONVERGENCE_NS) -> None:
        """
        Let the seed happen, both phases: the first for so long, the second for so long at most.

        Raises:
            Violation: A promise was broken.
        """
        for node in self.nodes.values():
            node.start()
        self.people.begin()
        self.nemesis.begin()
        scheduler = self.scheduler
        scheduler.run_until(lambda: scheduler.event_count >= SAFETY_EVENT_COUNT, for_ns=safety_ns)
        self.nemesis.end()
        self.people.is_ending = True
        has_converged = self.scheduler.run_until(self._is_settled, for_ns=convergence_ns)
        if has_converged or (self._are_equal() and not self._is_anything_due()):
            self._compare()  # tells better what is wrong, where that can be told already
        if not has_converged:
            raise Violation(f"the cluster does not converge: {self.describe()}")
        self.counters.event_count = self.scheduler.event_count
        self.counters.election_count = self.checkers.election_count
        self.counters.acknowledged_count = self.people.promises.acknowledged_count
        self.counters.retraction_count = self.people.promises.retraction_count
        self.counters.disappeared_count = self.people.promises.disappeared_count
        self.counters.delivered_count = self.people.promises.delivered_count
        self.counters.heard_count = sum(len(hearing.heard) for hearing in self.people.talk.hearings)
        self.counters.read_count = self.people.histories.read_count
        self.counters.membership_change_count = self.checkers.membership_count

    def _is_settled(self) -> bool:
        """Everybody is settled, all nodes are equal, and nothing is due."""
        return self.people.are_settled and self._are_equal() and not self._is_anything_due()

    def _is_anything_due(self) -> bool:
        """Whether a timer is left that cluster time has come to; nodes that are equal have the same."""
        life = self._members()[0]
        machine = life.driver.machine
        try:
            due_ms = machine.answer(NextExpiry())
        except StorageCorrupt:
            if life.node.node_id not in self.nemesis.damaged:
                raise
            return True  # the node meets it, and is repaired
        return isinstance(due_ms, int) and due_ms <= machine.cluster_time_ms

    def _are_equal(self) -> bool:
        """All nodes that are left are members, work, and have come equally far."""
        membership = self.operator.agreed_membership()
        left = {node.node_id for node in self.nodes.values() if not node.is_retired}
        if membership is None or set(membership.voters) != left:
            return False
        lives = self._members()
        is_live = all(life.driver.lives.is_live and life.is_whole for life in lives)
        return is_live and len({life.driver.machine.applied_index for life in lives}) == 1

    def _members(self) -> list[Life]:
        """The lives of all nodes that are left, once they all serve."""
        return [life for node in self.nodes.values() if (life := node.serving_life) is not None]

    def _compare(self) -> None:
        """Compare what every node has with what was promised, and with what the others have."""
        scrubs = set()
        for life in self._members():
            node_id = life.node.node_id
            try:
                archives, scrub = self._read(life)
            except StorageCorrupt:
                if node_id not in self.nemesis.damaged:
                    raise
                continue  # damage that nothing has touched before; it is no answer
            self.people.promises.check_archives(node_id, archives)
            self._check_search(life, archives)
            present = [device.hearing for device in self.people.devices if device.is_settled]
            self.people.talk.check(node_id, _room_archive(life.driver.machine), present)
            scrubs.add(scrub)
        if len(scrubs) > 1:
            self.scheduler.fail("replicas differ in what they store", len(scrubs))
        self.people.histories.check()
        if self.scheduler.violation is not None:
            raise self.scheduler.violation

    def _check_search(self, life: Life, archives: dict[str, list[Archived]]) -> None:
        """A search finds what a look at each message finds, however much of it the node has indexed."""
        for account, rows in archives.items():
            found = _search(life.driver.machine, account, RETRACTED)
            if found != [row.position for row in rows if row.is_retracted]:
                self.scheduler.fail("a search does not agree with the archive", life.node.node_id, account, found)

    def _read(self, life: Life) -> tuple[dict[str, list[Archived]], tuple[bytes, ...]]:
        """Read all archives of a node, and hash all that it stores."""
        machine = life.driver.machine
        archives = {account: _archive(machine, account) for account in self.people.accounts}
        return archives, (machine.state_hash, *(machine.scrub_digest(table) for table in machine.scrub_tables))

    @property
    def running_process(self) -> str:
        """The process whose callback runs now; empty between callbacks."""
        loop: Any = asyncio._get_running_loop()
        return "" if loop is None else str(loop.name)

    def describe(self) -> str:
        """Return one line about each node and each device that is not done."""
        lines = []
        for node in self.nodes.values():
            life = node.serving_life
            if life is None:
                state = "retired" if node.is_retired else "down" if node.life is None else "starting"
                lines.append(f"node {node.node_id}: {state}")
                continue
            figures = life.driver.metrics()
            lines.append(
                f"node {node.node_id}: {figures.role} term {figures.term} commit {figures.commit_index} "
                f"applied {figures.applied_index} durable {figures.durable_index} pending {figures.pending_count} "
                f"live {life.driver.lives.is_live} voters {life.driver.raft.membership.voters}"
            )
        lines += [device.describe() for device in self.people.devices if not device.is_settled]
        undelivered = self.people.promises.undelivered(self.people.strict_accounts)
        if undelivered:
            lines.append(f"{len(undelivered)} undelivered: {undelivered[:3]}")
        return "\n  ".join(["", *lines])

    def close(self) -> None:
        """End everything that is left."""
        for node in self.nodes.values():
            node.close()
        self.people.loop.kill()
        self.people.loop.close()
        self._log_watch.close()
        shutil.rmtree(self._root, ignore_errors=True)


class _LogWatch(logging.Handler):
    """
    Reads what nodes write to their logs: an exception there is one that was caught and should not have been raised.

    Storage that fails is meant to be written there, and so is what a dying life says.
    """

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world
        self._logger = logging.getLogger("raftline")
        self._level = self._logger.level
        self._logger.addHandler(self)
        self._logger.setLevel(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None and record.name != "raftline.cluster.driver":
            loop: Any = asyncio._get_running_loop()
            if loop is None or not loop.is_dying:
                self._world.scheduler.fail("an exception was logged", record.getMessage(), repr(record.exc_info[1]))

    def close(self) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
        super().close()


def _host_name(number: int) -> str:
    return f"node-{number}"


def _peer(number: int) -> Peer:
    return Peer(_host_name(number), PEER_PORT, fingerprint_of(number))


def _data_id(number: int) -> bytes:
    return b"data of node %d" % number


def _search(machine: Any, account: str, text: str) -> list[Position]:
    """Return the places of all messages of an archive with these words."""
    positions: list[Position] = []
    after: Position | None = None
    while True:
        found = machine.answer(SearchArchive(ArchivePage(f"{account}@{DOMAIN}", after=after, limit=100), text))
        assert isinstance(found, Found)
        positions += [row.position for row in found.rows]
        if found.next is None:
            return positions
        after = found.next


def _room_archive(machine: Any) -> list[tuple[Position, int]]:
    """Read the whole archive of the room: positions and serial numbers."""
    rows: list[tuple[Position, int]] = []
    after = None
    while True:
        page = machine.answer(RoomArchivePage(ROOM, after=after, limit=100))
        assert isinstance(page, Page)
        rows += [(row.position, serial_in(row.stanza)) for row in page.rows]
        if page.complete:
            return rows
        after = page.rows[-1].position


def _archive(machine: Any, account: str) -> list[Archived]:
    """Return the whole archive of an account, in log order."""
    rows: list[Archived] = []
    after = Position(0)
    while True:
        page = machine.answer(ArchivePage(account, after=after, limit=100))
        assert isinstance(page, Page)
        rows += [
            Archived(
                row.position,
                serial_of(row.stanza),
                is_tombstone(row.stanza),
                has_disappeared(row.stanza),
                machine.cluster_time_ms - row.time_ms,
            )
            for row in page.rows
        ]
        if page.complete:
            return rows
        after = page.rows[-1].position
