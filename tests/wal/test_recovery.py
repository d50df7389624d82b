"""What a crash, a flipped bit or a lost file leaves of the log, and what it must not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.base.errors import LocalProtocolError, StorageCorrupt, StorageError, StorageFull
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import HardState
from raftline.wal.draft import draft_hard_state
from raftline.wal.log import WriteAheadLog
from raftline.wal.segment import HEADER_BYTES, parse_segment_name
from wal.faulty_files import Crash, FaultyFiles
from wal.log_model import DIRECTORY, LogModel, appends, batch, entry, make_append, open_log, state_of

seeds = st.integers(0, 2**32 - 1)
steps = st.lists(st.one_of(appends, st.sampled_from(["sync", "reopen", "kill", "power"])), max_size=25)


def segment_paths(files: FaultyFiles) -> list:
    return [DIRECTORY / name for name in files.names(DIRECTORY) if parse_segment_name(name)]


@settings(max_examples=150, deadline=None)
@given(seed=seeds, steps=steps)
def test_log_equals_model_through_syncs_reopens_and_crashes(seed, steps):
    """Whatever happens, the log is a state that its model allows: all that was synced, and no half of a record."""
    files = FaultyFiles(Random(seed))
    model = LogModel()
    log = open_log(files, recent_bytes_max=2000)
    for step in steps:
        if step == "sync":
            log.sync()
            model.sync()
            assert state_of(log) == model.state
        elif step == "reopen":
            log.close()
            model.sync()
            log = open_log(files, recent_bytes_max=2000)
            assert state_of(log) == model.state
        elif step == "kill":
            files.process_death()
            log = open_log(files, recent_bytes_max=2000)
            assert state_of(log) == model.state
            model.sync()
        elif step == "power":
            files.power_failure()
            log = open_log(files, recent_bytes_max=2000)
            model.settle(state_of(log))
        else:
            hard_state, entries = make_append(model, step)
            durable_before = state_of(log)
            log.append(hard_state, entries)
            model.append(hard_state, entries)
            if state_of(log) != durable_before:  # a full segment was synced on the way
                model.durable = max(place for place, state in enumerate(model.states) if state == state_of(log))
    log.close()
    log = open_log(files)
    assert state_of(log) == model.state


@settings(max_examples=150, deadline=None)
@given(seed=seeds, steps=st.lists(appends, min_size=1, max_size=8), crash_after=st.integers(0, 80))
def test_power_failure_at_any_operation(seed, steps, crash_after):
    """The power may go before any single operation on the disk, twice, also while the log is begun or recovered."""
    files = FaultyFiles(Random(seed))
    model = LogModel()
    for budget in (crash_after, crash_after // 2):
        files.crash_after(budget)
        try:
            log = open_log(files)
            model.settle(state_of(log))
            for step in steps:
                hard_state, entries = make_append(model, step)
                model.append(hard_state, entries)
                log.append(hard_state, entries)
                log.sync()
                model.sync()
        except Crash:
            files.on_operation = None
        files.power_failure()
    log = open_log(files)
    model.settle(state_of(log))


def written_log(files: FaultyFiles, synced: int, unsynced: int) -> LogModel:
    """Begin a log, write batches with a sync each and more without, then kill the process."""
    model = LogModel()
    log = open_log(files)
    for number in range(synced + unsynced):
        hard_state = HardState(Term(1 + number // 3), NodeId(2))
        entries = batch(model.last_index + 1, 1 + number % 2, hard_state.term, 60 + 200 * (number % 3))
        log.append(hard_state, entries)
        model.append(hard_state, entries)
        if number < synced:
            log.sync()
            model.sync()
    files.process_death()
    return model


@settings(max_examples=100, deadline=None)
@given(seed=seeds, synced=st.integers(0, 6), unsynced=st.integers(0, 6), share=st.floats(0, 1))
def test_log_cut_anywhere_in_the_unsynced_tail_is_a_prefix(seed, synced, unsynced, share):
    """Zeros from any byte after the last sync leave a prefix that holds everything synced, and never a complaint."""
    files = FaultyFiles(Random(seed))
    written_log(files, synced, 0)
    durable_end = len(written_content(files))
    files = FaultyFiles(Random(seed))
    model = written_log(files, synced, unsynced)
    content = written_content(files)
    cut = durable_end + round(share * (len(content) - durable_end))
    (path,) = segment_paths(files)
    files.replace_content(path, content[:cut].ljust(len(files.content(path)), b"\0"))
    model.settle(state_of(open_log(files)))


def written_content(files: FaultyFiles) -> bytes:
    """Return the segment up to its last record (whose end may be zeros: rounded up to the record's alignment)."""
    (path,) = segment_paths(files)
    content = files.content(path)
    return content[: max(HEADER_BYTES, -(-len(content.rstrip(b"\0")) // 8) * 8)]


@settings(max_examples=150, deadline=None)
@given(seed=seeds, place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_flipped_bit_below_the_mark_is_corruption(seed, place, bit):
    """Any flipped bit in what was synced stops the node; the log is never silently shorter."""
    files = FaultyFiles(Random(seed))
    written_log(files, 6, 0)
    content = written_content(files)
    (path,) = segment_paths(files)
    files.flip(path, int(place * len(content)), 1 << bit)
    with pytest.raises(StorageCorrupt) as caught:
        open_log(files)
    assert str(path) in str(caught.value)
    assert "must not vote" in str(caught.value)


def test_every_byte_below_the_mark_counts():
    """No byte of a small log, header and padding included, can change unnoticed."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    log.append(HardState(Term(1), None), batch(1, 2))
    log.append(None, batch(3, 1, payload_bytes=3))
    log.sync()
    log.close()
    (path,) = segment_paths(files)
    content = files.content(path)
    end = HEADER_BYTES + 56 + 40 + 16 + 2 * 16 + 2 * 7 + 2 + 40 + 16 + 16 + 3 + 5
    assert not any(content[end:])
    for offset in [*range(300), *range(HEADER_BYTES - 5, end)]:
        files.flip(path, offset, 0x10)
        with pytest.raises(StorageCorrupt):
            open_log(files)
        files.flip(path, offset, 0x10)
    assert open_log(files).last_index == 3


@settings(max_examples=150, deadline=None)
@given(seed=seeds, unsynced=st.integers(1, 5), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_flipped_bit_in_the_unsynced_tail_is_a_prefix(seed, unsynced, place, bit):
    """Damage to what nobody was told of leaves a prefix with everything synced."""
    files = FaultyFiles(Random(seed))
    written_log(files, 3, 0)
    durable_end = len(written_content(files))
    files = FaultyFiles(Random(seed))
    model = written_log(files, 3, unsynced)
    content = written_content(files)
    (path,) = segment_paths(files)
    files.flip(path, durable_end + int(place * (len(content) - durable_end)), 1 << bit)
    model.settle(state_of(open_log(files)))


def test_later_record_betrays_damage_above_an_old_mark():
    """With an old mark, as a power failure may leave it, a later record still tells that a damaged one was durable."""
    files = FaultyFiles(Random(1))
    old_mark = b""
    log = open_log(files)
    for number in range(4):
        log.append(None, batch(number + 1, 1))
        log.sync()
        old_mark = old_mark or files.content(DIRECTORY / "mark")
    files.process_death()
    files.replace_content(DIRECTORY / "mark", old_mark)
    (path,) = segment_paths(files)
    record_bytes = 40 + 16 + 16 + 7 + 1
    files.flip(path, HEADER_BYTES + record_bytes + 60, 1)
    with pytest.raises(StorageCorrupt, match="record 2, durable according to record 3"):
        open_log(files)
    files.flip(path, HEADER_BYTES + record_bytes + 60, 1)
    assert open_log(files).last_index == 4


def test_recovered_tail_survives_the_next_power_failure():
    """What a killed process had written but not synced is durable once the log was opened again."""
    for seed in range(30):
        files = FaultyFiles(Random(seed))
        written_log(files, 1, 3)
        state = state_of(open_log(files))
        files.power_failure()
        assert state_of(open_log(files)) == state


def test_failed_sync_is_made_good_by_the_next_start():
    """Pages that a failed sync left clean in memory are written again when the log is opened, not trusted."""
    for seed in range(30):
        files = FaultyFiles(Random(seed))
        log = open_log(files)
        log.append(None, batch(1, 1))
        log.sync()
        log.append(None, batch(2, 2))
        files.fail("fdatasync", name_part="wal-")
        with pytest.raises(StorageError):
            log.sync()
        assert log.last_index == 1
        files.process_death()
        assert open_log(files).last_index == 3
        files.power_failure()
        assert open_log(files).last_index == 3


def test_cut_tail_never_comes_back():
    """Whole records behind a torn one are wiped, so that none continues the chain after the torn one is rewritten."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    log.append(None, batch(1, 1))
    log.append(None, batch(2, 1))
    files.process_death()
    (path,) = segment_paths(files)
    whole = files.content(path)
    files.replace_content(path, whole[:HEADER_BYTES] + bytes(16) + whole[HEADER_BYTES + 16 :])
    log = open_log(files)
    assert log.last_index == 0
    assert log.recovered_cut_bytes > 0
    log.append(None, batch(1, 1))
    log.sync()
    log.close()
    assert open_log(files).last_index == 1


def three_segments(files: FaultyFiles) -> None:
    log = open_log(files)
    for number in range(10):
        log.append(HardState(Term(number + 1), None), batch(number + 1, 1, number + 1, 3000))
        log.sync()
    log.close()
    assert len(segment_paths(files)) == 4


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_lost_segment_is_corruption(lost):
    """A segment that is gone is missed: in the middle by its neighbours, at the end by the mark."""
    files = FaultyFiles(Random(1))
    three_segments(files)
    files.lose(segment_paths(files)[lost])
    with pytest.raises(StorageCorrupt):
        open_log(files)


def test_lost_first_segment_is_corruption():
    """Without its first segment a log looks trimmed; the database, which needs those entries, tells otherwise."""
    files = FaultyFiles(Random(1))
    three_segments(files)
    files.lose(segment_paths(files)[0])
    with pytest.raises(StorageCorrupt, match="entry 1, the next for the database"):
        open_log(files)


def test_flipped_bit_in_an_older_segment_is_corruption():
    """Everything before the last segment was durable when that was begun; the mark is not even asked."""
    files = FaultyFiles(Random(1))
    three_segments(files)
    path = segment_paths(files)[1]
    files.flip(path, HEADER_BYTES + 100, 4)
    with pytest.raises(StorageCorrupt, match=path.name):
        open_log(files)


def test_swapped_segments_are_corruption():
    """A segment under another's name is noticed (a misdirected rename or restore)."""
    files = FaultyFiles(Random(1))
    three_segments(files)
    first, second, *_ = segment_paths(files)
    content = files.content(first)
    files.replace_content(first, files.content(second))
    files.replace_content(second, content)
    with pytest.raises(StorageCorrupt, match="the header of this segment"):
        open_log(files)


def test_short_file_is_corruption():
    """A segment is as long as its header says from its first day; a shorter one was cut by someone."""
    files = FaultyFiles(Random(1))
    written_log(files, 2, 0)
    (path,) = segment_paths(files)
    files.replace_content(path, files.content(path)[:-1])
    with pytest.raises(StorageCorrupt, match="a file of 16384 bytes"):
        open_log(files)


def test_record_in_another_place_does_not_continue_the_chain():
    """A whole record of the same segment in the wrong place (a misdirected write) is damage."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    for index in (1, 2):
        log.append(None, batch(index, 1))
        log.sync()
    log.close()
    (path,) = segment_paths(files)
    content = bytearray(files.content(path))
    size = 80
    content[HEADER_BYTES + size : HEADER_BYTES + 2 * size] = content[HEADER_BYTES : HEADER_BYTES + size]
    files.replace_content(path, bytes(content))
    with pytest.raises(StorageCorrupt, match="does not continue the chain"):
        open_log(files)


def test_older_copy_of_the_log_is_corruption():
    """A segment restored from an older copy ends at a record boundary, whole and below the mark."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    log.append(None, batch(1, 1))
    log.sync()
    (path,) = segment_paths(files)
    old = files.content(path)
    log.append(None, batch(2, 1))
    log.sync()
    log.close()
    files.replace_content(path, old)
    with pytest.raises(StorageCorrupt, match="durable according to the mark file"):
        open_log(files)


def test_lost_or_damaged_mark_is_corruption():
    """A log without its mark may have lost its end; one bad slot is survived, two are not."""
    files = FaultyFiles(Random(1))
    model = written_log(files, 4, 0)
    mark = DIRECTORY / "mark"
    files.flip(mark, 20, 1)
    files.flip(mark, 4096 + 20, 1)
    with pytest.raises(StorageCorrupt, match="mark"):
        open_log(files)
    assert files.open_paths == []
    files.flip(mark, 20, 1)
    assert state_of(open_log(files)) == model.state
    files.process_death()
    files.lose(mark)
    with pytest.raises(StorageCorrupt, match="mark file"):
        open_log(files)


def test_log_behind_the_database_is_corruption():
    """The database cannot have applied what the log never held; an empty directory is no new log then."""
    files = FaultyFiles(Random(1))
    model = written_log(files, 4, 0)
    assert open_log(files, applied_index=model.last_index).last_index == model.last_index
    files.process_death()
    with pytest.raises(StorageCorrupt, match=f"entry {model.last_index + 1}"):
        open_log(files, applied_index=model.last_index + 1)
    with pytest.raises(StorageCorrupt, match="entry 1"):
        open_log(FaultyFiles(Random(1)), applied_index=1)


def test_database_fits_a_log_that_begins_right_behind_it():
    """R4: a log whose first entries are gone serves a database that has applied all of those, not one with less."""
    files = FaultyFiles(Random(1))
    three_segments(files)
    log = open_log(files)
    assert log.trim(LogIndex(9)) > 0
    base = log.first_index - 1
    log.close()
    assert open_log(files, applied_index=base).first_index == base + 1
    files.process_death()
    with pytest.raises(StorageCorrupt, match=f"entry {base}, the next for the database"):
        open_log(files, applied_index=base - 1)


def test_all_segments_lost_is_corruption():
    """A mark that names a record, alone in its directory, does not begin a new log."""
    files = FaultyFiles(Random(1))
    written_log(files, 2, 0)
    for path in segment_paths(files):
        files.lose(path)
    with pytest.raises(StorageCorrupt, match="which the mark file names"):
        open_log(files)


@pytest.mark.parametrize("identity", [{"cluster_id": "other"}, {"node_id": 2}])
def test_directory_of_another_node_is_refused(identity):
    """Another node's log is refused as it is, not as damage, and not changed."""
    files = FaultyFiles(Random(1))
    written_log(files, 2, 1)
    (path,) = segment_paths(files)
    before = files.content(path)
    with pytest.raises(StorageError, match="belongs to node 1 of cluster testing") as caught:
        open_log(files, **identity)
    assert not isinstance(caught.value, StorageCorrupt)
    assert files.content(path) == before
    assert open_log(files).last_index > 0


def test_record_of_a_later_release_is_refused():
    """A kind of record that this release does not know is neither damage nor skipped."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    write_foreign_record(log)
    log.close()
    with pytest.raises(StorageError, match="a later release") as caught:
        open_log(files)
    assert not isinstance(caught.value, StorageCorrupt)


def write_foreign_record(log: WriteAheadLog) -> None:
    """Append a whole record of kind 9 the way the log does it."""
    draft = draft_hard_state(HardState(Term(1), None))
    log._write([draft._replace(kind=9)])
    log.sync()


def test_directory_in_use_is_refused():
    """Two processes never write the same log."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    with pytest.raises(StorageError, match="another process"):
        open_log(files)
    log.close()
    open_log(files).close()


def test_failed_open_gives_the_directory_back():
    """A refused start keeps neither the lock nor a file open, in an old directory or a new one."""
    files = FaultyFiles(Random(1))
    written_log(files, 2, 0)
    with pytest.raises(StorageCorrupt):
        open_log(files, applied_index=99)
    assert files.open_paths == []
    open_log(files, applied_index=LogIndex(1)).close()
    files = FaultyFiles(Random(1), capacity_bytes=10_000)
    with pytest.raises(StorageFull):
        open_log(files)
    assert (files.open_paths, files.locks) == ([], set())


@pytest.mark.parametrize(
    "arguments", [{"cluster_id": ""}, {"cluster_id": "x" * 256}, {"node_id": 0}, {"segment_bytes": 1}]
)
def test_impossible_arguments_are_refused(arguments):
    """Identity and size are checked before anything is made."""
    files = FaultyFiles(Random(1))
    with pytest.raises(LocalProtocolError):
        open_log(files, **arguments)
    assert files.names(DIRECTORY) == []


@pytest.mark.parametrize("seed", range(10))
def test_recovered_tail_is_below_the_mark(seed):
    """What `open` has returned counts as promised, whatever ends the process: damage to it is no torn tail any more."""
    files = FaultyFiles(Random(seed))
    written_log(files, 1, 3)
    end = len(written_content(files))
    open_log(files)
    if seed == 0:
        files.process_death()
    else:
        files.power_failure()
    (path,) = segment_paths(files)
    files.flip(path, end - 10, 1)
    with pytest.raises(StorageCorrupt):
        open_log(files)


def test_segment_found_after_a_kill_keeps_its_name():
    """A process killed between naming a segment and making the name durable has it made durable by the next start."""
    for seed in range(20):
        files = FaultyFiles(Random(seed))
        log = open_log(files)
        log.append(None, batch(1, 3, 1, 3900))
        log.prepare_spare()
        files.crash_after(0, "fsync_directory")
        with pytest.raises(Crash):
            log.append(None, batch(4, 1, 1, 3900))
        files.process_death()
        assert len(segment_paths(files)) == 2
        log = open_log(files)
        log.append(None, batch(log.last_index + 1, 1))
        log.sync()
        files.power_failure()
        assert open_log(files).last_index == 4


def test_power_failure_while_segments_are_removed_leaves_no_gap():
    """Whatever removals of a trim the disk keeps, the segments left follow one another up to the end."""
    for seed in range(20):
        for crash_after in range(12):
            files = FaultyFiles(Random(seed))
            three_segments(files)
            log = open_log(files)
            files.crash_after(crash_after)
            try:
                log.trim(LogIndex(9))
            except Crash:
                files.on_operation = None
            files.power_failure()
            log = open_log(files, applied_index=9)
            assert (log.last_index, log.hard_state.term) == (10, 10)


def other_history(payload_bytes: int) -> FaultyFiles:
    """Write four batches, a segment each two, on a disk of its own; the payloads differ with their size alone."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    for index in range(1, 5):
        log.append(None, [entry(index, 1, bytes([payload_bytes % 251]) * payload_bytes)])
        log.sync()
    log.close()
    return files


def test_record_of_another_history_does_not_continue_the_chain():
    """A record with the right number and checksum, from an older copy of the same log, is damage."""
    files, other = other_history(8), other_history(16)
    (path,) = segment_paths(files)
    content, foreign = bytearray(files.content(path)), other.content(path)
    content[HEADER_BYTES + 80 : HEADER_BYTES + 168] = foreign[HEADER_BYTES + 88 : HEADER_BYTES + 176]
    files.replace_content(path, bytes(content))
    with pytest.raises(StorageCorrupt, match="record 2, which does not continue the chain"):
        open_log(files)


def test_segment_of_another_history_is_corruption():
    """A segment with the right sequence, index and number, from an older copy of the same log, is noticed."""
    files, other = other_history(6000), other_history(6001)
    assert len(segment_paths(files)) == 2
    path = segment_paths(files)[1]
    files.replace_content(path, other.content(path))
    with pytest.raises(StorageCorrupt, match="since segment 2 follows"):
        open_log(files)


def test_whole_log_of_another_history_is_corruption():
    """A log restored from elsewhere, of the same length, is not the one that the mark file knows."""
    files, other = other_history(8), other_history(9)
    (path,) = segment_paths(files)
    files.replace_content(path, other.content(path))
    with pytest.raises(StorageCorrupt, match="record 4 as the mark file knows it"):
        open_log(files)


def test_record_with_a_wrong_number_does_not_continue_the_chain():
    """A record that names the one before it but not its own place is damage."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    log._number += 1
    log.append(None, batch(1, 1))
    files.process_death()
    assert open_log(files).last_index == 0
