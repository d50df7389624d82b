"""
The disk and the replicated state are compared, again and again: what is missing is fetched, what is needless deleted.

A node that was down, a new one, one whose disk damaged a file: all get what they lack here. The whole comparison is a
walk over both in order of digests, some hundreds at a time, so that neither is ever held in memory.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.base.errors import StorageError
from raftline.base.limits import STORED_FILE_PAGE_ROW_COUNT_MAX
from raftline.cluster.media.store import SHELVES
from raftline.machine.media.queries import StoredAmong, StoredFiles
from raftline.machine.media.tables import StoredFile

if TYPE_CHECKING:
    from raftline.cluster.media.fetch import MediaFetch
    from raftline.cluster.media.library import Library
    from raftline.machine.machine import Machine

_LOG: Final = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 30.0
NEEDLESS_SECONDS: Final = 600.0
"""Between two looks for what nobody refers to, which is kept for hours anyway."""

REST_SECONDS: Final = 0.01
"""Between two pages: messages come first."""


class Healing:
    """
    Keeps one node's disk as the state says.

    Attributes:
        missing_count: Files that the last comparison found missing and could not fetch.
        deleted_count: Files that nobody referred to.
        round_count: Comparisons.
    """

    def __init__(
        self,
        library: Library,
        fetch: MediaFetch,
        machine: Machine,
        *,
        period_seconds: float = PERIOD_SECONDS,
        needless_seconds: float = NEEDLESS_SECONDS,
    ) -> None:
        self._library = library
        self._fetch = fetch
        self._machine = machine
        self._period_seconds = period_seconds
        self._needless_seconds = needless_seconds
        self._wake = asyncio.Event()
        self.missing_count = 0
        self.deleted_count = 0
        self.round_count = 0

    def hurry(self) -> None:
        """Compare soon: something is known to be missing."""
        self._wake.set()

    async def run(self) -> None:
        """Compare now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        next_needless = loop.time()
        while True:
            self._wake.clear()
            try:
                if loop.time() >= next_needless:
                    next_needless = loop.time() + self._needless_seconds
                    await self._delete_needless()
                self.missing_count = await self._fetch_missing()
            except StorageError as error:
                _LOG.warning("uploaded files are not as they should be: %s", error)
            self.round_count += 1
            try:
                async with asyncio.timeout(self._period_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _fetch_missing(self) -> int:
        """Fetch what the state refers to and the disk has not; return how many files are still missing."""
        library, after, missing_count = self._library, b"", 0
        while page := self._page_after(after):
            after = page[-1].digest
            sizes = await library.aside(partial(library.store.sizes_of, [stored.digest for stored in page]))
            for stored, size in zip(page, sizes, strict=True):
                library.referred(stored.digest)
                if size != stored.size:
                    is_here = await self._fetch.fetch(stored.digest, stored.size, self._machine.cluster_time_ms)
                    missing_count += not is_here
            await asyncio.sleep(REST_SECONDS)
        return missing_count

    def _page_after(self, digest: bytes) -> list[StoredFile]:
        rows = self._machine.answer(StoredFiles(digest, STORED_FILE_PAGE_ROW_COUNT_MAX))
        assert isinstance(rows, list)
        return [row for row in rows if isinstance(row, StoredFile)]

    async def _delete_needless(self) -> None:
        """Delete what nobody has referred to for the grace time."""
        library = self._library
        for shelf in SHELVES:
            digests = await library.aside(partial(library.store.on_shelf, shelf))
            for start in range(0, len(digests), STORED_FILE_PAGE_ROW_COUNT_MAX):
                part = digests[start : start + STORED_FILE_PAGE_ROW_COUNT_MAX]
                rows = self._machine.answer(StoredAmong(tuple(part)))
                assert isinstance(rows, list)
                referred = {row.digest for row in rows if isinstance(row, StoredFile)}
                for digest in part:
                    if digest not in referred:
                        self.deleted_count += await library.delete_if_unreferred(digest)
            await asyncio.sleep(REST_SECONDS)
