"""
The disk of one simulated node: the log's files in memory, the database's in a directory of tmpfs, one space for both.

Log and ballast lie on a `FaultyFiles`; what a power failure leaves of them is told there. The database is a real file,
because SQLite reads it; `database_files` keeps account of what of it is durable. Here is what both share: how long
things take, how much space there is, when it fails, and what a death leaves.

    stalled_until_ns            nothing finishes before
    squeeze, give_space         others write to the disk until so many bytes are free
    fail_log, fail_database     the next operation of a kind fails; the process must end
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import apsw

from sim.database_files import DatabaseFiles
from sim.scheduler import MICROSECOND_NS, MILLISECOND_NS, Scheduler
from wal.faulty_files import Crash, FaultyFiles

CAPACITY_BYTES: Final = 1 << 40


class LogFiles(FaultyFiles):
    """
    The file system as the log sees it.

    Attributes:
        is_cut_off: The process that used it dies with the present callback, and writes nothing any more.
    """

    def __init__(self, chance: random.Random, database: DatabaseFiles) -> None:
        super().__init__(chance, CAPACITY_BYTES)
        self._database = database
        self.is_cut_off = False

    def begin(self, operation: str, path: Path) -> None:
        """As FaultyFiles does, unless the process is dying."""
        if self.is_cut_off:
            raise Crash
        super().begin(operation, path)

    def free_bytes(self, directory: Path) -> int:
        """Return what is free; the database takes its part."""
        return super().free_bytes(directory) - self._database.size_bytes()


class SimulatedDisk:
    """
    What a node has on disk, over all its lives.

    Args:
        directory: Of the node; exists, for the database. The log's files have names in it.

    Attributes:
        files: For the log and the ballast.
        database: For the database.
        sync_ns_max: Syncs take up to so long.
        stall_share, stall_ns_max: This share of syncs takes up to so much longer.
        stalled_until_ns: Nothing finishes before.
        may_fail: A fault was armed in this life: a process that ends for it does right.
    """

    def __init__(self, scheduler: Scheduler, chance: random.Random, directory: Path) -> None:
        self._scheduler = scheduler
        self._chance = chance
        self.database = DatabaseFiles(random.Random(chance.randrange(1 << 60)), directory)
        self.files = LogFiles(random.Random(chance.randrange(1 << 60)), self.database)
        self.database.free_bytes = lambda: self.files.free_bytes(directory)
        self.sync_ns_max = 2 * MILLISECOND_NS
        self.stall_share = 0.0
        self.stall_ns_max = 0
        self.stalled_until_ns = 0
        self.may_fail = False

    # Time

    def draw_sync(self) -> int:
        """Draw how long a sync takes, begun now."""
        duration_ns = self._chance.randrange(20 * MICROSECOND_NS, self.sync_ns_max)
        if self.stall_share and self._chance.random() < self.stall_share:
            duration_ns += self._chance.randrange(self.stall_ns_max)
        return max(self._scheduler.now_ns + duration_ns, self.stalled_until_ns) - self._scheduler.now_ns

    # Space

    def squeeze(self, free_bytes: int) -> None:
        """Let others take the space but for this; a database that finds none ends its process, as it should."""
        files = self.files
        taken_bytes = files.capacity_bytes - files.free_bytes(self.database.directory)
        files.capacity_bytes = taken_bytes + free_bytes
        self.database.is_tight = True

    def give_space(self) -> None:
        """Let there be space again."""
        self.files.capacity_bytes = CAPACITY_BYTES
        self.database.is_tight = False

    # Errors

    def fail_log(self, operation: str) -> None:
        """Let the next `pwrite` or `fdatasync` of the log fail."""
        self.may_fail = True
        self.files.fail(operation)

    def fail_database(self, operation: str) -> None:
        """Let the next `write`, `sync` or `read` of the database fail."""
        self.may_fail = True
        self.database.armed = operation

    def disarm(self) -> None:
        """Forget what was to fail."""
        self.files._faults.clear()
        self.database.armed = ""

    # Deaths

    def cut_off(self) -> None:
        """The process is dying: what its present callback still writes is not written."""
        self.files.is_cut_off = True
        self.database.is_cut_off = True

    def process_died(self, connection: apsw.Connection | None) -> None:
        """The kernel keeps what was written."""
        self._between_lives()
        self.database.process_died(connection)
        self.files.process_death()

    def power_failed(self, connection: apsw.Connection | None) -> bool:
        """Only what was synced is certain; return whether the log had anything that was not."""
        self._between_lives()
        had_unsynced = any(inode.dirty for inode in self.files._names.values())
        self.database.power_failed(connection)
        self.files.power_failure()
        return had_unsynced

    def _between_lives(self) -> None:
        self.files.is_cut_off = False
        self.may_fail = False
