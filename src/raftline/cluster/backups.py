"""
A node's side of a backup: a copy of its database, made while it serves, and handed out in chunks.

    nothing ──begin──▶ copying ──▶ ready ──end, or nobody asked for a minute──▶ nothing
                          └──▶ failed ──────────────────────────────────────────┘

One at a time: the copy takes as much of the disk as the database. It is the state at one position of the log, the same
on every node that has applied so much; any node makes it, without the leader.

Uploaded files are parts of their own (`backup_file`), read from where the node keeps them; what it lacks it fetches
from its peers first. A file that no peer has does not keep a backup from being made: it is named as missing. Files that
nobody refers to any more stay for hours (cluster/media), so those of the copy are there as long as it is read.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from raftline.base.errors import Refused, StorageFull, Unavailable
from raftline.cluster.backup_file import MEDIA_PREFIX, STATE_PART, Part
from raftline.cluster.config import MILLISECOND_NS
from raftline.cluster.snapshot_files import FileDigest, SnapshotFiles, read_chunk
from raftline.machine.snapshot import SnapshotHead, stored_files

if TYPE_CHECKING:
    from raftline.cluster.apply_loop import ApplyLoop
    from raftline.cluster.chores import Chores
    from raftline.cluster.database_copy import DatabaseCopies
    from raftline.cluster.storage import NodeStorage

_LOG: Final = logging.getLogger(__name__)

CHUNK_BYTES_MAX: Final = 1 << 20
IDLE_NS: Final = 60_000 * MILLISECOND_NS
"""A backup that nobody has asked about for so long is removed."""

State = Literal["copying", "ready", "failed"]


class UploadedFiles(Protocol):
    """What a backup asks of the files that a node keeps (`media.Media`)."""

    async def ensure(self, digest: bytes, size: int) -> None:
        """Return when the file is on this node's disk; raises Unavailable if no node can be reached that has it."""

    async def read(self, digest: bytes, offset: int, size: int) -> bytes:
        """Return a part of a file that is here; fewer bytes only where it ends."""


class Backup(msgspec.Struct, eq=False):
    """
    A backup of this node.

    Attributes:
        name: Drawn for it.
        expected_bytes: Size of the database when it began: about what the copy will have.
        reason: Why it failed.
        head: What it contains, once it is ready.
        parts: What it consists of, by name and in order, once it is ready.
        missing: SHA-256 of uploaded files that are none of them, since no node had them.
    """

    name: str
    path: Path
    expected_bytes: int
    state: State = "copying"
    reason: str = ""
    head: SnapshotHead | None = None
    parts: dict[str, Part] = {}
    missing: tuple[str, ...] = ()

    @property
    def copied_bytes(self) -> int:
        """How much of it there is."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


class Backups:
    """
    Makes a backup and hands it out.

    Args:
        has_room_for: Whether the disk takes so many bytes, and the node takes commands as before.
        draw_name: Gives a name that this node never gave before.

    Attributes:
        files: The node's uploaded files; None for a node that keeps none.
    """

    def __init__(
        self,
        storage: NodeStorage,
        copies: DatabaseCopies,
        apply: ApplyLoop,
        chores: Chores,
        *,
        has_room_for: Callable[[int], bool],
        draw_name: Callable[[], str],
        now_ns: Callable[[], int],
    ) -> None:
        self._settings = storage.settings
        self._files = SnapshotFiles(storage.settings.data_dir)
        self._copies = copies
        self._apply = apply
        self._chores = chores
        self._has_room_for = has_room_for
        self._draw_name = draw_name
        self._now_ns = now_ns
        self._current: Backup | None = None
        self._asked_ns = 0
        self.files: UploadedFiles | None = None

    def begin(self) -> Backup:
        """
        Begin to copy; what this node has applied by now is part of the copy.

        Raises:
            Refused: Another one is being made or read, or the disk has no room for it.
        """
        if self._current is not None and self._current.state != "failed":
            raise Refused("resource-constraint", "wait", "Another backup is under way on this node.")
        path = self._settings.database_path
        size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if not file.name.endswith("-shm"))
        if not self._has_room_for(size):
            raise Refused(
                "resource-constraint",
                "wait",
                f"The disk of this node has no room for a copy of {size} bytes; ask another node.",
            )
        name = self._draw_name()
        current = self._current = Backup(name, self._files.out_path(f"backup-{name}"), size)
        self._asked_ns = self._now_ns()
        self._chores.begin(self._make(current), "backup")
        return current

    def find(self, name: str) -> Backup:
        """
        Return a backup.

        Raises:
            Refused: `item-not-found`: there is none of that name any more.
        """
        current = self._current
        if current is None or current.name != name:
            raise Refused("item-not-found", "cancel", "This node has no such backup any more: begin another one.")
        self._asked_ns = self._now_ns()
        return current

    async def chunk(self, name: str, part: str, offset: int, size: int) -> bytes:
        """
        Return bytes of a part; fewer than asked for only where it ends.

        Raises:
            Refused: There is no such backup or part, it is not ready, or the range is none.
        """
        current = self.find(name)
        if current.state != "ready" or part not in current.parts:
            raise Refused("item-not-found", "cancel", "The backup has no such part, or is not ready.")
        if not 0 < size <= CHUNK_BYTES_MAX or offset < 0:
            raise Refused("bad-request", "modify", f"{size} bytes at {offset}: at most {CHUNK_BYTES_MAX} at once.")
        if part == STATE_PART:
            return await self._chores.aside(partial(read_chunk, current.path, offset, size))
        assert self.files is not None, "there are parts of files"
        return await self.files.read(bytes.fromhex(part.removeprefix(MEDIA_PREFIX)), offset, size)

    async def end(self, name: str) -> None:
        """
        Remove a backup that was read, or give up one that is being made.

        Raises:
            Refused: There is none of that name.
        """
        await self._drop(self.find(name))

    async def _make(self, current: Backup) -> None:
        head: SnapshotHead | None = None
        parts: list[Part] = []
        try:
            async with self._copies.idle:
                # Close the transaction that is open: the copy sees what is committed to the database.
                self._apply.pause()
                self._apply.resume()
                head = await self._copies.make(current.path, lambda: current is self._current)
            if head is not None:
                parts = [await self._digest(current.path), *await self._find_files(current)]
        except StorageFull as error:
            _LOG.warning("no backup for now: %s", error)
            current.reason = "The disk of this node has no space for it."
        if not parts or current is not self._current:
            current.state = "failed"
            current.reason = current.reason or "The node gave it up."
            await self._chores.aside(partial(self._files.remove, current.path))
            return
        current.parts = {part.name: part for part in parts}
        current.head, current.state = head, "ready"
        self._asked_ns = self._now_ns()
        _LOG.info("backup %s is ready, %d bytes and %d files", current.name, parts[0].size, len(parts) - 1)

    async def _find_files(self, current: Backup) -> list[Part]:
        """Return the parts of the files that the copy knows, each of which is on this node's disk then."""
        if self.files is None:
            return []
        parts: list[Part] = []
        missing: list[str] = []
        for stored in await self._chores.aside(partial(stored_files, current.path)):
            if current is not self._current:
                break
            name = stored.digest.hex()
            try:
                await self.files.ensure(stored.digest, stored.size)
            except Unavailable:
                missing.append(name)
            else:
                parts.append(Part(f"{MEDIA_PREFIX}{name}", stored.size, name))
        if missing:
            _LOG.warning("%d uploaded files are nowhere and in no backup: %s…", len(missing), missing[0])
        current.missing = tuple(missing)
        return parts

    async def _digest(self, path: Path) -> Part:
        digest = FileDigest(path, hashlib.sha256())
        while not await self._chores.aside(digest.step):
            await self._chores.rest()
        return Part(STATE_PART, digest.size, digest.value().hex())

    def keep_house(self, now_ns: int) -> None:
        """Remove a backup that nobody asks for any more."""
        current = self._current
        if current is not None and current.state != "copying" and now_ns - self._asked_ns >= IDLE_NS:
            self._chores.begin(self._drop(current), "backup removed")

    async def _drop(self, current: Backup) -> None:
        if self._current is current:
            self._current = None
        await self._chores.aside(partial(self._files.remove, current.path))
