"""
Which file is looked into when.

The node that took an upload looks into it at once. If it dies before it has told, or too much is waiting, the row of
`undescribed_file` stays, and the leader does it: it looks at what waits, and takes what it has seen waiting before. One
file at a time on each node. Whoever does it: the cluster is told by a command, of which the first counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from raftline.base.errors import OutcomeUnknown, StorageError, Unavailable
from raftline.base.limits import DESCRIPTION_AGE_MAX_MS
from raftline.cluster.media.describing.findings import Findings, Thumbnail
from raftline.cluster.media.describing.formats import HEAD_BYTES, format_of
from raftline.cluster.media.describing.process import look_into
from raftline.machine.media.commands import DescribeFile
from raftline.machine.media.queries import DescriptionOf, UndescribedFiles
from raftline.machine.media.tables import UndescribedFile
from raftline.machine.outcomes import Rejected

if TYPE_CHECKING:
    from raftline.machine.machine import Machine
    from raftline.machine.outcomes import Outcome

_LOG: Final = logging.getLogger(__name__)

WAITING_COUNT_MAX: Final = 256
"""Files that wait here; more are left to the leader."""

PERIOD_SECONDS: Final = 5.0
"""Between two looks of the leader at what waits."""


class LookedInto(Protocol):
    """What is asked of the files of a node (`media.Media`)."""

    @property
    def time_ms(self) -> int:
        """Cluster time, as far as this replica has come."""

    async def ensure(self, digest: bytes, size: int) -> None:
        """Return once a file can be read here; raises Unavailable or StorageError."""

    async def read(self, digest: bytes, offset: int, size: int) -> bytes:
        """Return a part of a file that `ensure` has seen; raises Unavailable or StorageError."""

    def on_disk(self, digest: bytes, size: int) -> AbstractAsyncContextManager[Path]:
        """Have a file on this node's disk for a while; raises Unavailable or StorageError."""

    async def store(self, content: bytes) -> bytes:
        """Keep a small file as uploads are kept and return its SHA-256; raises Unavailable or StorageError."""


class Describing:
    """
    Looks into files.

    Args:
        execute: Proposes a command and waits for its outcome.
        is_leader: Whether this node leads.

    Attributes:
        described_count: Files of which the cluster was told something.
        failure_count: Files of which there was nothing to tell, though they look like pictures, sound or film.
    """

    def __init__(
        self,
        files: LookedInto,
        machine: Machine,
        *,
        execute: Callable[[DescribeFile], Awaitable[Outcome]],
        is_leader: Callable[[], bool],
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._files = files
        self._machine = machine
        self._execute = execute
        self._is_leader = is_leader
        self._period_seconds = period_seconds
        self._waiting: asyncio.Queue[UndescribedFile] = asyncio.Queue(WAITING_COUNT_MAX)
        self.described_count = 0
        self.failure_count = 0

    def begin(self, digest: bytes, size: int) -> None:
        """Look into a file soon, unless too many wait."""
        if not self._waiting.full():
            self._waiting.put_nowait(UndescribedFile(digest, size))

    async def run(self) -> None:
        """Look into file after file, until cancelled."""
        while True:
            waiting = await self._waiting.get()
            try:
                await self._describe(waiting)
            except (Unavailable, OutcomeUnknown, StorageError) as error:
                _LOG.info("file %s is not looked into for now: %s", waiting.digest.hex(), error)

    async def run_rounds(self) -> None:
        """While this node leads, take what others left, until cancelled."""
        seen: frozenset[UndescribedFile] = frozenset()
        while True:
            await asyncio.sleep(self._period_seconds)
            if not self._is_leader():
                seen = frozenset()
                continue
            rows = self._machine.answer(UndescribedFiles(limit=WAITING_COUNT_MAX))
            assert isinstance(rows, list)
            found = [row for row in rows if isinstance(row, UndescribedFile)]
            if self._waiting.empty():
                for row in found:
                    if row in seen:
                        self.begin(*row)
            seen = frozenset(found)

    async def _look_into(self, digest: bytes, size: int) -> Findings:
        """Return what there is to say; a process is for what looks like something, which encrypted files do not."""
        await self._files.ensure(digest, size)
        if format_of(await self._files.read(digest, 0, min(HEAD_BYTES, size))) is None:
            return Findings(lack="plain")
        async with self._files.on_disk(digest, size) as path:
            return await look_into(path)

    async def _describe(self, waiting: UndescribedFile) -> None:
        digest = waiting.digest
        if self._machine.answer(DescriptionOf(digest)) is not None:
            return
        findings = await self._look_into(*waiting)
        due_ms = self._files.time_ms + DESCRIPTION_AGE_MAX_MS
        thumbnail = findings.thumbnail
        thumbnail_digest = b"" if thumbnail is None else await self._files.store(thumbnail.content)
        if thumbnail_digest == digest:
            thumbnail = None
        outcome = await self._execute(_command(digest, due_ms, findings, thumbnail, thumbnail_digest))
        if isinstance(outcome, Rejected):
            _LOG.info("file %s: %s", digest.hex(), outcome.text)
        elif not findings.lack:
            self.described_count += 1
        elif findings.lack != "plain":
            self.failure_count += 1
            _LOG.warning("file %s has no thumbnail or duration: %s", digest.hex(), findings.lack)


def _command(
    digest: bytes, due_ms: int, findings: Findings, thumbnail: Thumbnail | None, thumbnail_digest: bytes
) -> DescribeFile:
    command = DescribeFile(
        digest,
        due_ms,
        findings.width,
        findings.height,
        findings.duration_ms,
        findings.waveform,
        lack=findings.lack,
    )
    if thumbnail is None:
        return command
    return msgspec.structs.replace(
        command,
        thumbnail=thumbnail_digest,
        thumbnail_size=len(thumbnail.content),
        thumbnail_type=thumbnail.media_type,
        thumbnail_width=thumbnail.width,
        thumbnail_height=thumbnail.height,
    )
