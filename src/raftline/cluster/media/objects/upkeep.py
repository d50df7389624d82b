"""
The leader compares the bucket with the replicated state, again and again.

A file that the state refers to and the bucket does not have is lost: nobody else has it. That is told loudly, each
time. What nobody refers to is deleted after the grace time of stored files (see the head of this package). Both lists
are in order of digests, so neither is ever held in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Unavailable
from raftline.base.limits import STORED_FILE_GRACE_MS, STORED_FILE_PAGE_ROW_COUNT_MAX
from raftline.machine.media.queries import StoredAmong, StoredFiles
from raftline.machine.media.tables import StoredFile

if TYPE_CHECKING:
    from raftline.cluster.media.objects.bucket import Bucket, Stored
    from raftline.machine.machine import Machine

_LOG: Final = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 600.0


class Upkeep:
    """
    Looks after a bucket while its node leads.

    Attributes:
        missing_count: Files that the last comparison did not find.
        deleted_count: Objects that were deleted.
        damaged_count: Files whose bytes were found to be others, by whoever read them.
        round_count: Whole comparisons.
    """

    def __init__(
        self,
        bucket: Bucket,
        machine: Machine,
        *,
        is_leader: Callable[[], bool],
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._bucket = bucket
        self._machine = machine
        self._is_leader = is_leader
        self._period_seconds = period_seconds
        self._unreferred_ms: dict[bytes, int] = {}
        self.missing_count = 0
        self.deleted_count = 0
        self.damaged_count = 0
        self.round_count = 0

    async def run(self) -> None:
        """Compare now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._period_seconds)
            if not self._is_leader():
                self._unreferred_ms.clear()
                continue
            try:
                self.missing_count = await self._compare()
            except Unavailable as error:
                _LOG.warning("uploaded files are not compared for now: %s", error)
            else:
                self.round_count += 1

    async def _compare(self) -> int:
        """Walk over both lists side by side; return how many files are missing."""
        wanted = self._wanted()
        expected = next(wanted, None)
        seen: set[bytes] = set()
        missing_count = 0
        async for digest, objects in self._found():
            while expected is not None and expected.digest < digest:
                missing_count += await self._is_missing(expected)
                expected = next(wanted, None)
            if expected is not None and expected.digest == digest:
                sizes = [stored.size for stored in objects]
                missing_count += expected.size not in sizes and await self._is_missing(expected)
                expected = next(wanted, None)
                self._unreferred_ms.pop(digest, None)
            else:
                seen.add(digest)
                await self._delete_if_unreferred(digest, objects)
        while expected is not None:
            missing_count += await self._is_missing(expected)
            expected = next(wanted, None)
        for digest in [one for one in self._unreferred_ms if one not in seen]:
            del self._unreferred_ms[digest]
        return missing_count

    def _wanted(self) -> Iterator[StoredFile]:
        """Yield what the state refers to, by digest, as it is when it is asked for."""
        after = b""
        while True:
            rows = self._machine.answer(StoredFiles(after, STORED_FILE_PAGE_ROW_COUNT_MAX))
            assert isinstance(rows, list)
            page = [row for row in rows if isinstance(row, StoredFile)]
            if not page:
                return
            yield from page
            after = page[-1].digest

    async def _found(self) -> AsyncIterator[tuple[bytes, list[Stored]]]:
        """Yield what the bucket has, by digest."""
        objects: list[Stored] = []
        async for page in self._bucket.pages():
            for stored in page:
                if objects and objects[0].digest != stored.digest:
                    yield objects[0].digest, objects
                    objects = []
                objects.append(stored)
        if objects:
            yield objects[0].digest, objects

    async def _is_missing(self, expected: StoredFile) -> bool:
        """Look again for a file that a listing did not have, which may have been put or deleted meanwhile."""
        if not self._machine.answer(StoredAmong((expected.digest,))):
            return False
        if any(stored.size == expected.size for stored in await self._bucket.find(expected.digest)):
            return False
        _LOG.error("uploaded file %s is not in the object store, and nowhere else", expected.digest.hex())
        return True

    async def _delete_if_unreferred(self, digest: bytes, objects: list[Stored]) -> None:
        time_ms = self._machine.cluster_time_ms
        if self._machine.answer(StoredAmong((digest,))):
            self._unreferred_ms.pop(digest, None)
            return
        if time_ms - self._unreferred_ms.setdefault(digest, time_ms) <= STORED_FILE_GRACE_MS:
            return
        for stored in objects:
            if time_ms - stored.put_ms > STORED_FILE_GRACE_MS:
                await self._bucket.delete(stored.name)
                self.deleted_count += 1
