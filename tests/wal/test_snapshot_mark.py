"""A log that goes on behind a snapshot, and memberships that outlive their entries."""

from __future__ import annotations

import errno
import threading
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.base.errors import LocalProtocolError, StorageCorrupt, StorageFull
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.membership import MEMBERSHIP_BYTES_MAX
from raftline.raft.messages import Entry, EntryKind, HardState
from raftline.wal.index import SnapshotMark
from raftline.wal.log import WriteAheadLog
from raftline.wal.segment import parse_segment_name
from raftline.wal.writer import LogWriter
from wal.faulty_files import Crash, FaultyFiles
from wal.log_model import CLUSTER_ID, DIRECTORY, NODE_ID, batch, open_log

MARK = SnapshotMark(LogIndex(40), Term(7), b"members of 40")
WAIT_SECONDS = 20


@pytest.fixture
def files():
    return FaultyFiles(Random(1))


def open_told(files: FaultyFiles, applied_index: int, mark: SnapshotMark) -> WriteAheadLog:
    """Open a log beside a database that was made of a snapshot."""
    return WriteAheadLog.open(
        DIRECTORY,
        cluster_id=CLUSTER_ID,
        node_id=NODE_ID,
        applied_index=LogIndex(applied_index),
        files=files,
        segment_bytes=16384,
        snapshot=mark,
    )


def membership(index: int, term: int, payload: bytes) -> Entry:
    return Entry(LogIndex(index), Term(term), EntryKind.MEMBERSHIP, payload)


def segment_count(files: FaultyFiles) -> int:
    return sum(parse_segment_name(name) is not None for name in files.names(DIRECTORY))


def fill(log: WriteAheadLog, count: int, term: int = 3) -> None:
    """Append entries over several segments."""
    for index in range(1, count + 1):
        log.append(HardState(Term(term), NodeId(2)), batch(index, 1, term, 3000))
        log.sync()


@pytest.mark.parametrize("count", [0, 12, 60])
def test_log_begins_anew_behind_a_snapshot(files, count):
    """Shorter or longer, the old log is forgotten, also by a restart; entries follow the snapshot."""
    log = open_log(files)
    fill(log, count)
    log.install_snapshot(*MARK)
    assert segment_count(files) == 1
    for _ in range(2):
        assert (log.first_index, log.last_index) == (41, 40)
        assert (log.term_at(LogIndex(40)), log.term_at(LogIndex(39)), log.term_at(LogIndex(41))) == (7, None, None)
        assert log.memberships() == [(40, b"members of 40")]
        assert log.hard_state == HardState(Term(7), None)
        log.close()
        log = open_log(files, applied_index=40)
    with pytest.raises(LocalProtocolError):
        log.append(None, batch(40, 1, 7))
    log.append(None, batch(41, 3, 8))
    log.sync()
    log.close()
    log = open_log(files, applied_index=42)
    assert log.entries(LogIndex(41), LogIndex(43), 1 << 20) == batch(41, 3, 8)


def test_database_older_than_the_snapshot_is_refused(files):
    """A log that begins behind a snapshot does not fit a database that was not made of it."""
    log = open_log(files)
    log.install_snapshot(*MARK)
    log.close()
    with pytest.raises(StorageCorrupt, match="starts at 41"):
        open_log(files, applied_index=12)


@pytest.mark.parametrize("count", [3, 12, 60])
def test_power_failure_at_any_operation_of_an_installation(count):
    """Told of the snapshot again, a restart has the log behind it, whatever the installation had come to."""
    operation_count = 0
    for crash_after in range(100):
        files = FaultyFiles(Random(crash_after))
        log = open_log(files)
        fill(log, count)
        fuse = files.crash_after(crash_after)
        try:
            log.install_snapshot(*MARK)
        except Crash:
            operation_count = crash_after
        files.on_operation = None
        files.power_failure()
        log = open_told(files, 40, MARK)
        assert (log.first_index, log.last_index, log.hard_state.term) == (41, 40, 7)
        assert log.memberships() == [(40, b"members of 40")]
        log.append(None, batch(41, 2, 9))
        log.sync()
        log.close()
        assert open_told(files, 41, MARK).last_index == 42
        if fuse.left > 0:
            break
    assert operation_count >= 3


def test_segments_that_outlived_an_installation_go_with_the_first_trim(files):
    """A crash after the snapshot mark leaves old segments, whose entries count no more, however far they went."""
    log = open_log(files)
    fill(log, 60)

    files.crash_after(0, "unlink")
    with pytest.raises(Crash):
        log.install_snapshot(*MARK)
    files.process_death()
    log = open_told(files, 40, MARK)
    assert segment_count(files) > 5
    assert max(extent.last_index for extent in log.extents()) == 40
    log.trim(LogIndex(40))
    assert segment_count(files) == 1
    assert (log.first_index, log.last_index) == (41, 40)


def test_log_that_knows_the_snapshot_is_left_alone(files):
    """What the log holds behind a snapshot it was told of stays, and so does one that has the very entry."""
    log = open_log(files)
    fill(log, 12)
    log.close()
    log = open_told(files, 12, SnapshotMark(LogIndex(9), Term(3), b"members of 9"))
    assert (log.first_index, log.last_index, log.memberships()) == (1, 12, [])
    log.install_snapshot(*MARK)
    log.append(None, batch(41, 5, 8))
    log.close()
    assert open_told(files, 43, MARK).last_index == 45


def test_snapshot_behind_the_beginning_is_refused(files):
    """A log does not begin earlier again, and takes no membership that a header could not hold."""
    log = open_log(files)
    log.install_snapshot(*MARK)
    for mark in (MARK, SnapshotMark(LogIndex(39), Term(7), b"")):
        with pytest.raises(LocalProtocolError):
            log.install_snapshot(*mark)
    big = bytes(MEMBERSHIP_BYTES_MAX + 1)
    with pytest.raises(LocalProtocolError):
        log.install_snapshot(LogIndex(50), Term(7), big)
    with pytest.raises(LocalProtocolError):
        log.append(None, [membership(41, 7, big)])
    assert (log.first_index, log.last_index) == (41, 40)


def test_lack_of_space_leaves_the_log_as_it_was(files):
    """Without space for the record nothing is forgotten; with space again, it works."""
    log = open_log(files, segment_bytes=8192)
    log.append(None, [*batch(1, 1, 1, 3700)])
    log.sync()
    capacity, files.capacity_bytes = files.capacity_bytes, 0
    with pytest.raises(StorageFull):
        log.install_snapshot(LogIndex(40), Term(7), bytes(1000))
    assert (log.first_index, log.last_index) == (1, 1)
    files.capacity_bytes = capacity
    log.install_snapshot(LogIndex(40), Term(7), bytes(1000))
    assert (log.first_index, log.last_index) == (41, 40)


def test_membership_outlives_its_entry(files):
    """R6: trimmed away, a membership is still what the log begins with, also after a restart."""
    log = open_log(files)
    log.append(None, [membership(1, 1, b"first"), *batch(2, 2, 1, 3000)])
    log.append(None, [membership(4, 1, b"second"), *batch(5, 8, 1, 3000), membership(13, 1, b"third")])
    log.sync()
    assert log.memberships() == [(1, b"first"), (4, b"second"), (13, b"third")]
    assert log.trim(LogIndex(12)) > 0
    assert log.first_index > 4
    kept = [(4, b"second"), (13, b"third")]
    assert log.memberships() == kept
    log.close()
    log = open_log(files, applied_index=12)
    assert log.memberships()[-2:] == kept


def test_membership_cut_behind_a_removed_segment_gives_the_one_before(files):
    """M5 on disk: a header knows the last two memberships, for the last one may be cut when its segment is gone."""
    log = open_log(files)
    log.append(None, [membership(1, 1, b"first"), *batch(2, 4, 1, 3000), membership(6, 1, b"never committed")])
    log.sync()
    while segment_count(files) < 3:
        log.append(None, batch(log.last_index + 1, 1, 1, 3000))
        log.sync()
    log.append(None, batch(4, 12, 2, 100))
    log.sync()
    assert log.memberships() == [(1, b"first")]
    while log.first_index < 4:
        assert log.trim(log.last_index) > 0
    log.close()
    assert open_log(files, applied_index=15).memberships()[-1] == (1, b"first")


class Model:
    """Every state a log has been through since it was last known durable: (base, its term, entries, memberships)."""

    def __init__(self) -> None:
        self.states = [(0, 0, (), ())]

    def append(self, entries: list[Entry]) -> None:
        base, base_term, old, known = self.states[-1]
        kept = old[: entries[0].index - base - 1]
        if len(kept) < len(old):
            known = tuple(found for found in known if found[0] < entries[0].index)
            self.states.append((base, base_term, kept, known))
        added = tuple((one.index, one.payload) for one in entries if one.kind is EntryKind.MEMBERSHIP)
        self.states.append((base, base_term, (*kept, *entries), known + added))

    def install(self, mark: SnapshotMark) -> None:
        self.states = [(mark.last_index, mark.last_term, (), ((mark.last_index, mark.membership),))]


def state_of(log: WriteAheadLog) -> tuple:
    base = LogIndex(log.first_index - 1)
    entries = log.entries(log.first_index, log.last_index, 1 << 30) if log.last_index > base else []
    return base, log.term_at(base), tuple(entries), tuple(log.memberships())


steps = st.one_of(
    st.sampled_from(["sync", "power", "reopen"]),
    st.tuples(st.just("append"), st.integers(0, 3), st.integers(1, 4)),
    st.tuples(st.just("install"), st.integers(1, 6), st.just(0)),
)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), drawn=st.lists(steps, max_size=25))
def test_log_with_snapshots_equals_a_model(seed, drawn):
    """Through appends, cuts, installations and power failures the log is a state the model allows."""
    chance = Random(seed)
    files = FaultyFiles(chance)
    model = Model()
    log = open_log(files, recent_bytes_max=1000)
    term = 1
    for step in drawn:
        base, _, entries, _ = model.states[-1]
        last = base + len(entries)
        if step == "sync":
            log.sync()
            model.states = model.states[-1:]
        elif step in {"power", "reopen"}:
            if step == "power":
                files.power_failure()
            else:
                log.close()
            log = open_log(files, applied_index=base, recent_bytes_max=1000)
            assert state_of(log) in (model.states if step == "power" else model.states[-1:])
            model.states = [state_of(log)]
        elif step[0] == "append":
            term += 1
            first = max(base + 1, last + 1 - step[1])
            new = batch(first, step[2], term, chance.choice((1, 40, 700)))
            if chance.random() < 0.3:
                new[-1] = membership(new[-1].index, term, b"members %d" % term)
            log.append(None, new)
            model.append(new)
            if state_of(log) in model.states:  # a full segment was synced on the way
                model.states = model.states[model.states.index(state_of(log)) :]
        else:
            term += 1
            mark = SnapshotMark(LogIndex(base + step[1]), Term(term), b"snapshot %d" % term)
            log.install_snapshot(*mark)
            model.install(mark)
            assert state_of(log) == model.states[-1]
    log.sync()
    assert state_of(log) == model.states[-1]


def test_writer_installs_between_older_and_younger_jobs(files):
    """A job with a snapshot takes effect in its place: what was queued before is forgotten, what follows is kept."""
    log = open_log(files)
    done = threading.Event()
    writer = LogWriter(
        log, on_durable=lambda sequence: done.set() if sequence == 3 else None, on_failure=lambda _: None
    )
    writer.submit(1, HardState(Term(2), None), batch(1, 5, 2))
    writer.submit(2, HardState(Term(7), NodeId(3)), batch(41, 2, 7), MARK)
    writer.submit(3, None, batch(43, 1, 7))
    assert done.wait(WAIT_SECONDS)
    writer.close()
    assert (log.first_index, log.last_index, log.hard_state) == (41, 43, HardState(Term(7), NodeId(3)))


def test_writer_trims_on_its_own_thread(files):
    """A trim is done behind what is queued, without a job that would follow it."""
    log = open_log(files)
    fill(log, 12)
    done = threading.Event()
    trimmed: list[str] = []
    original = log.trim

    def trim(upto: LogIndex, *, roll: bool = False) -> int:
        count = original(upto, roll=roll)
        trimmed.append(threading.current_thread().name)
        done.set()
        return count

    log.trim = trim  # type: ignore[method-assign]
    writer = LogWriter(log, on_durable=lambda _: None, on_failure=lambda _: None)
    writer.trim(LogIndex(9))
    assert done.wait(WAIT_SECONDS)
    assert trimmed == ["log-writer"]
    assert log.first_index > 5
    writer.close()


def test_extents_tell_what_each_segment_holds(files):
    """Highest index and bytes, oldest segment first."""
    log = open_log(files)
    fill(log, 12)
    extents = log.extents()
    assert len(extents) == segment_count(files)
    assert [extent.last_index for extent in extents] == sorted(extent.last_index for extent in extents)
    assert extents[-1].last_index == 12
    assert all(extent.byte_count > 3000 for extent in extents)


def test_disk_error_during_an_installation_is_final(files):
    """After an error the log takes nothing more: a restart finds out what is on disk."""
    log = open_log(files)
    fill(log, 6)

    def fail(operation: str, _path: object) -> None:
        if operation == "fdatasync":
            raise OSError(errno.EIO, "broken")

    files.on_operation = fail
    with pytest.raises(Exception, match="broken"):
        log.install_snapshot(*MARK)
    files.on_operation = None
    with pytest.raises(Exception, match="failed before"):
        log.sync()
