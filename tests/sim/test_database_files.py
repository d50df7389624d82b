"""What deaths leave of a real SQLite database on a simulated disk, and what its errors become."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from raftline.base.errors import StorageError, StorageFull
from raftline.base.ids import LogIndex, Term
from raftline.machine.database import checkpoint, open_database
from raftline.machine.machine import Machine
from sim.database_files import VFS_NAME, DatabaseFiles

DOMAIN = "example.test"


class Life:
    """The machine of a node over its lives."""

    def __init__(self, directory: Path, seed: int = 1) -> None:
        self.files = DatabaseFiles(random.Random(seed), directory)
        self.path = directory / "state.db"
        self.open()

    def open(self) -> None:
        self.machine = Machine(open_database(self.path, vfs=VFS_NAME), domain=DOMAIN)

    def apply(self, count: int, *, commit: bool = True) -> None:
        for _ in range(count):
            self.machine.apply_empty(LogIndex(self.machine.applied_index + 1), Term(1))
            if commit:
                self.machine.commit()

    def die(self, *, power: bool) -> int:
        """Return how far the next life finds the database."""
        end = self.files.power_failed if power else self.files.process_died
        end(self.machine._database)
        self.open()
        return self.machine.applied_index

    def close(self) -> None:
        self.machine.close()
        self.files.forget()


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    node = Life(tmp_path)
    yield node
    node.close()


def test_process_death_keeps_what_was_committed(life: Life) -> None:
    """In the write-ahead file, which closing the dead connection must not move; an open transaction is gone."""
    life.apply(5)
    life.apply(3, commit=False)
    assert life.die(power=False) == 5
    assert life.path.with_name("state.db-wal").stat().st_size > 0


def test_a_connection_of_a_dead_life_harms_nothing(life: Life) -> None:
    """Whenever it is closed: it can neither checkpoint nor remove the files of the next one."""
    life.apply(5)
    stale = open_database(life.path, vfs=VFS_NAME)
    assert life.die(power=False) == 5
    life.apply(5)
    stale.close()
    assert life.path.with_name("state.db-wal").exists()
    assert life.die(power=False) == 10


@pytest.mark.parametrize("seed", range(12))
def test_power_failure_keeps_what_a_checkpoint_synced(tmp_path: Path, seed: int) -> None:
    """At least, and a prefix of what came after; SQLite never finds a mixture."""
    life = Life(tmp_path, seed)
    chance = random.Random(seed)
    for _ in range(5):
        life.apply(chance.randrange(20))
        result = checkpoint(life.path, vfs=VFS_NAME)
        synced = result.durable_index
        assert synced == life.machine.applied_index
        life.apply(chance.randrange(20))
        reached = life.machine.applied_index
        assert synced <= life.die(power=True) <= reached
        assert life.machine._database.pragma("integrity_check") == "ok"
    life.close()


def test_power_failure_loses_something_now_and_then(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    lost = 0
    for seed in range(12):
        directory = tmp_path / str(seed)
        directory.mkdir()
        life = Life(directory, seed)
        checkpoint(life.path, vfs=VFS_NAME)
        life.apply(20)
        lost += life.die(power=True) < 20
        life.close()
    assert lost > 2


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_errors_of_the_disk_are_storage_errors(life: Life, operation: str) -> None:
    """Of the transaction, or of the checkpoint that syncs."""
    life.apply(3)
    life.files.armed = operation
    work = {"write": lambda: life.apply(1), "sync": lambda: checkpoint(life.path, vfs=VFS_NAME)}
    with pytest.raises(StorageError):
        work[operation]()
    assert life.die(power=False) == 3


def test_no_space_for_a_transaction(life: Life) -> None:
    """SQLite says that the disk is full; the next life goes on from what was committed."""
    life.apply(3)
    life.files.is_tight, life.files.free_bytes = True, lambda: 0
    with pytest.raises(StorageFull):
        life.apply(1)
    life.files.is_tight = False
    assert life.die(power=False) == 3


def test_a_dying_process_writes_nothing(life: Life) -> None:
    """What its last callback commits is not there afterwards."""
    life.apply(3)
    life.files.is_cut_off = True
    with pytest.raises(StorageError):
        life.apply(1)
    assert life.die(power=False) == 3
    life.apply(1)
