"""The log while nothing crashes: what is visible when, cuts, segments, space, errors of callers and disks."""

from __future__ import annotations

import errno
from random import Random

import pytest

from raftline.base.errors import LocalProtocolError, StorageCorrupt, StorageError, StorageFull
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import Entry, EntryKind, HardState, LogReader
from raftline.wal.draft import RECORD_BYTES_MAX
from raftline.wal.log import WriteAheadLog
from raftline.wal.segment import parse_segment_name
from wal.faulty_files import FaultyFiles
from wal.log_model import DIRECTORY, batch, entry, open_log, state_of


@pytest.fixture
def files():
    return FaultyFiles(Random(1))


def segment_names(files: FaultyFiles) -> list[str]:
    return [name for name in files.names(DIRECTORY) if parse_segment_name(name)]


def test_new_log_is_empty(files):
    """Index 0 and term 0 stand for the empty log."""
    log = open_log(files)
    reader: LogReader = log
    assert (reader.first_index, reader.last_index) == (1, 0)
    assert (log.term_at(LogIndex(0)), log.term_at(LogIndex(1))) == (0, None)
    assert log.hard_state == HardState(Term(0), None)
    assert log.recovered_cut_bytes == 0


def test_nothing_is_visible_before_the_sync(files):
    """Readers see entries, terms and hard state only once they are durable."""
    log = open_log(files)
    log.append(HardState(Term(2), NodeId(3)), batch(1, 3, 2))
    assert (log.last_index, log.term_at(LogIndex(1)), log.hard_state.term) == (0, None, 0)
    log.sync()
    assert (log.last_index, log.term_at(LogIndex(3)), log.hard_state) == (3, 2, HardState(Term(2), NodeId(3)))
    log.append(None, batch(2, 1, 3))
    assert (log.last_index, log.term_at(LogIndex(2))) == (3, 2)
    log.sync()
    assert (log.last_index, log.term_at(LogIndex(2)), log.term_at(LogIndex(3))) == (2, 3, None)


def test_everything_comes_back_on_a_real_disk(tmp_path):
    """Kinds, terms, payloads and vote survive on the operating system's files."""
    entries = [
        Entry(LogIndex(1), Term(1), EntryKind.NOOP, b""),
        Entry(LogIndex(2), Term(1), EntryKind.DATA, bytes(range(256)) * 10),
        Entry(LogIndex(3), Term(4), EntryKind.MEMBERSHIP, b"members"),
    ]

    def open_real() -> WriteAheadLog:
        return WriteAheadLog.open(
            tmp_path / "log", cluster_id="c", node_id=NodeId(1), applied_index=LogIndex(0), segment_bytes=8192
        )

    log = open_real()
    log.append(HardState(Term(4), NodeId(2)), entries)
    log.append(None, batch(4, 6, 4, 900))
    log.sync()
    before = state_of(log)
    assert before[1][:3] == tuple(entries)
    log.close()
    log = open_real()
    assert state_of(log) == before
    assert len(list((tmp_path / "log").glob("wal-*"))) == 3
    log.close()


def test_unchanged_hard_state_is_not_written_again(files):
    """A leader that repeats its term costs no sync."""
    log = open_log(files)
    log.append(HardState(Term(1), None), [])
    log.sync()
    before = dict(files.operation_counts)
    log.append(HardState(Term(1), None), [])
    log.append(None, [])
    log.sync()
    assert files.operation_counts == before


def test_one_append_is_one_write(files):
    """Hard state, truncation and entries of a call go to the disk in one piece."""
    log = open_log(files)
    log.append(None, batch(1, 5))
    before = files.operation_counts["pwrite"]
    log.append(HardState(Term(2), NodeId(1)), batch(3, 4, 2))
    assert files.operation_counts["pwrite"] == before + 1


def test_old_entries_are_read_from_disk(files):
    """With hardly any memory the same entries come from the segments, cut the same way."""
    log = open_log(files, recent_bytes_max=100)
    written = []
    for number in range(30):
        written += batch(number * 3 + 1, 3, 1 + number // 10, 400)
        log.append(None, written[-3:])
        log.sync()
    assert len(segment_names(files)) > 2
    for low in (1, 2, 44, 88, 90):
        assert log.entries(LogIndex(low), LogIndex(90), 1 << 30) == written[low - 1 :]
        for bytes_max in (0, 399, 400, 800, 2000):
            count = min(91 - low, max(1, bytes_max // 400))
            assert log.entries(LogIndex(low), LogIndex(90), bytes_max) == written[low - 1 : low - 1 + count]
    assert log.entries(LogIndex(5), LogIndex(5), 10**6) == [written[4]]
    assert log.entries(LogIndex(5), LogIndex(4), 10**6) == []
    assert [log.term_at(LogIndex(index)) for index in (30, 31, 60, 61)] == [1, 2, 2, 3]


def test_replaced_entries_are_read_from_their_last_place(files):
    """After a cut within a batch, reads from disk mix the kept part with what replaced the rest."""
    log = open_log(files, recent_bytes_max=0)
    log.append(None, batch(1, 10, 1))
    log.append(None, batch(4, 2, 2))
    log.sync()
    assert [one.term for one in log.entries(LogIndex(1), LogIndex(5), 10**6)] == [1, 1, 1, 2, 2]


def test_damage_found_by_a_read_is_reported(files):
    """An entry that was durable and cannot be read back is never skipped."""
    log = open_log(files, recent_bytes_max=0)
    log.append(None, batch(1, 3))
    log.sync()
    path = DIRECTORY / segment_names(files)[0]
    files.flip(path, 4096 + 70, 1)
    with pytest.raises(StorageCorrupt, match=path.name):
        log.entries(LogIndex(2), LogIndex(2), 10)
    files.flip(path, 4096 + 70, 1)
    files.fail("pread")
    with pytest.raises(StorageCorrupt, match="Input/output error"):
        log.entries(LogIndex(2), LogIndex(2), 10)
    assert log.entries(LogIndex(2), LogIndex(2), 10) == batch(2, 1)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1, 4), (4, 4)])
def test_entries_outside_the_log_are_the_callers_fault(files, low, high):
    """A range that is not kept is refused, not answered in part."""
    log = open_log(files)
    log.append(None, batch(1, 3))
    log.sync()
    with pytest.raises(LocalProtocolError):
        log.entries(LogIndex(low), LogIndex(high), 10)


@pytest.mark.parametrize(
    ("hard_state", "entries"),
    [
        (None, batch(5, 1)),
        (None, batch(0, 1)),
        (None, [entry(4), entry(6)]),
        (HardState(Term(1), None), []),
        (None, [entry(4, payload=b"x" * 16384)]),
    ],
    ids=["gap", "index 0", "gap within", "term goes back", "too large"],
)
def test_misuse_is_refused_before_anything_is_written(files, hard_state, entries):
    """A caller's fault leaves the log as it was, and usable."""
    log = open_log(files)
    log.append(HardState(Term(2), None), batch(1, 3, 2))
    log.sync()
    before = files.operation_counts["pwrite"]
    with pytest.raises(LocalProtocolError):
        log.append(hard_state, entries)
    assert files.operation_counts["pwrite"] == before
    log.append(None, batch(4, 1, 2))
    log.sync()
    assert log.last_index == 4


def test_segments_roll(files):
    """Each segment is durable to its end before the next begins, and names its first index."""
    log = open_log(files)
    for index in range(1, 8):
        log.append(None, batch(index, 1, 1, 3000))
    assert [parse_segment_name(name) for name in segment_names(files)] == [(1, 1), (2, 5)]
    assert log.last_index == 4
    log.sync()
    assert log.last_index == 7


def test_large_append_is_split_over_segments(files):
    """One call may fill several segments; it still comes back whole."""
    log = open_log(files)
    entries = batch(1, 40, 1, 1500)
    log.append(HardState(Term(1), None), entries)
    log.sync()
    log.close()
    assert len(segment_names(files)) > 4
    log = open_log(files)
    assert state_of(log) == (HardState(Term(1), None), tuple(entries))


def test_hard_state_survives_in_the_header_of_the_next_segment(files):
    """A hard state written by the very call that begins a segment is known to that segment."""
    log = open_log(files)
    log.append(None, batch(1, 3, 1, 3900))
    log.append(HardState(Term(9), NodeId(2)), batch(4, 1, 9, 3900))
    log.sync()
    assert len(segment_names(files)) == 2
    assert log.trim(LogIndex(3)) == 1
    log.close()
    assert open_log(files, applied_index=3).hard_state == HardState(Term(9), NodeId(2))


def test_record_fits_a_segment_to_the_last_byte(files):
    """The largest entry that fits is taken and fills the segment exactly."""
    log = open_log(files, segment_bytes=8192)
    payload_bytes = 8192 - 4096 - 40 - 16 - 16
    for index in (1, 2):
        log.append(None, batch(index, 1, 1, payload_bytes))
    log.sync()
    log.close()
    log = open_log(files, segment_bytes=8192)
    assert [len(one.payload) for one in state_of(log)[1]] == [payload_bytes, payload_bytes]
    with pytest.raises(LocalProtocolError):
        log.append(None, batch(3, 1, 1, payload_bytes + 1))


def test_records_are_bounded_in_large_segments(files):
    """Reading one entry back never means reading a whole segment."""
    log = open_log(files, segment_bytes=4 * RECORD_BYTES_MAX, recent_bytes_max=0)
    log.append(None, batch(1, 20, 1, 1 << 20))
    log.sync()
    sizes = []
    files.on_operation = lambda operation, _path: sizes.append(operation) if operation == "pread" else None
    assert len(log.entries(LogIndex(20), LogIndex(20), 0)) == 1
    assert len(sizes) == 2
    place = log._index.place_of(LogIndex(20))
    assert place is not None
    assert place.first_index > 10


def test_trim_removes_whole_segments_from_the_front(files):
    """What is kept starts where the first kept segment starts, also after a restart."""
    log = open_log(files)
    for index in range(1, 15):
        log.append(HardState(Term(index), None), batch(index, 1, index, 3000))
        log.sync()
    names = segment_names(files)
    assert log.trim(LogIndex(2)) == 0
    assert log.trim(LogIndex(8)) == 2
    assert segment_names(files) == names[2:]
    first = log.first_index
    assert (first, log.last_index) == (7, 14)
    assert (log.term_at(LogIndex(6)), log.term_at(LogIndex(5)), log.term_at(LogIndex(7))) == (6, None, 7)
    assert [one.index for one in log.entries(first, log.last_index, 10**6)] == list(range(7, 15))
    log.append(None, batch(14, 3, 20))
    log.sync()
    before = state_of(log)
    log.close()
    log = open_log(files, applied_index=8)
    assert state_of(log) == before
    assert log.term_at(LogIndex(6)) == 6
    with pytest.raises(LocalProtocolError):
        log.append(None, batch(6, 1, 20))
    assert log.trim(log.last_index) == 2
    assert len(segment_names(files)) == 1


def test_a_trim_may_leave_the_segment_in_use_behind(files):
    """So that it can go as well: with all entries, the log goes on behind them, also after a restart."""
    log = open_log(files)
    log.append(HardState(Term(1), None), batch(1, 3, 1, 100))
    log.sync()
    log.prepare_spare()
    assert log.trim(LogIndex(0), roll=True) == 0
    assert len(segment_names(files)) == 2
    log.prepare_spare()
    assert log.trim(LogIndex(0), roll=True) == 0
    assert len(segment_names(files)) == 2, "there is nothing in the new one"
    assert [one.index for one in log.entries(LogIndex(1), LogIndex(3), 10**6)] == [1, 2, 3]
    assert log.trim(LogIndex(3)) == 1
    assert (log.first_index, log.last_index, log.term_at(LogIndex(3))) == (4, 3, 1)
    log.close()
    log = open_log(files, applied_index=3)
    assert (log.first_index, log.last_index, log.hard_state.term) == (4, 3, 1)
    log.append(None, batch(4, 1, 2))
    log.sync()
    assert log.last_index == 4


def test_a_trim_without_a_spare_leaves_the_segment_in_use(files):
    """It does not wait for the disk to fill one."""
    log = open_log(files)
    log.append(HardState(Term(1), None), batch(1, 3, 1, 100))
    log.sync()
    assert log.trim(LogIndex(0), roll=True) == 0
    assert len(segment_names(files)) == 1
    assert log.last_index == 3


def test_trim_leaves_no_gap(files):
    """A segment that ends low, because it cuts the one before, stays as long as that one does."""
    log = open_log(files)
    log.append(None, batch(1, 4, 1, 3000))
    log.append(None, batch(2, 1, 2, 3000))
    for term in range(3, 400):
        log.append(HardState(Term(term), None), [])
    log.append(None, batch(3, 3, 400, 3000))
    log.sync()
    assert [extent.last_index for extent in log.extents()][:2] == [4, 2]
    assert len(segment_names(files)) > 2
    assert log.trim(LogIndex(3)) == 0
    before = state_of(log)
    log.close()
    log = open_log(files, applied_index=3)
    assert state_of(log) == before
    assert log.trim(LogIndex(4)) >= 2


def test_restarted_log_trims_as_before(files):
    """What a segment holds at most is known again after a restart, so that nothing goes which is still needed."""
    log = open_log(files)
    for index in range(1, 12):
        log.append(None, batch(index, 1, index, 3000))
    log.append(None, batch(9, 2, 20, 100))
    log.sync()
    extents = log.extents()
    assert len(extents) > 2
    log.close()
    log = open_log(files)
    assert log.extents() == extents
    assert log.trim(LogIndex(extents[0].last_index - 1)) == 0
    assert log.trim(extents[0].last_index) == 1


def test_mark_is_durable_before_a_segment_is_begun_or_removed(files):
    """The mark on disk never names a record of a segment that is gone, nor is it older than the last segment."""
    is_dirty = False
    names: list[str] = []

    def watch(operation: str, path) -> None:
        nonlocal is_dirty
        if path.name == "mark" and operation in {"pwrite", "fdatasync"}:
            is_dirty = operation == "pwrite"
        if operation == "unlink" or (operation == "rename" and not path.name.endswith(".tmp")):
            names.append(path.name)
            assert not is_dirty, (operation, path)

    log = open_log(files)
    log.append(HardState(Term(1), None), [])  # a change of the term syncs the mark by itself
    log.sync()
    files.on_operation = watch
    for index in range(1, 12):
        log.append(None, batch(index, 1, 1, 3000))
        log.sync()
    assert log.is_mark_dirty
    log.trim(LogIndex(9))
    log.append(None, batch(12, 1))
    log.sync()
    log.install_snapshot(LogIndex(40), Term(1), b"members")
    assert sum(name.startswith("spare-") for name in names) >= 2
    assert sum(name.startswith("wal-") for name in names) >= 2


def test_trimmed_log_with_an_early_cut_comes_back(files):
    """A kept segment may begin by cutting entries of a removed one; the log then starts at the replacements."""
    log = open_log(files)
    log.append(None, batch(1, 5, 1, 3000))
    assert len(segment_names(files)) == 2
    log.append(None, batch(3, 4, 2, 100))
    log.sync()
    assert log.trim(LogIndex(5)) == 1
    before = log.entries(log.first_index, log.last_index, 10**6)
    assert [(one.index, one.term) for one in before] == [(3, 2), (4, 2), (5, 2), (6, 2)]
    log.close()
    log = open_log(files, applied_index=5)
    assert log.entries(log.first_index, log.last_index, 10**6) == before
    assert log.term_at(LogIndex(2)) == 1


def test_lack_of_space_is_refused_before_damage(files):
    """A full disk refuses the append that needs a new segment, changes nothing, and is forgotten when space is back."""
    log = open_log(files)
    log.append(None, batch(1, 1, 1, 3000))
    log.sync()
    files.capacity_bytes = 0
    with pytest.raises(StorageFull):
        log.prepare_spare()
    assert not log.has_space
    log.append(None, batch(2, 2, 1, 3000))
    log.sync()
    before = files.content(DIRECTORY / segment_names(files)[0])
    with pytest.raises(StorageFull):
        log.append(HardState(Term(2), None), batch(2, 4, 2, 3000))
    assert files.content(DIRECTORY / segment_names(files)[0]) == before
    log.append(HardState(Term(3), None), [])
    log.sync()
    assert (log.last_index, log.hard_state.term) == (3, 3)
    files.capacity_bytes = 1 << 20
    log.append(None, batch(4, 3, 3, 3000))
    log.sync()
    assert log.has_space
    log.close()
    assert open_log(files).last_index == 6


def test_new_log_without_space_is_refused(files):
    """A node that cannot hold a segment does not start, and starts later."""
    files.capacity_bytes = 10000
    with pytest.raises(StorageFull):
        open_log(files)
    files.capacity_bytes = 1 << 20
    assert open_log(files).last_index == 0


@pytest.mark.parametrize("operation", ["pwrite", "fdatasync"])
def test_log_that_failed_takes_nothing_more(files, operation):
    """After one error of the disk everything is refused, though the disk would work again."""
    log = open_log(files)
    log.append(None, batch(1, 1))
    log.sync()
    files.fail(operation, name_part="wal-")
    with pytest.raises(StorageError):
        append_and_sync(log)
    assert log.last_index == 1
    for attempt in (lambda: append_and_sync(log), log.sync, log.sync_mark, lambda: log.trim(LogIndex(1))):
        with pytest.raises(StorageError, match="failed before"):
            attempt()
    syncs = files.operation_counts["fdatasync"]
    log.close()
    assert files.operation_counts["fdatasync"] == syncs
    assert log.last_index == 1


def append_and_sync(log: WriteAheadLog) -> None:
    log.append(None, batch(2, 1))
    log.sync()


@pytest.mark.parametrize("operation", ["rename", "fsync_directory", "fdatasync", "pwrite"])
def test_failure_while_a_segment_is_begun_is_final(files, operation):
    """Whichever step of a roll fails, the log has failed, and a restart finds everything synced."""
    log = open_log(files)
    log.append(None, batch(1, 3, 1, 3900))
    log.prepare_spare()
    files.fail(operation)
    with pytest.raises(StorageError):
        log.append(None, batch(4, 1, 1, 3900))
    with pytest.raises(StorageError, match="failed before"):
        log.sync()
    files.power_failure()
    assert open_log(files).last_index in {0, 1, 2, 3}


def test_failed_sync_at_close_is_told(files):
    """A close that could not keep its promise says so, and gives the directory back all the same."""
    log = open_log(files)
    log.append(None, batch(1, 1))
    files.fail("fdatasync", errno.EIO)
    with pytest.raises(StorageError):
        log.close()
    log.close()
    open_log(files).close()


def test_closed_log_is_refused(files):
    """Writing after close is the caller's fault; nothing is held open for it."""
    log = open_log(files)
    for index in range(1, 8):
        log.append(None, batch(index, 1, 1, 3000))
    log.prepare_spare()
    log.close()
    assert (files.open_paths, files.locks) == ([], set())
    with pytest.raises(LocalProtocolError):
        log.append(None, batch(1, 1))


def test_mark_is_synced_without_rest(files, monkeypatch):
    """A log that is never idle still moves its mark to the disk now and then."""
    monkeypatch.setattr("raftline.wal.log.MARK_SYNC_RECORDS", 4)
    log = open_log(files)
    for index in range(1, 9):
        log.append(None, batch(index, 1))
        log.sync()
        assert log.is_mark_dirty == (index % 4 != 0)
