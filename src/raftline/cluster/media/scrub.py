"""
All files are read and hashed again, slowly, round after round: a disk may alter what was right when it was written.

A file that is not what its name says is set aside, so that it is served no more, and fetched anew (`healing`).
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.base.errors import StorageError
from raftline.cluster.media.store import SHELVES, FileCheck

if TYPE_CHECKING:
    from raftline.cluster.media.healing import Healing
    from raftline.cluster.media.library import Library

_LOG: Final = logging.getLogger(__name__)

STEP_BYTES: Final = 256 << 10
BYTES_PER_SECOND: Final = 4 << 20
"""A hundred gigabytes take some seven hours, and nobody notices."""

PAUSE_SECONDS: Final = 60.0
"""Before a round, however little there is to read."""


class Scrub:
    """
    Looks for damage.

    Attributes:
        damaged_count: Files that were set aside.
        round_count: Whole rounds.
    """

    def __init__(
        self,
        library: Library,
        healing: Healing,
        *,
        pause_seconds: float = PAUSE_SECONDS,
        bytes_per_second: float = BYTES_PER_SECOND,
    ) -> None:
        self._library = library
        self._healing = healing
        self._pause_seconds = pause_seconds
        self._bytes_per_second = bytes_per_second
        self.damaged_count = 0
        self.round_count = 0

    async def run(self) -> None:
        """Check file after file, until cancelled."""
        while True:
            for shelf in SHELVES:
                await asyncio.sleep(self._pause_seconds / len(SHELVES))
                for digest in await self._shelf(shelf):
                    if not await self._is_good(digest):
                        await self.found_damaged(digest)
            self.round_count += 1

    async def found_damaged(self, digest: bytes) -> None:
        """Set aside a file that was found to be damaged, by this scrub or by whoever read it; it is fetched anew."""
        _LOG.error("uploaded file %s is damaged on this node's disk: fetched anew", digest.hex())
        await self._library.aside(partial(self._library.store.set_aside, digest))
        self.damaged_count += 1
        self._healing.hurry()

    async def _shelf(self, shelf: str) -> list[bytes]:
        library = self._library
        try:
            return await library.aside(partial(library.store.on_shelf, shelf))
        except StorageError as error:
            _LOG.warning("uploaded files cannot be listed: %s", error)
            return []

    async def _is_good(self, digest: bytes) -> bool:
        """Whether a file is what its name says; one that cannot be read is not, one that is gone is no damage."""
        check = FileCheck(self._library.store, digest)
        count = STEP_BYTES
        try:
            while count == STEP_BYTES:
                count = await self._library.aside(partial(check.step, STEP_BYTES))
                await asyncio.sleep(count / self._bytes_per_second)
        except FileNotFoundError:
            return True
        except StorageError as error:
            _LOG.warning("uploaded file %s: %s", digest.hex(), error)
            return False
        return check.is_good
