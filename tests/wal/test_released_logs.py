"""Logs as each release wrote them, opened by this one; `tests/fixtures/README.md` tells what is in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fixtures.released import NODE_IDS, RELEASES, Release, data_directory
from raftline.base.errors import StorageCorrupt
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import Entry, EntryKind, HardState
from raftline.wal import mark as marks
from raftline.wal import record as records
from raftline.wal import segment as segments
from raftline.wal.directory import LogIdentity
from raftline.wal.files import OperatingSystemFiles
from raftline.wal.log import WriteAheadLog
from raftline.wal.salvage import salvage_hard_state

ENTRY_BYTES = 50_000
SEGMENT_BYTES = 1 << 20

every_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)


def unpack_log(release: Release, folder: Path, node_id: int) -> Path:
    """Lay out the log of a node as it was, alone."""
    cluster = release.unpack(folder)
    target = folder / f"log-{node_id}"
    (data_directory(cluster, node_id) / "log").rename(target)
    shutil.rmtree(cluster)
    return target


def segment_paths(directory: Path) -> list[Path]:
    return sorted(directory.glob("wal-*"))


def header_of(path: Path) -> segments.SegmentHeader:
    with path.open("rb") as file:
        header = segments.decode_header(file.read(segments.HEADER_BYTES))
    assert isinstance(header, segments.SegmentHeader)
    return header


def open_log(directory: Path) -> WriteAheadLog:
    header = header_of(segment_paths(directory)[0])
    return WriteAheadLog.open(
        directory,
        cluster_id=header.cluster_id,
        node_id=header.node_id,
        applied_index=header.base_index,
        segment_bytes=SEGMENT_BYTES,
        must_exist=True,
    )


def read_all(log: WriteAheadLog) -> list[Entry]:
    entries: list[Entry] = []
    while log.first_index + len(entries) <= log.last_index:
        entries += log.entries(LogIndex(log.first_index + len(entries)), log.last_index, SEGMENT_BYTES)
    return entries


@every_release
@pytest.mark.parametrize("node_id", NODE_IDS)
def test_the_files_are_what_the_release_wrote(release: Release, node_id: int, tmp_path: Path) -> None:
    """Else the other tests here would show nothing."""
    directory = unpack_log(release, tmp_path, node_id)
    for path in segment_paths(directory):
        content = path.read_bytes()
        assert (content[:8], content[8]) == (segments.MAGIC, release.segment_version)
        assert content[segments.HEADER_BYTES :][:4] == b"RLR\x01" == records.MAGIC
    mark = (directory / marks.MARK_NAME).read_bytes()
    for slot in range(2):
        head = mark[slot * marks.SLOT_SPACING_BYTES :][:9]
        assert (head[:8], head[8]) == (marks.MAGIC, release.mark_version)


@every_release
@pytest.mark.parametrize("node_id", NODE_IDS)
def test_a_log_is_opened(release: Release, node_id: int, tmp_path: Path) -> None:
    """Whole, to its end, with its term and vote, which an old mark does not know."""
    log = open_log(unpack_log(release, tmp_path, node_id))
    entries = read_all(log)
    assert [entry.index for entry in entries] == list(range(log.first_index, log.last_index + 1))
    assert {entry.kind for entry in entries} <= {EntryKind.NOOP, EntryKind.DATA}
    assert log.hard_state.term >= entries[-1].term >= 1
    assert log.recovered_cut_bytes == 0
    log.close()


@every_release
@pytest.mark.parametrize("node_id", NODE_IDS)
def test_a_log_goes_on_in_the_present_format(release: Release, node_id: int, tmp_path: Path) -> None:
    """Old segments stay as they are, new ones follow, and all of it is read back."""
    directory = unpack_log(release, tmp_path, node_id)
    old = segment_paths(directory)
    log = open_log(directory)
    before = read_all(log)
    state = HardState(Term(log.hard_state.term + 1), NodeId(2))
    for index in range(log.last_index + 1, log.last_index + 2 + SEGMENT_BYTES // ENTRY_BYTES):
        log.append(state, [Entry(LogIndex(index), state.term, EntryKind.DATA, bytes(ENTRY_BYTES))])
        log.sync()
    written = read_all(log)
    assert written[: len(before)] == before
    log.close()
    versions = [header_of(path).version for path in segment_paths(directory)]
    assert versions == [release.segment_version] * len(old) + [segments.VERSION]
    log = open_log(directory)
    assert read_all(log) == written
    assert log.hard_state == state
    log.close()
    mark = (directory / marks.MARK_NAME).read_bytes()
    assert marks.VERSION in {mark[slot * marks.SLOT_SPACING_BYTES + 8] for slot in range(2)}


@every_release
def test_term_and_vote_are_found_in_the_log(release: Release, tmp_path: Path) -> None:
    """Also where the mark file, of whichever version, is gone or knows neither."""
    directory = unpack_log(release, tmp_path, 1)
    header = header_of(segment_paths(directory)[0])
    identity = LogIdentity(header.cluster_id, header.node_id)
    log = open_log(directory)
    known = log.hard_state
    log.close()
    assert salvage_hard_state(OperatingSystemFiles(), directory, identity) == known
    (directory / marks.MARK_NAME).unlink()
    assert salvage_hard_state(OperatingSystemFiles(), directory, identity) == known


@every_release
def test_damage_in_an_old_log_is_found(release: Release, tmp_path: Path) -> None:
    """The checksums of then still hold, and one that does not is no torn tail."""
    directory = unpack_log(release, tmp_path, 1)
    path = segment_paths(directory)[0]
    content = bytearray(path.read_bytes())
    content[segments.HEADER_BYTES + records.HEADER_BYTES + 4] ^= 1
    path.write_bytes(content)
    with pytest.raises(StorageCorrupt, match=path.name):
        open_log(directory)
