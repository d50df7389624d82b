"""The simulated writer keeps the rules of the real one: durable means synced, and what was not may be lost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from raftline.base.errors import LocalProtocolError, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import Entry, EntryKind, HardState
from raftline.wal.log import WriteAheadLog
from raftline.wal.rounds import WriteJob
from sim.disk import SimulatedDisk
from sim.scheduler import MILLISECOND_NS, SECOND_NS, Scheduler
from sim.writer import SimulatedWriter

SEGMENT_BYTES = 16 << 10


def entry(index: int, payload: bytes = b"payload") -> Entry:
    return Entry(LogIndex(index), Term(1), EntryKind.DATA, payload)


class Node:
    """A disk, and the process that writes to it."""

    name = "node"

    def __init__(self, directory: Path, seed: int = 1) -> None:
        self.scheduler = Scheduler()
        self.disk = SimulatedDisk(self.scheduler, random.Random(seed), directory)
        self.directory = directory / "log"
        self.is_dying = False
        self.paused_until_ns = 0
        self.durable: list[int] = []
        self.failures: list[BaseException] = []
        self.jobs: list[WriteJob] = []
        self.open()

    def open(self) -> None:
        self.log = WriteAheadLog.open(
            self.directory,
            cluster_id="c",
            node_id=NodeId(1),
            applied_index=LogIndex(0),
            files=self.disk.files,
            segment_bytes=SEGMENT_BYTES,
        )
        self.writer = SimulatedWriter(
            self.log,
            on_durable=self.durable.append,
            on_failure=self.failures.append,
            now_ns=lambda: self.scheduler.now_ns,
            scheduler=self.scheduler,
            disk=self.disk,
            process=self,
        )

    def jobs_durable(self, jobs: Sequence[WriteJob]) -> None:
        self.jobs += jobs

    def told_durable(self) -> None:
        """Nothing follows from it here."""

    def submit(self, *indexes: int, size: int = 10) -> None:
        for index in indexes:
            self.writer.submit(index, HardState(Term(1), None), [entry(index, bytes(size))])

    def run(self, seconds: float = 1.0) -> None:
        self.scheduler.run_for(int(seconds * SECOND_NS))

    def die(self, *, power: bool) -> None:
        """Begin a new life on what is left."""
        self.is_dying = True
        if power:
            self.disk.power_failed(None)
        else:
            self.disk.process_died(None)
        self.run()
        self.is_dying = False
        self.open()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


class TestRounds:
    """What arrived during the last sync makes the next round."""

    def test_jobs_become_durable_in_rounds(self, node: Node) -> None:
        """The first alone, those that came meanwhile together."""
        node.submit(1)
        node.scheduler.run_for(20_000)
        node.submit(2, 3, 4)
        assert node.writer.queue_count == 4
        assert node.writer.pending_since is not None
        node.run()
        assert node.durable == [1, 4]
        assert node.writer.queue_count == 0
        assert node.writer.pending_since is None
        assert node.writer.sync_latency.count == 2
        assert node.log.last_index == 4
        assert [job.sequence for job in node.jobs] == [1, 2, 3, 4]

    def test_nothing_is_durable_before_the_sync(self, node: Node) -> None:
        """Although it is written already."""
        node.disk.stalled_until_ns = SECOND_NS
        node.submit(1)
        node.run(0.9)
        assert node.durable == []
        assert node.log.last_index == 0
        node.run(0.2)
        assert node.durable == [1]

    def test_a_stall_that_begins_later_holds_up_what_is_under_way(self, node: Node) -> None:
        """A disk hangs whenever it likes."""
        node.disk.sync_ns_max = 500 * MILLISECOND_NS
        node.submit(1)
        node.scheduler.run_for(15_000)
        node.disk.stalled_until_ns = 5 * SECOND_NS
        node.run(4.9)
        assert node.durable == []
        node.run(1)
        assert node.durable == [1]

    def test_a_paused_process_hears_of_it_when_it_wakes(self, node: Node) -> None:
        """The disk has gone on meanwhile."""
        node.submit(1)
        node.scheduler.run_for(15_000)
        node.paused_until_ns = SECOND_NS
        node.run(0.5)
        assert node.durable == []
        assert node.jobs
        node.run(1)
        assert node.durable == [1]

    def test_the_mark_is_synced_when_nothing_comes(self, node: Node) -> None:
        """So that a power failure finds it new."""
        node.submit(1)
        node.run()
        node.submit(2)
        node.run(0.05)
        assert node.log.is_mark_dirty
        node.run(1)
        assert not node.log.is_mark_dirty

    def test_segments_roll_and_are_trimmed(self, node: Node) -> None:
        """Spares are filled ahead, and what is not needed is removed after what is queued."""
        node.submit(*range(1, 60), size=1000)
        node.run()
        assert len(node.log.extents()) > 3
        assert node.log.has_spare
        node.writer.trim(LogIndex(40))
        node.run()
        assert 1 < node.log.first_index <= 41
        assert node.durable[-1] == 59

    def test_closing_writes_what_is_queued(self, node: Node) -> None:
        """At once; the log stays open, and nothing is taken any more."""
        node.submit(1, 2)
        node.scheduler.run_for(15_000)
        node.submit(3)
        node.writer.close()
        assert node.durable[-1] == 3
        assert node.log.last_index == 3
        with pytest.raises(LocalProtocolError):
            node.submit(4)
        node.run()
        node.log.close()

    def test_sequences_grow(self, node: Node) -> None:
        """As for the real one."""
        node.submit(1)
        with pytest.raises(LocalProtocolError):
            node.submit(1)


class TestDeaths:
    """What a next life finds."""

    def test_process_death_keeps_what_was_written(self, node: Node) -> None:
        """Synced or not: the kernel has it."""
        node.submit(1)
        node.run()
        node.submit(2)
        node.scheduler.run_for(15_000)
        node.die(power=False)
        assert node.log.last_index == 2
        assert node.durable == [1]

    @pytest.mark.parametrize("seed", range(20))
    def test_power_failure_keeps_what_was_acknowledged(self, tmp_path: Path, seed: int) -> None:
        """And of the rest some of it; never a hole."""
        node = Node(tmp_path, seed)
        chance = random.Random(seed)
        index = 0
        for _ in range(5):
            for _ in range(chance.randrange(1, 30)):
                index += 1
                node.submit(index, size=chance.randrange(2000))
                node.scheduler.run_for(chance.randrange(300_000))
            acknowledged = node.durable[-1] if node.durable else 0
            node.die(power=True)
            assert acknowledged <= node.log.last_index <= index
            index = node.log.last_index

    def test_torn_writes_happen(self, tmp_path: Path) -> None:
        """Some power failures leave a part of a record, which the next start cuts off."""
        torn = 0
        for seed in range(20):
            directory = tmp_path / str(seed)
            directory.mkdir()
            node = Node(directory, seed)
            node.submit(1, 2, 3, size=3000)
            node.scheduler.run_for(15_000)
            node.die(power=True)
            torn += node.log.recovered_cut_bytes > 0
        assert torn > 3


class TestTrouble:
    """Errors and want of space."""

    @pytest.mark.parametrize("operation", ["pwrite", "fdatasync"])
    def test_an_error_is_told_once_and_final(self, node: Node, operation: str) -> None:
        """Nothing is acknowledged any more; the next life finds what was."""
        node.submit(1)
        node.run()
        node.disk.fail_log(operation)
        assert node.disk.may_fail
        node.submit(2, 3)
        node.run()
        node.submit(4)
        node.run()
        assert len(node.failures) == 1
        assert isinstance(node.failures[0], StorageError)
        assert node.durable == [1]
        assert node.writer.failed
        node.die(power=True)
        assert node.log.last_index >= 1
        assert not node.disk.may_fail

    def test_without_space_jobs_wait(self, node: Node) -> None:
        """The segment in use goes on; then the writer stalls, until there is space."""
        node.run()
        node.disk.squeeze(100)
        node.submit(*range(1, 60), size=1000)
        node.run(3)
        assert node.writer.stalled
        assert not node.log.has_space
        acknowledged = node.durable[-1]
        assert 0 < acknowledged < 59
        node.disk.give_space()
        node.run(3)
        assert not node.writer.stalled
        assert node.durable[-1] == 59
        assert node.failures == []
