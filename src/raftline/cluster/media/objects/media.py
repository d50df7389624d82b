"""
Uploaded files as the door offers them, kept in a bucket.

What arrives lies on this node's disk until the store has acknowledged it as a whole; what breaks off leaves nothing
but, where the store was in the midst of a large file, parts that no name refers to (docs/media.md tells operators how
such are cleared away). Files that lie on the disk from before, or from a backup, are moved into the bucket: when the
node starts, or when somebody asks for one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Stopping, StorageError, Unavailable
from raftline.cluster.execution import execute
from raftline.cluster.media.describing.describing import Describing
from raftline.cluster.media.library import Library
from raftline.cluster.media.metrics import MediaMetrics
from raftline.cluster.media.objects.bucket import Bucket
from raftline.cluster.media.objects.upkeep import Upkeep
from raftline.cluster.media.store import SHELVES, MediaStore
from raftline.machine.media.queries import StoredAmong

if TYPE_CHECKING:
    from raftline.cluster.chores import Chores
    from raftline.cluster.driver import Driver
    from raftline.cluster.media.store import Draft
    from raftline.cluster.storage import NodeStorage

_LOG: Final = logging.getLogger(__name__)

WINDOW_BYTES: Final = 1 << 20
"""Asked for at once; all of a file that is in memory for one reader."""

NAME_COUNT_MAX: Final = 10_000
"""Names of objects that are remembered, so that not each reader needs a listing."""

MOVE_SECONDS: Final = 60.0
"""Between two tries to move what lies on the disk."""

_CHANCE_BYTES: Final = 8


class ObjectMedia:
    """
    The uploaded files of a node whose cluster keeps them in a bucket.

    Args:
        entropy: Draws names.
        chores: Run what goes on in the background; a task that fails ends the node.

    Raises:
        StorageError: The disk failed, or the library is not installed.
    """

    def __init__(
        self, driver: Driver, storage: NodeStorage, bucket: Bucket, chores: Chores, entropy: Callable[[int], bytes]
    ) -> None:
        self._driver = driver
        self._entropy = entropy
        self._names: dict[bytes, str] = {}
        self._moving = asyncio.Lock()
        self._draft_count = 0
        self._is_stopped = False
        self.kept_count = 0
        self.bucket = bucket
        store = MediaStore(storage.settings.data_dir, draw_name=self._draw_draft, disk=storage.disk)
        store.begin()
        self.library = Library(store, storage.machine)
        self.upkeep = Upkeep(bucket, storage.machine, is_leader=self._is_leader)
        self.describing = Describing(
            self, storage.machine, execute=lambda action: execute(driver, action, None), is_leader=self._is_leader
        )
        chores.begin(self.upkeep.run(), "object upkeep")
        chores.begin(self._move(), "files that move into the bucket")
        chores.begin(self.describing.run(), "media descriptions")
        chores.begin(self.describing.run_rounds(), "media descriptions of others")

    def _draw_draft(self) -> str:
        self._draft_count += 1
        return str(self._draft_count)

    def _is_leader(self) -> bool:
        return self._driver.leader_id == self._driver.node_id

    @property
    def time_ms(self) -> int:
        """Cluster time, as far as this replica has come."""
        return self._driver.machine.cluster_time_ms

    # What edges ask for

    async def begin(self, size: int) -> ObjectDraft:
        """See `node.door.Files`."""
        if self._is_stopped:
            raise Stopping("this node is shutting down")
        return ObjectDraft(self, await self.library.aside(partial(self.library.store.new_draft, size)))

    async def ensure(self, digest: bytes, size: int) -> None:
        """See `node.door.Files`."""
        await self._name_of(digest, size)

    async def read(self, digest: bytes, offset: int, size: int) -> bytes:
        """See `node.door.Files`."""
        name = self._names.get(digest)
        if name is None:
            found = await self.bucket.find(digest)
            if not found:
                raise StorageError(f"the object store has no file {digest.hex()} any more")
            name = found[0].name
        try:
            return await self.bucket.read(name, offset, size)
        except FileNotFoundError as error:
            self._names.pop(digest, None)
            raise StorageError(f"the object {name} is not there any more") from error

    async def stream(self, digest: bytes, size: int, start: int, end: int) -> AsyncIterator[bytes]:
        """See `node.door.Files`. Of a whole file the last window is held back until the hash is right."""
        check = hashlib.sha256() if (start, end) == (0, size) else None
        for offset in range(start, end, WINDOW_BYTES):
            count = min(WINDOW_BYTES, end - offset)
            await self._name_of(digest, size)
            data = await self.read(digest, offset, count)
            if len(data) != count:
                raise StorageError(f"the object of {digest.hex()} ends at {offset + len(data)}, not at {size}")
            if check is not None:
                check.update(data)
                if offset + count == end and check.digest() != digest:
                    _LOG.error("uploaded file %s is damaged in the object store: its end is withheld", digest.hex())
                    self.upkeep.damaged_count += 1
                    raise StorageError(f"the object of {digest.hex()} has another hash")
            yield data

    def describe(self, digest: bytes, size: int) -> None:
        """See `node.door.Files`."""
        self.describing.begin(digest, size)

    # What is asked for to look into files

    @asynccontextmanager
    async def on_disk(self, digest: bytes, size: int) -> AsyncIterator[Path]:
        """See `describing.LookedInto`."""
        draft = await self.begin(size)
        try:
            async for data in self.stream(digest, size, 0, size):
                await draft.write(data)
            yield draft.path
        finally:
            await draft.discard()

    async def store(self, content: bytes) -> bytes:
        """See `describing.LookedInto`."""
        draft = await self.begin(len(content))
        try:
            await draft.write(content)
            return await draft.keep()
        finally:
            await draft.discard()

    # Names of objects

    async def put(self, digest: bytes, size: int, path: Path) -> None:
        """
        Put a file, unless it is there and the state refers to it, so that it stays.

        Raises:
            Unavailable: The store did not acknowledge it.
        """
        if self._driver.machine.answer(StoredAmong((digest,))) and await self._look_for(digest, size):
            return
        self._remember(digest, await self.bucket.put(digest, self._entropy(_CHANCE_BYTES).hex(), path))

    async def _name_of(self, digest: bytes, size: int) -> str:
        name = self._names.get(digest) or await self._look_for(digest, size)
        if name is None:
            await self._move_one(digest, size)
            name = await self._look_for(digest, size)
        if name is None:
            _LOG.error("uploaded file %s is not in the object store", digest.hex())
            raise Unavailable("the object store has no such file")
        return name

    async def _look_for(self, digest: bytes, size: int) -> str | None:
        name = next((stored.name for stored in await self.bucket.find(digest) if stored.size == size), None)
        if name is None:
            self._names.pop(digest, None)
        else:
            self._remember(digest, name)
        return name

    def _remember(self, digest: bytes, name: str) -> None:
        while len(self._names) >= NAME_COUNT_MAX:
            del self._names[next(iter(self._names))]
        self._names[digest] = name

    # Files on this node's disk

    async def _move(self) -> None:
        """Move what lies on the disk into the bucket, until nothing does, or the node is stopped."""
        while True:
            try:
                if not await self._move_all():
                    return
            except (Unavailable, StorageError) as error:
                _LOG.warning("files on this disk are not moved into the object store for now: %s", error)
            await asyncio.sleep(MOVE_SECONDS)

    async def _move_all(self) -> bool:
        """Move what is referred to, and return whether there is anything left."""
        library, is_left = self.library, False
        for shelf in SHELVES:
            for digest in await library.aside(partial(library.store.on_shelf, shelf)):
                size = await library.aside(partial(library.store.size_of, digest))
                is_referred = bool(self._driver.machine.answer(StoredAmong((digest,))))
                if size is not None and is_referred:
                    await self._move_one(digest, size)
                elif not await library.delete_if_unreferred(digest):
                    is_left = True
        return is_left

    async def _move_one(self, digest: bytes, size: int) -> bool:
        """Move a file of this disk into the bucket; say whether it was there. One that is damaged is set aside."""
        library = self.library
        async with self._moving:
            if await library.aside(partial(library.store.size_of, digest)) != size:
                return False
            path = library.store.path_of(digest)
            if await library.aside(partial(_hash_of, path)) != digest:
                _LOG.error("uploaded file %s is damaged on this node's disk: not moved", digest.hex())
                await library.aside(partial(library.store.set_aside, digest))
                return False
            await self.put(digest, size, path)
            await library.aside(partial(library.store.delete, digest))
            return True

    async def stop(self) -> None:
        """Give up what is under way; the tasks of the background have ended already."""
        self._is_stopped = True
        await self.library.stop()

    def metrics(self) -> MediaMetrics:
        """Return the figures as they are now."""
        return MediaMetrics(
            kept_count=self.kept_count,
            missing_count=self.upkeep.missing_count,
            deleted_count=self.upkeep.deleted_count,
            damaged_count=self.upkeep.damaged_count,
            described_count=self.describing.described_count,
            undescribable_count=self.describing.failure_count,
        )


class ObjectDraft:
    """Implements `node.door.FileDraft`."""

    def __init__(self, media: ObjectMedia, draft: Draft) -> None:
        self._media = media
        self._draft = draft

    @property
    def path(self) -> Path:
        """Where it lies meanwhile."""
        return self._draft.path

    async def write(self, data: bytes) -> None:
        """See `node.door.FileDraft`."""
        await self._media.library.aside(partial(self._draft.write, data))

    async def keep(self) -> bytes:
        """See `node.door.FileDraft`. The store keeps copies; this node's disk keeps none."""
        digest = self._draft.digest
        await self._media.put(digest, self._draft.size, self._draft.path)
        self._media.kept_count += 1
        return digest

    async def discard(self) -> None:
        """See `node.door.FileDraft`."""
        await self._media.library.aside(self._draft.discard)


def _hash_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
