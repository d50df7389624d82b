"""One replica as stories have it: a machine over a real database file, its log, and the ends it may come to."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw

from machine.world import DOMAIN
from raftline.base.ids import LogIndex, NodeId
from raftline.cluster.frames import ChunkRequest, SnapshotChunk
from raftline.cluster.snapshot_fetch import Transfer
from raftline.cluster.snapshot_files import FileDigest, SnapshotFiles, read_chunk
from raftline.machine.database import open_database
from raftline.machine.machine import Machine
from raftline.machine.snapshot import SnapshotCopy, SnapshotHead, adopt
from raftline.raft.membership import NOBODY
from raftline.raft.messages import SnapshotMeta
from sim.database_files import VFS_NAME, DatabaseFiles
from wal.faulty_files import Crash

PAGE_BYTES = 4096
AMPLE_BYTES = 1 << 40

T = TypeVar("T")


class Worst(random.Random):
    """The chance by which a power failure keeps nothing that was not synced, and spoils nothing."""

    def random(self) -> float:
        return 0.0

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]  # any sequence will do
        return seq[0]

    def randint(self, a: int, b: int) -> int:
        return a


class Replica:
    """
    A replica over all its lives.

    Attributes:
        machine: None while it is down.
        durable_index: Entries up to here need not be in the log, as checkpoints have told.
        first_index: The first entry that its log holds.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        directory.mkdir()
        self.path = directory / "state"
        self._wal_path = directory / "state-wal"
        self._commits: list[bytes] = []
        self._flipped = 0
        self.snapshots = SnapshotFiles(directory)
        self.files = DatabaseFiles(Worst(), directory)
        self.machine: Machine | None = None
        self.durable_index = LogIndex(0)
        self.first_index = LogIndex(1)

    def start(self) -> Machine:
        """Open what is on the disk."""
        assert self.machine is None, "it runs"
        self.snapshots.begin()
        self.machine = Machine(self._open(), domain=DOMAIN)
        self._commits = [self._wal_path.read_bytes()]
        return self.machine

    def _open(self) -> apsw.Connection:
        return open_database(self.path, vfs=VFS_NAME)

    def end_before(self, statement: str, count: int) -> None:
        """Let the process end right before such a statement reaches SQLite."""
        left = count

        def look(_cursor: object, sql: str, _bindings: object) -> bool:
            nonlocal left
            if sql.startswith(statement):
                left -= 1
                if left == 0:
                    raise Crash
            return True

        assert self.machine is not None
        self.machine._database.exec_trace = look

    def stop(self) -> None:
        """Close as a node does; what was not committed is not there any more."""
        assert self.machine is not None
        machine, self.machine = self.machine, None
        machine.close()

    def crash(self) -> None:
        """The process ends; the kernel keeps what was written."""
        self.files.process_died(self._connection())
        self.machine = None

    def commit(self) -> None:
        """Commit, and remember what the write-ahead file holds since."""
        assert self.machine is not None
        self.machine.commit()
        self._commits.append(self._wal_path.read_bytes())

    def lose_power(self, commit_count: int, *, is_torn: bool) -> None:
        """The power goes. Of what was not synced these commits of the present life stay, and half of the next one."""
        if commit_count or is_torn:
            kept = bytearray(self._commits[commit_count])
            if is_torn:
                later = self._commits[commit_count + 1]
                places = [
                    place
                    for place, (old, new) in enumerate(zip(kept.ljust(len(later), b"\0"), later, strict=True))
                    if old != new
                ]
                middle = places[len(places) // 2]
                kept[:middle] = later[:middle]
            account = self.files._accounts[self._wal_path.name]
            account.synced(bytes(kept))
        self.files.power_failed(self._connection())
        self.machine = None

    def _connection(self) -> apsw.Connection | None:
        return None if self.machine is None else self.machine._database

    def flip(self, payload: bytes) -> None:
        """Flip a bit where the database file holds these bytes."""
        self._flipped = self.path.read_bytes().index(payload)
        self.mend()

    def mend(self) -> None:
        """Flip that bit back."""
        self.files.flip(self.path, self._flipped, 0x10)

    def install(self, part: Path, meta: SnapshotMeta) -> None:
        """Let a snapshot that has arrived take the place of the database, as a node does."""
        assert self.machine is not None
        self.snapshots.keep(part, meta)

        def open_other() -> apsw.Connection:
            adopt(self.snapshots.install_path, self.path)
            return self._open()

        self.machine.replace(open_other)
        self.snapshots.forget(meta)

    def close(self) -> None:
        """End for good."""
        if self.machine is not None:
            self.crash()
        self.files.forget()


class Copy:
    """A snapshot being made, and then on offer: its size and hash are announced as they were when it was made."""

    def __init__(self, replica: Replica, path: Path) -> None:
        self.path = path
        self._copy: SnapshotCopy | None = SnapshotCopy(replica.path, path, vfs=VFS_NAME)
        self.head: SnapshotHead = self._copy.head
        self._digest = FileDigest(path)

    def finish(self) -> None:
        """Copy all that is left, and hash it."""
        assert self._copy is not None
        try:
            while not self._copy.step():
                pass
        finally:
            self.close()
        while not self._digest.step():
            pass

    def close(self) -> None:
        """Give up, if it is not done."""
        if self._copy is not None:
            copy, self._copy = self._copy, None
            copy.close()

    def flip(self, page: int) -> None:
        """Flip a bit of it on its maker's disk."""
        content = bytearray(self.path.read_bytes())
        content[(page - 1) * PAGE_BYTES + PAGE_BYTES // 2] ^= 0x10
        self.path.write_bytes(content)

    def announce(self, index: LogIndex | None) -> SnapshotMeta:
        """Say what it is, or something else."""
        head = self.head
        return SnapshotMeta(NodeId(1), "1", index or head.applied_index, head.applied_term, NOBODY)

    def read(self, request: ChunkRequest, flipped_page: int | None) -> SnapshotChunk:
        """Hand out a part; a bit of one page may be flipped on the way."""
        data = bytearray(read_chunk(self.path, request.offset, request.size))
        place = -1 if flipped_page is None else (flipped_page - 1) * PAGE_BYTES - request.offset
        if 0 <= place < len(data):
            data[place] ^= 0x10
        return SnapshotChunk("1", self._digest.size, self._digest.value(), request.offset, bytes(data))


class Connection:
    """A connection to the maker of a snapshot: answers in the order of the requests."""

    def __init__(self, answer: Callable[[ChunkRequest], SnapshotChunk]) -> None:
        self._answer = answer
        self._asked: deque[ChunkRequest] = deque()

    def ask(self, request: ChunkRequest) -> None:
        self._asked.append(request)

    async def next_chunk(self) -> SnapshotChunk:
        return self._answer(self._asked.popleft())


class Chores:
    """Runs functions that block at once."""

    async def aside(self, function: Callable[[], T]) -> T:
        return function()

    async def rest(self, byte_count: int = 0) -> None:
        """Go on at once: nobody else is there."""


def fetch(copy: Copy, part: Path, meta: SnapshotMeta, flipped_page: int | None) -> None:
    """
    Fetch a snapshot and verify it, as a node does.

    Raises:
        SnapshotGone: It is not what was announced.
    """
    connection = Connection(partial(copy.read, flipped_page=flipped_page))

    async def run() -> None:
        transfer = Transfer(meta, part, cast("Any", Chores()))
        await transfer.run(cast("Any", connection), lambda: True)
        await transfer.verify()

    part.unlink(missing_ok=True)
    asyncio.run(run())
