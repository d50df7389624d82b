"""The writer's threads: group commit, failure, lack of space, close."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from raftline.base.errors import LocalProtocolError, StorageError
from raftline.base.ids import NodeId, Term
from raftline.raft.messages import HardState
from raftline.wal.log import WriteAheadLog
from raftline.wal.writer import LogWriter
from wal.faulty_files import FaultyFiles
from wal.log_model import batch, open_log

WAIT_SECONDS = 20


class Report:
    """What a writer told, and a way to wait for it."""

    def __init__(self) -> None:
        self.durable: list[int] = []
        self.failures: list[BaseException] = []
        self._changed = threading.Condition()

    def on_durable(self, sequence: int) -> None:
        with self._changed:
            self.durable.append(sequence)
            self._changed.notify_all()

    def on_failure(self, error: BaseException) -> None:
        with self._changed:
            self.failures.append(error)
            self._changed.notify_all()

    def wait_durable(self, sequence: int) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: sequence in self.durable or self.failures, WAIT_SECONDS)
            assert not self.failures
            assert done, self.durable

    def wait_failure(self) -> BaseException:
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.failures), WAIT_SECONDS)
            return self.failures[0]


class Gate:
    """Holds syncs of the log's segments back until it is opened."""

    def __init__(self, files: FaultyFiles) -> None:
        self.entered = threading.Semaphore(0)
        self._may_go = threading.Semaphore(0)
        self._is_shut = True
        files.on_operation = self._on_operation

    def _on_operation(self, operation: str, path) -> None:
        if operation == "fdatasync" and path.name.startswith("wal-") and self._is_shut:
            self.entered.release()
            assert self._may_go.acquire(timeout=WAIT_SECONDS)

    def wait_entered(self) -> None:
        assert self.entered.acquire(timeout=WAIT_SECONDS)

    def let_one_go(self) -> None:
        self._may_go.release()

    def open(self) -> None:
        self._is_shut = False
        self._may_go.release()


@contextmanager
def running(log: WriteAheadLog, report: Report, **options) -> Iterator[LogWriter]:
    writer = LogWriter(log, on_durable=report.on_durable, on_failure=report.on_failure, **options)
    try:
        yield writer
    finally:
        writer.close()


def wait_until(condition: threading.Event) -> None:
    assert condition.wait(WAIT_SECONDS)


def test_nothing_is_told_before_it_is_durable():
    """At the moment a sequence is told, the log shows the entries of its job."""
    log = open_log(FaultyFiles(Random(1)))
    told: list[tuple[int, int]] = []
    writer = LogWriter(
        log, on_durable=lambda sequence: told.append((sequence, log.last_index)), on_failure=lambda _: None
    )
    for sequence in range(1, 21):
        writer.submit(sequence, None, batch(sequence, 1))
    writer.close()
    assert told[-1] == (20, 20)
    assert all(sequence == last_index for sequence, last_index in told)


def test_job_is_durable_when_it_is_told():
    """What on_durable covers survives a power failure at that very moment."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    with running(log, report) as writer:
        writer.submit(7, HardState(Term(1), NodeId(1)), batch(1, 2))
        report.wait_durable(7)
        assert (log.last_index, log.hard_state.vote) == (2, 1)
    files.power_failure()
    assert open_log(files).last_index == 2


def test_group_commit_takes_what_arrived_during_the_last_sync():
    """Jobs submitted while a sync runs share the next one, and nothing is told before its sync returned."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    with running(log, report, now_ns=iter(range(100, 10000)).__next__) as writer:
        gate = Gate(files)
        writer.submit(1, None, batch(1, 1))
        gate.wait_entered()
        first_ns = writer.pending_since
        for sequence in range(2, 12):
            writer.submit(sequence, None, batch(sequence, 1))
        assert report.durable == []
        assert (writer.queue_count, log.last_index) == (11, 0)
        assert writer.pending_since == first_ns
        gate.let_one_go()
        gate.wait_entered()
        assert report.durable == [1]
        assert writer.queue_count == 10
        assert writer.pending_since > first_ns
        gate.open()
        report.wait_durable(11)
        assert report.durable == [1, 11]
        assert log.last_index == 11
        assert writer.sync_latency.count == 2
        assert writer.sync_latency.total_seconds > 0
    assert (writer.queue_count, writer.pending_since) == (0, None)


def test_marker_job_waits_for_those_before_it():
    """A job without content is told when everything before it is durable."""
    files = FaultyFiles(Random(1))
    report = Report()
    with running(open_log(files), report) as writer:
        gate = Gate(files)
        writer.submit(1, None, batch(1, 1))
        writer.submit(2, None, [])
        gate.wait_entered()
        assert report.durable == []
        gate.open()
        report.wait_durable(2)


@pytest.mark.parametrize("operation", ["fdatasync", "pwrite"])
def test_disk_error_is_told_once_and_nothing_is_acknowledged(operation):
    """After an error the disk works again, yet nothing more becomes durable and the process is told to stop."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    with running(log, report) as writer:
        writer.submit(1, None, batch(1, 1))
        report.wait_durable(1)
        files.fail(operation, name_part="wal-")
        writer.submit(2, None, batch(2, 1))
        assert isinstance(report.wait_failure(), StorageError)
        writer.submit(3, None, batch(3, 1))
        assert writer.failed
    assert (report.durable, len(report.failures), log.last_index) == ([1], 1, 1)
    assert writer.queue_count > 0


def test_failure_of_the_callback_is_a_failure():
    """A driver that can no longer be told must not go on unaware."""
    report = Report()

    def refuse(_sequence: int) -> None:
        raise RuntimeError("loop closed")

    writer = LogWriter(open_log(FaultyFiles(Random(1))), on_durable=refuse, on_failure=report.on_failure)
    writer.submit(1, None, batch(1, 1))
    assert str(report.wait_failure()) == "loop closed"
    writer.close()


def test_failure_while_a_spare_is_made_is_told():
    """An error of the disk on the second thread stops the process as well."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    files.fail("create_zeroed")
    with running(log, report) as writer:
        assert isinstance(report.wait_failure(), StorageError)
        assert writer.failed


def test_spare_is_made_ahead():
    """The next segment waits before the one in use is full, and another one after it was taken."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    made = threading.Semaphore(0)
    files.on_operation = lambda operation, path: made.release() if is_spare_rename(operation, path) else None
    with running(log, report) as writer:
        assert made.acquire(timeout=WAIT_SECONDS)
        for sequence in range(1, 6):
            writer.submit(sequence, None, batch(sequence, 1, 1, 3000))
        report.wait_durable(5)
        assert made.acquire(timeout=WAIT_SECONDS)


def is_spare_rename(operation: str, path) -> bool:
    return operation == "rename" and path.name.startswith("spare-") and path.name.endswith(".tmp")


def test_full_disk_stalls_and_goes_on():
    """Without space jobs are kept, not acknowledged and not dropped; with space they become durable by themselves."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    files.capacity_bytes = 0
    looked_again = threading.Event()
    with running(log, report, space_poll_seconds=0.01) as writer:
        for sequence in range(1, 6):
            writer.submit(sequence, None, batch(sequence, 1, 1, 3000))
        report.wait_durable(4)
        files.on_operation = lambda operation, _path: looked_again.set() if operation == "create_zeroed" else None
        wait_until(looked_again)
        assert not log.has_space
        assert writer.queue_count == 1
        assert 5 not in report.durable
        files.capacity_bytes = 1 << 20
        report.wait_durable(5)
        assert log.has_space
        assert not writer.stalled
    log.close()
    assert open_log(files).last_index == 5


def test_stalled_writer_is_seen_and_can_be_closed():
    """A stall shows as `stalled`; closing drops what waits, which nobody was told of."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    files.capacity_bytes = 0
    with running(log, report, space_poll_seconds=0.01) as writer:
        seen = threading.Event()
        files.on_operation = lambda _operation, _path: seen.set() if writer.stalled else None
        for sequence in range(1, 6):
            writer.submit(sequence, None, batch(sequence, 1, 1, 3000))
        wait_until(seen)
        assert writer.pending_since is not None
    assert report.durable[-1] == 4
    assert not report.failures
    assert log.last_index == 4


def test_job_larger_than_a_segment_finds_space_after_a_stall():
    """A job that needs several new segments waits until there is space for all of them."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    files.capacity_bytes = 8192 + 2 * 16384
    with running(log, report, space_poll_seconds=0.01) as writer:
        tries = threading.Semaphore(0)
        files.on_operation = lambda operation, _path: tries.release() if operation == "create_zeroed" else None
        writer.submit(1, None, batch(1, 12, 1, 3000))
        for _ in range(4):
            assert tries.acquire(timeout=WAIT_SECONDS)
        assert report.durable == []
        files.capacity_bytes = 1 << 20
        report.wait_durable(1)
    assert log.last_index == 12


def test_idle_log_syncs_its_mark():
    """Some time after the last job the mark is durable, so a power failure then leaves an exact bound."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    marked = threading.Event()
    with running(log, report) as writer:
        files.on_operation = lambda operation, path: (
            marked.set() if (operation, path.name) == ("fdatasync", "mark") else None
        )
        writer.submit(1, None, batch(1, 1))
        report.wait_durable(1)
        wait_until(marked)
    assert not log.is_mark_dirty


def test_close_writes_what_is_queued():
    """Closing drains: everything submitted before is durable after."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files)
    writer = LogWriter(log, on_durable=report.on_durable, on_failure=report.on_failure)
    for sequence in range(1, 50):
        writer.submit(sequence, None, batch(sequence, 1))
    writer.close()
    assert report.durable[-1] == 49
    assert log.last_index == 49
    with pytest.raises(LocalProtocolError):
        writer.submit(50, None, batch(50, 1))


def test_new_writer_is_at_rest():
    """Nothing waits, nothing failed; and its threads keep no process alive that forgot to close it."""
    before = set(threading.enumerate())
    with running(open_log(FaultyFiles(Random(1))), Report()) as writer:
        assert not writer.stalled
        assert not writer.failed
        assert (writer.queue_count, writer.pending_since, writer.sync_latency.count) == (0, None, 0)
        started = set(threading.enumerate()) - before
        assert {thread.name for thread in started} == {"log-writer", "log-spare"}
        assert all(thread.daemon for thread in started)


def test_sequences_must_grow():
    """A sequence that does not grow could not be told apart."""
    with running(open_log(FaultyFiles(Random(1))), Report()) as writer:
        writer.submit(2, None, batch(1, 1))
        with pytest.raises(LocalProtocolError):
            writer.submit(2, None, batch(2, 1))


def test_many_threads_read_while_the_log_grows():
    """Readers see a growing, gapless log of durable entries, from memory and from segments, while it is written."""
    files = FaultyFiles(Random(1))
    report = Report()
    log = open_log(files, recent_bytes_max=2000)
    faults: list[str] = []
    is_done = threading.Event()

    def read() -> None:
        seen = 0
        while not is_done.is_set():
            last = log.last_index
            if last < seen:
                faults.append(f"log went back from {seen} to {last}")
            seen = last
            low = max(1, last - 40)
            for index, one in enumerate(log.entries(low, last, 1 << 20) if last else [], low):
                if one.index != index or not one.payload.startswith(str(index).encode()):
                    faults.append(f"entry {one.index} at {index}")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    with running(log, report) as writer:
        for sequence in range(1, 300):
            writer.submit(sequence, None, batch(sequence, 1, 1, 300))
        report.wait_durable(299)
    is_done.set()
    for reader in readers:
        reader.join()
    assert faults == []
