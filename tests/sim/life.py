"""
One life of a node's process, from what is on its disk to its end; and the only place that knows how a node is built.

Driver, node door, log, machine and core are the real ones, as they are. What the checkers see is looked at from
outside: the core after each iteration of the loop, what its `ready` gives to be applied, and what the machine makes of
it.

A life ends by a crash, by a fault that it reports (`fatal`), or by being asked to stop. Whatever ends it while a
callback of its own runs makes it *dying* first: what that callback still writes, sends or says has no effect.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import apsw

from raftline.base.errors import Dismissed, Refused, StorageError, Unavailable
from raftline.base.ids import LogIndex, Position, index_of
from raftline.cluster.driver import Driver
from raftline.cluster.frames import JoinRequest
from raftline.cluster.joining import join
from raftline.cluster.links import LinkContexts
from raftline.cluster.repair import Repair
from raftline.cluster.storage import NodeStorage, StorageSettings, open_storage
from raftline.machine.machine import Machine
from raftline.node.node import LocalNode
from raftline.raft.node import Raft
from raftline.raft.ready import Ready
from raftline.wal.rounds import WriteJob
from sim.aside import Aside
from sim.database_files import VFS_NAME
from sim.loop import SimulatedLoop
from sim.scheduler import MICROSECOND_NS, MILLISECOND_NS
from sim.stanzas import DOMAIN, index_in
from sim.writer import SimulatedWriter

if TYPE_CHECKING:
    import ssl

    from sim.channel import Channel
    from sim.checkers import Checkers
    from sim.edge import Edge
    from sim.node import SimulatedNode

T = TypeVar("T")

CLUSTER_ID: Final = "simulated-cluster"

_TLS: Final = cast("ssl.SSLContext", "simulated")
"""Tells the network that a connection is one with certificates; nothing is encrypted."""

_ITERATION_NS: Final = 5 * MICROSECOND_NS
_HAND_OVER_SECONDS: Final = 0.5
_CHANNELS_KEPT: Final = 64


class Life:
    """
    A process of a node.

    Attributes:
        edges: Streams of clients that are not over.
        is_serving: It takes clients.
    """

    def __init__(self, node: SimulatedNode, number: int) -> None:
        self.node = node
        self.name = f"node {node.node_id} life {number}"
        self._scheduler = node.world.scheduler
        self._chance = random.Random(node.chance.randrange(1 << 60))
        self.checkers: Checkers = node.world.checkers
        self._aside = Aside(self._scheduler, self._chance, node.disk.draw_sync)
        self.loop = SimulatedLoop(
            self._scheduler,
            node.clock,
            name=self.name,
            iteration_ns=_ITERATION_NS,
            on_error=self._on_error,
            aside=self._aside,
            network=node.world.network,
            host=node.host,
        )
        self._aside.loop = self.loop
        self.edges: dict[Edge, None] = {}
        self.channels: list[Channel] = []
        self._held_tasks: dict[asyncio.Task[Any], None] = {}
        self.is_serving = False
        self._is_stopping = False
        self._door: LocalNode | None = None
        self._storage: NodeStorage | None = None
        self._raft: Raft | None = None

    # Beginning

    def begin(self) -> None:
        """
        Begin: as a member of the cluster, or by asking to be let in.

        Raises:
            StorageError: What is there cannot be used, or the disk failed.
        """
        if self.node.token:
            self.hold(self.loop.create_task(self._join()))
        else:
            self._open()

    async def _join(self) -> None:
        """Ask until the cluster lets this node in, then start."""
        config = self.node.config
        own = config.peers[config.node_id]
        contacts = {node_id: peer for node_id, peer in config.peers.items() if node_id != config.node_id}
        address = f"{own.host}:{own.port}"
        request = JoinRequest(config.cluster_id, self.node.token, address, config.data_id, config.machine_version_max)
        try:
            peers = await join(contacts, _TLS, request)
            self.node.let_in(peers)
            self._open()
        except Refused as error:
            self._scheduler.note("refused", self.name, error.condition)
            self.node.retire()
            self.node.die_soon(self, power=False)
        except Exception as error:  # noqa: BLE001  as in _start
            self.fatal(error)

    def _open(self) -> None:
        """Open what is on the disk and start."""
        node = self.node
        storage = self._storage = open_storage(self._settings())
        node.has_begun = True
        self._watch_repair(storage.repair)
        self.checkers.life_began(
            node.node_id, storage.log, storage.machine.applied_index, is_recovering=storage.is_recovering
        )
        node.world.counters.torn_write_count += storage.log.recovered_cut_bytes > 0
        clocks = node.clock.as_clocks()
        self._watch_machine(storage.machine)
        driver = Driver(
            node.config,
            raft_random=random.Random(self._chance.randrange(1 << 60)),
            clocks=clocks,
            storage=storage,
            contexts=LinkContexts(server=_TLS, client=_TLS),
            entropy=self._chance.randbytes,
            fatal=self.fatal,
        )
        self._door = LocalNode(
            driver,
            domain=DOMAIN,
            cluster_epoch=1,
            entropy=self._chance.randbytes,
            monotonic_ns=clocks.monotonic_ns,
        )
        self.loop.after_iteration = self._look_at_core
        self.hold(self.loop.create_task(self._start(driver)))

    def _watch_repair(self, repair: Repair) -> None:
        """Tell the world when what was damaged is repaired."""
        opened_ns = self._scheduler.now_ns

        def finish(finish: Callable[[], None] = repair.finish) -> None:
            finish()
            self.checkers.repaired(self.node.node_id)
            self.node.world.nemesis.repaired(self.node.node_id, opened_ns)

        vars(repair).update(finish=finish)

    def _watch_machine(self, machine: Machine) -> None:
        """Show each entry that is applied, and each snapshot that takes the place of all of them, to the checkers."""
        checkers, node_id = self.checkers, self.node.node_id

        def watched(call: Callable[..., T]) -> Callable[..., T]:
            def apply(*arguments: Any) -> T:
                result = call(*arguments)
                checkers.applied(node_id, machine.applied_index, machine.state_hash, machine.entry_chain)
                return result

            return apply

        def replace(open_other: Callable[[], Any], replace: Callable[..., None] = machine.replace) -> None:
            replace(open_other)
            checkers.replaced(node_id, machine.applied_index)
            self.node.world.counters.snapshot_count += 1

        vars(machine).update(apply=watched(machine.apply), apply_empty=watched(machine.apply_empty), replace=replace)

    def _look_at_core(self) -> None:
        """Show the core to the checkers; the first time it is there, see to it that they see its output as well."""
        raft = self._raft
        if raft is None:
            if self._door is None:
                return
            raft = getattr(self.driver, "raft", None)
            if raft is None:
                return
            self._raft = raft
            vars(raft).update(ready=partial(self._ready, raft, raft.ready))
        self.checkers.stepped(self.node.node_id, raft)

    def _ready(self, raft: Raft, ready: Callable[..., Ready], **arguments: Any) -> Ready:
        output = ready(**arguments)
        if output.committed:
            self.checkers.delivered(self.node.node_id, raft, output.committed)
        return output

    def _settings(self) -> StorageSettings:
        node = self.node
        options = node.world.options
        return StorageSettings(
            data_dir=node.disk.database.directory,
            cluster_id=CLUSTER_ID,
            node_id=node.node_id,
            domain=DOMAIN,
            segment_bytes=options.segment_bytes,
            trailing_bytes=options.trailing_bytes,
            reserve_bytes=options.reserve_bytes,
            files=node.disk.files,
            start_writer=partial(SimulatedWriter, scheduler=self._scheduler, disk=node.disk, process=self),
            vfs=VFS_NAME,
            has_begun=node.has_begun,
            has_peers=len(node.world.nodes) > 1,
        )

    async def _start(self, driver: Driver) -> None:
        try:
            await driver.start()
        except Exception as error:  # noqa: BLE001  whatever it is, the process ends for it
            self.fatal(error)
        else:
            self.is_serving = True

    @property
    def door(self) -> LocalNode:
        """The node door."""
        assert self._door is not None
        return self._door

    @property
    def raft(self) -> Raft | None:
        """The core; None before it is there."""
        return self._raft

    @property
    def is_whole(self) -> bool:
        """Nothing that it keeps is known to be damaged."""
        return self._storage is not None and not self._storage.is_recovering

    @property
    def driver(self) -> Driver:
        """The driver."""
        return self.door.driver

    @property
    def database(self) -> Any:
        """The open connection to the database; None before it is open."""
        if self._door is not None:
            return self.driver.machine._database
        return None if self._storage is None else self._storage.machine._database

    def now_ns(self) -> int:
        """Read the monotonic clock, without any cost."""
        return self.node.clock.local_ns()

    # As its writer sees it

    @property
    def is_dying(self) -> bool:
        """Nothing that it does has an effect any more."""
        return self.loop.is_dying

    @property
    def paused_until_ns(self) -> int:
        """It does nothing before."""
        return self.loop.paused_until_ns

    def jobs_durable(self, jobs: Sequence[WriteJob]) -> None:
        """See `writer.WritingProcess`."""
        self.checkers.wrote(self.node.node_id, jobs)

    def told_durable(self) -> None:
        """See `writer.WritingProcess`."""
        self.promised("durable")

    # What it says to others

    def promised(self, kind: str) -> None:
        """Something has left this node that others rely on: the best of moments for a crash."""
        self.node.promised(self, kind)

    def barrier_passed(self, floor: LogIndex) -> None:
        """A read barrier was passed that was asked for when `floor` was the last entry delivered anywhere."""
        self.node.world.counters.barrier_count += 1
        self.checkers.barrier_passed(self.node.node_id, self.driver.machine.applied_index, floor)

    def delivering(self, position: Position) -> None:
        """A message is handed to a client (promise P3)."""
        if index_of(position) > self.checkers.delivered_max:
            self._scheduler.fail("a message was seen that is not committed", self.name, position)

    def off_log_arrived(self, stanza: bytes) -> None:
        """A stanza that travelled off the log is handed to a client: what its sender had seen is applied here."""
        index = index_in(stanza)
        if index is not None and index > self.driver.machine.applied_index:
            self._scheduler.fail("an off-log stanza came before its cause", self.name, stanza)

    def hold(self, task: asyncio.Task[Any]) -> None:
        """Keep a task until it is done."""
        self._held_tasks[task] = None
        task.add_done_callback(lambda done: self._held_tasks.pop(done, None))

    def add_channel(self, channel: Channel) -> None:
        """Keep a client's connection, to tell it of this life's end."""
        if len(self.channels) > _CHANNELS_KEPT:
            self.channels = [kept for kept in self.channels if kept.is_open]
        self.channels.append(channel)

    # Ends

    def report(self, text: str, error: BaseException) -> None:
        """Something went wrong that must not, unless this life is over anyway."""
        if not self.is_dying:
            logging.getLogger(__name__).error(text, exc_info=error)
            self._scheduler.fail(text, self.name, repr(error))

    def _on_error(self, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError()
        if isinstance(error, StorageError) and self.is_disk_failing:
            return  # a question met it; the node stops when it next looks
        self.report(str(context.get("message")), error)

    @property
    def is_disk_failing(self) -> bool:
        """Its disk has been told to fail, or others fill it: to stop for that is right."""
        return self.node.disk.may_fail or self.node.disk.database.is_tight

    def fatal(self, error: BaseException) -> None:
        """The node says that it cannot go on: right, if its disk failed."""
        if self.is_dying:
            return
        if isinstance(error, Dismissed | StorageError) and self.node.world.is_removed(self.node.node_id):
            self._scheduler.note("dismissed", self.name)
            self.node.retire()
            self.node.die_soon(self, power=False)
        elif isinstance(error, StorageError) and self.node.node_id in self.node.world.nemesis.damaged:
            self._scheduler.note("found damage", self.name, str(error)[:40])
            self.node.die_soon(self, power=False)
        elif isinstance(error, StorageError | OSError | apsw.Error) and self.is_disk_failing:
            self._scheduler.note("stopped", self.name, type(error).__name__)
            self.node.die_soon(self, power=False)
        else:
            self.report("a node stopped", error)

    def stop_politely(self, done: Callable[[], None]) -> None:
        """Stop as an operator asks; `done` is called when the process has ended."""
        if not self._is_stopping and self.is_serving:
            self._is_stopping = True
            self.is_serving = False
            self.hold(self.loop.create_task(self._stop(done)))

    async def _stop(self, done: Callable[[], None]) -> None:
        await self._hand_over()
        for edge in list(self.edges):
            edge.close_for_stop()
        farewells = [task for task in self._held_tasks if task is not asyncio.current_task()]
        if farewells:
            await asyncio.wait(farewells, timeout=2.0)
        try:
            await self.driver.stop()
        except Exception as error:  # noqa: BLE001  as in _start
            self.fatal(error)
        else:
            done()

    async def _hand_over(self) -> None:
        driver = self.driver
        if driver.leader_id != driver.node_id:
            return
        try:
            driver.transfer_leadership()
        except Unavailable:
            return
        deadline = self.loop.time() + _HAND_OVER_SECONDS
        while driver.leader_id in {driver.node_id, None} and self.loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(2 * MILLISECOND_NS / 1e9)
