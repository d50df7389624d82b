"""
Looking through the data of a node that is stopped, and through those of a whole cluster. Nothing is changed.

    identity    it can be read
    repair      nothing is known to be damaged
    database    every page that is in use has the bytes that were written (checksums), SQLite's structures are whole
    log         every record has the bytes that were written and continues the chain; it is as long as its mark says
    both        the log goes on where the database has come to, and was of the same mind there
    nodes       where two have applied as much, state hash and entry chain are equal; committed entries are the same

A database whose write-ahead file was not moved yet (the node was killed) is copied aside and opened there, since SQLite
cannot read the two without writing.
"""

from __future__ import annotations

import hashlib
import shutil
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from raftline.base.errors import RemoteProtocolError, StorageCorrupt, StorageError
from raftline.base.ids import LogIndex
from raftline.cluster.identity import Identity, read_identity
from raftline.cluster.repair import read_note
from raftline.cluster.snapshot_files import SnapshotFiles
from raftline.cluster.storage import DATABASE_FILE, LOG_DIRECTORY, snapshot_mark
from raftline.machine.database import open_database
from raftline.machine.entry import decode_entry
from raftline.machine.inspection import inspect
from raftline.machine.snapshot import SnapshotHead
from raftline.raft.messages import Entry, EntryKind
from raftline.wal.log import WriteAheadLog
from raftline.wal.read_only import ReadOnlyFiles

READ_BYTES: Final = 4 << 20
"""How much of a log is read at a time."""

Told = Callable[[int], object]
"""Takes a count of bytes."""


class Findings(msgspec.Struct):
    """
    What was seen of a node's data.

    Attributes:
        complaints: What is wrong; empty for nothing.
        head: How far the database has come; None if there is none, or it cannot be read.
        row_count: Rows of replicated tables.
        first_index, last_index: Of the log; 0 and 0 if it cannot be read.
        digests: Of each entry of the log, from the first; for comparison.
    """

    data_dir: Path
    node_id: int = 0
    cluster_id: str = ""
    head: SnapshotHead | None = None
    row_count: int = 0
    first_index: int = 0
    last_index: int = 0
    digests: array[int] = msgspec.field(default_factory=lambda: array("Q"))
    complaints: list[str] = msgspec.field(default_factory=list)


def bytes_to_verify(data_dir: Path) -> int:
    """Return about how many bytes `verify_node` reads: those of the database and of the log's files."""
    files = [data_dir / DATABASE_FILE, *(data_dir / LOG_DIRECTORY).glob("*")]
    return sum(file.stat().st_size for file in files if file.is_file())


def verify_node(data_dir: Path, scratch: Path, told: Told = lambda _count: None) -> Findings:
    """
    Read all that a stopped node keeps.

    Args:
        scratch: An empty directory, for a copy of the database if one is needed.
        told: Called with how many of `bytes_to_verify` were read since the last call.

    Raises:
        StorageError: There is nothing, a later release wrote it, or the disk failed.
    """
    findings = Findings(data_dir)
    try:
        identity = read_identity(data_dir)
    except StorageCorrupt as error:
        findings.complaints.append(str(error))
        return findings
    if identity is None:
        raise StorageError(f"{data_dir} holds no node's data")
    findings.node_id, findings.cluster_id = identity.node_id, identity.cluster_id
    try:
        note = read_note(data_dir)
    except StorageCorrupt as error:
        findings.complaints.append(str(error))
        return findings
    if note is not None:
        findings.complaints.append(f"{data_dir} was damaged before, and is not repaired yet: {note.reason}")
    _verify_database(findings, scratch)
    database = data_dir / DATABASE_FILE
    database_size = database.stat().st_size if database.exists() else 0
    told(database_size)
    if identity.has_begun or (data_dir / LOG_DIRECTORY).exists():
        _verify_log(findings, identity)
        told(bytes_to_verify(data_dir) - database_size)
    return findings


def _verify_database(findings: Findings, scratch: Path) -> None:
    path = findings.data_dir / DATABASE_FILE
    if not path.exists():
        return
    write_ahead = path.with_name(f"{DATABASE_FILE}-wal")
    try:
        if write_ahead.exists() and write_ahead.stat().st_size:
            path = _joined(path, write_ahead, scratch)
    except StorageCorrupt as error:
        findings.complaints.append(f"{findings.data_dir / DATABASE_FILE}: {error}")
        return
    seen = inspect(path)
    findings.head, findings.row_count = seen.head, seen.row_count
    findings.complaints += [f"{findings.data_dir / DATABASE_FILE}: {complaint}" for complaint in seen.complaints]


def _joined(path: Path, write_ahead: Path, scratch: Path) -> Path:
    """Return a copy of the database with what its write-ahead file holds."""
    copy = scratch / path.name
    for source in (path, write_ahead):
        shutil.copyfile(source, scratch / source.name)
    # As a start does it; the last connection that closes moves everything into the database.
    open_database(copy).close()
    return copy


def _verify_log(findings: Findings, identity: Identity) -> None:
    head = findings.head
    directory = findings.data_dir / LOG_DIRECTORY
    try:
        snapshot = SnapshotFiles(findings.data_dir).kept()
        log = WriteAheadLog.open(
            directory,
            cluster_id=identity.cluster_id,
            node_id=identity.node_id,
            applied_index=LogIndex(0) if head is None else head.applied_index,
            files=ReadOnlyFiles(),
            recent_bytes_max=0,
            snapshot=snapshot_mark(snapshot),
            must_exist=True,
        )
    except StorageCorrupt as error:
        findings.complaints.append(str(error))
        return
    try:
        findings.first_index, findings.last_index = log.first_index, log.last_index
        _verify_entries(findings, log)
        if head is not None and head.applied_index:
            term = log.term_at(head.applied_index)
            if term is not None and term != head.applied_term:
                findings.complaints.append(
                    f"{directory}: entry {head.applied_index} is of term {term}, the database has applied one of"
                    f" term {head.applied_term}"
                )
    except StorageCorrupt as error:
        findings.complaints.append(str(error))
    finally:
        log.close()


def _verify_entries(findings: Findings, log: WriteAheadLog) -> None:
    index = log.first_index
    while index <= log.last_index:
        for entry in log.entries(index, log.last_index, READ_BYTES):
            findings.digests.append(_digest(entry))
            if entry.kind is EntryKind.DATA:
                try:
                    decode_entry(entry.payload)
                except RemoteProtocolError as error:
                    findings.complaints.append(f"{findings.data_dir / LOG_DIRECTORY}: entry {entry.index}: {error}")
            index = LogIndex(entry.index + 1)


def _digest(entry: Entry) -> int:
    content = entry.term.to_bytes(8) + bytes((entry.kind,)) + entry.payload
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


def compare(nodes: list[Findings]) -> list[str]:
    """Return where nodes of one cluster contradict each other."""
    complaints = []
    for number, one in enumerate(nodes):
        for other in nodes[number + 1 :]:
            complaints += _compare_two(one, other)
    return complaints


def _compare_two(one: Findings, other: Findings) -> list[str]:
    names = f"node {one.node_id} and node {other.node_id}"
    if one.cluster_id != other.cluster_id:
        return [f"{names} are of different clusters"]
    if one.head is None or other.head is None:
        return []
    complaints = []
    if one.head.applied_index == other.head.applied_index and (
        (one.head.state_hash, one.head.entry_chain) != (other.head.state_hash, other.head.entry_chain)
    ):
        complaints.append(f"{names} have applied entry {one.head.applied_index} and differ in their state")
    committed_index = min(one.head.applied_index, other.head.applied_index)
    for index in range(max(one.first_index, other.first_index, 1), committed_index + 1):
        if one.digests[index - one.first_index] != other.digests[index - other.first_index]:
            complaints.append(f"{names} differ in entry {index} of their logs, which both have applied")
            break
    return complaints
