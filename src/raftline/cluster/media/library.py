"""
The files of one node, for its event loop: the store on threads of its own, and what must not happen at once.

A file that nobody refers to is deleted after a grace time. Whoever says that a file is here, so that it may be referred
to, begins that time anew (`has`, `keep`); looking, keeping and deleting exclude one another by a lock that is held for
a system call or two. So a file is there for as long as somebody may rely on what this node said (base/limits.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from raftline.base.limits import STORED_FILE_GRACE_MS
from raftline.machine.media.queries import StoredAmong

if TYPE_CHECKING:
    from raftline.cluster.media.store import Draft, MediaStore
    from raftline.machine.machine import Machine

T = TypeVar("T")

THREAD_COUNT: Final = 2
"""One that syncs a large file does not keep another from being read."""


class Library:
    """
    Files by digest, and since when nobody refers to them.

    Args:
        machine: Knows which files are referred to, and cluster time.
    """

    def __init__(self, store: MediaStore, machine: Machine) -> None:
        self.store = store
        self._machine = machine
        self._executor = ThreadPoolExecutor(max_workers=THREAD_COUNT, thread_name_prefix="media")
        self._lock = asyncio.Lock()
        self._unreferred_ms: dict[bytes, int] = {}

    def aside(self, function: Callable[[], T]) -> Awaitable[T]:
        """Run a function that blocks on the disk off the loop."""
        return asyncio.get_running_loop().run_in_executor(self._executor, function)

    async def has(self, digest: bytes, size: int, time_ms: int) -> bool:
        """
        Whether a file is here, with this size; if so it stays for the grace time at least.

        A file of another size is damaged: what is fetched then takes its place.

        Args:
            time_ms: Cluster time as whoever relies on it knows it; this node may be behind.
        """
        async with self._lock:
            found = await self.aside(partial(self.store.size_of, digest))
            if found != size:
                return False
            self._touch(digest, time_ms)
            return True

    async def keep(self, draft: Draft, time_ms: int) -> bytes:
        """Make a draft durable under its digest, which is returned; it stays for the grace time at least."""
        await self.aside(draft.sync)
        digest = draft.digest
        async with self._lock:
            self._touch(digest, time_ms)
            await self.aside(partial(self.store.keep, draft))
        return digest

    async def delete_if_unreferred(self, digest: bytes) -> bool:
        """Delete a file that nobody has referred to for the grace time; say whether that was done."""
        async with self._lock:
            time_ms = self._machine.cluster_time_ms
            if self._machine.answer(StoredAmong((digest,))):
                self._unreferred_ms.pop(digest, None)
                return False
            if time_ms - self._unreferred_ms.setdefault(digest, time_ms) <= STORED_FILE_GRACE_MS:
                return False
            await self.aside(partial(self.store.delete, digest))
            del self._unreferred_ms[digest]
            return True

    def referred(self, digest: bytes) -> None:
        """Note that the state refers to a file."""
        self._unreferred_ms.pop(digest, None)

    def _touch(self, digest: bytes, time_ms: int) -> None:
        now_ms = max(time_ms, self._machine.cluster_time_ms)
        self._unreferred_ms[digest] = max(now_ms, self._unreferred_ms.get(digest, 0))

    async def stop(self) -> None:
        """Wait until nothing runs aside."""
        await asyncio.to_thread(self._executor.shutdown)
