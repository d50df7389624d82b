"""Damage is found for what it is, by the real log and database, and never taken for what was written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.machine.commands import Command, CreateAccount, encode_command
from raftline.machine.database import checkpoint, open_database
from raftline.machine.entry import encode_entry
from raftline.machine.machine import Machine
from raftline.raft.messages import Entry, EntryKind, HardState
from raftline.wal.log import WriteAheadLog
from sim.damage import KINDS, damage
from sim.database_files import VFS_NAME
from sim.disk import SimulatedDisk
from sim.scheduler import Scheduler

ENTRY_COUNT = 80


class Node:
    """A disk with a log of some segments, and a database."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.disk = SimulatedDisk(Scheduler(), self.chance, directory)
        self.path = directory / "state.db"
        self.directory = directory / "log"
        self.written = [self.chance.randbytes(self.chance.randrange(1, 2000)) for _ in range(ENTRY_COUNT)]
        log = self.open_log(must_exist=False)
        for index, payload in enumerate(self.written, start=1):
            entry = Entry(LogIndex(index), Term(1), EntryKind.DATA, payload)
            log.append(HardState(Term(1), None), [entry])
            log.sync()
        log.close()
        machine = self.open_machine()
        for number in range(1, 40):
            action = CreateAccount(f"account{number}", ())
            command = encode_command(Command(NodeId(1), 1, number, bytes(16), None, action))
            machine.apply(LogIndex(number), Term(1), encode_entry(1, [command]))
        machine.commit()
        checkpoint(self.path, vfs=VFS_NAME)
        machine.close()

    def open_log(self, *, must_exist: bool = True) -> WriteAheadLog:
        return WriteAheadLog.open(
            self.directory,
            cluster_id="c",
            node_id=NodeId(1),
            applied_index=LogIndex(0),
            files=self.disk.files,
            segment_bytes=32 << 10,
            must_exist=must_exist,
        )

    def open_machine(self) -> Machine:
        return Machine(open_database(self.path, vfs=VFS_NAME), domain="example.test")

    def read_log(self) -> list[bytes]:
        log = self.open_log()
        try:
            return [entry.payload for entry in log.entries(log.first_index, log.last_index, 1 << 30)]
        finally:
            log.close()

    def read_database(self) -> tuple[bytes, ...]:
        machine = self.open_machine()
        try:
            return (machine.state_hash, *(machine.scrub_digest(table) for table in machine.scrub_tables))
        finally:
            machine.close()

    def close(self) -> None:
        self.disk.database.forget()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "flip database"])
def test_a_damaged_log_is_refused_or_whole(kind: str, tmp_path: Path) -> None:
    """What is read is what was written, to its end, or else it is called corrupt. Most damage is."""
    refused = done = 0
    for seed in range(12):
        directory = tmp_path / str(seed)
        directory.mkdir()
        node = Node(directory, seed)
        assert node.read_log() == node.written
        if KINDS[kind](node.disk, node.chance):
            done += 1
            try:
                assert node.read_log() == node.written
            except StorageCorrupt:
                refused += 1
        node.close()
    assert done > 8
    assert refused > done // 3


def test_a_damaged_database_is_refused_or_whole(tmp_path: Path) -> None:
    """A page whose checksum does not hold is an error when it is read, never an answer."""
    refused = 0
    for seed in range(12):
        directory = tmp_path / str(seed)
        directory.mkdir()
        node = Node(directory, seed)
        whole = node.read_database()
        assert KINDS["flip database"](node.disk, node.chance)
        try:
            assert node.read_database() == whole
        except StorageError:
            refused += 1
        node.close()
    assert refused > 4


def test_a_damaged_byte_outlives_a_power_failure(tmp_path: Path) -> None:
    """It is on the disk, not in the kernel's memory alone."""
    node = Node(tmp_path, 1)
    before = {path: node.disk.files.content(path) for path in node.disk.files._names}
    assert KINDS["flip"](node.disk, node.chance)
    node.disk.power_failed(None)
    changed = [path for path, content in before.items() if node.disk.files.content(path) != content]
    assert len(changed) == 1
    node.close()


def test_what_was_done_is_told(tmp_path: Path) -> None:
    """Whatever is drawn; on an empty disk, nothing."""
    node = Node(tmp_path, 2)
    assert all(damage(node.disk, node.chance) for _ in range(5))
    node.close()
    empty = tmp_path / "empty"
    empty.mkdir()
    disk = SimulatedDisk(Scheduler(), random.Random(1), empty)
    assert damage(disk, random.Random(1)) == ""
    disk.database.forget()
