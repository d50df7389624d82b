"""
Files that programs name by their addresses: fetched, and kept as uploads of the number.

So people see the file in their chat, also after the address leads nowhere, and whoever serves it does not learn who
looks at it. What is at an address is taken for the same for ten minutes, so that a message to a thousand people fetches
its picture once at each node.

    the file came within seconds                      sent as an upload
    there is none, it is too large, not of the kind   the send is refused
    anything else: nobody answers, it takes longer,   the address itself is sent, which clients open;
    this node has no room                             a file that is on its way is there for the next send

A host that cannot be reached rests for a minute, since each send would wait for it. Where requests may go is for
webhooks/client.py to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from mimetypes import guess_type
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from raftline.base.cloud_limits import (
    FILE_NAME_LENGTH_MAX,
    LINK_FETCH_COUNT_MAX,
    LINK_FETCH_S,
    LINK_REDIRECT_COUNT_MAX,
    LINK_REMEMBERED_COUNT_MAX,
    LINK_REMEMBERED_S,
    LINK_REST_S,
    LINK_WAIT_S,
)
from raftline.base.errors import RaftlineError
from raftline.web.cloud.errors import Code, GraphError
from raftline.web.cloud.filing import FileSink, require_size
from raftline.web.cloud.webhooks.client import NoAnswer, Unreachable, check_url, origin_of

if TYPE_CHECKING:
    from raftline.web.cloud.filing import Filing
    from raftline.web.cloud.webhooks.client import Reading, WebhookClient

_LOG: Final = logging.getLogger(__name__)

_VAGUE_TYPES: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_OK: Final = 200
_GONE: Final = range(400, 500)
_BUSY: Final = frozenset({408, 425, 429})


class Kind(NamedTuple):
    """
    What a message of a type takes.

    Attributes:
        name: Type of the message.
        beginning: Of the type of the file's content.
        size_max: Bytes of the file.
    """

    name: str
    beginning: str
    size_max: int


class _Wanted(NamedTuple):
    """A file for a number."""

    localpart: str
    url: str
    kind: Kind


class _Fetched(NamedTuple):
    """A file that was fetched, and until when it is what is at its address."""

    token: bytes
    until_s: float


class LinkedFiles:
    """
    The files of one node's numbers.

    Args:
        now_s: A monotonic clock.
    """

    def __init__(self, client: WebhookClient, filing: Filing, now_s: Callable[[], float]) -> None:
        self._client = client
        self._filing = filing
        self._now_s = now_s
        self._fetched: dict[_Wanted, _Fetched] = {}
        self._running: dict[_Wanted, asyncio.Task[bytes | None]] = {}
        self._rests_until_s: dict[str, float] = {}

    async def token_of(self, localpart: str, url: str, kind: Kind) -> bytes | None:
        """
        Return the token of the upload that what is at an address has become; None where the address has to do.

        Raises:
            GraphError: 131053, there is nothing, or it is too large, or not of the kind.
        """
        try:
            check_url(url)
        except ValueError:
            return None
        wanted = _Wanted(localpart, url, kind)
        fetched = self._fetched.get(wanted)
        if fetched is not None and self._now_s() < fetched.until_s:
            return fetched.token
        task = self._running.get(wanted)
        if task is None:
            if len(self._running) >= LINK_FETCH_COUNT_MAX or self._rests(origin_of(url)):
                return None
            task = asyncio.get_running_loop().create_task(self._fetch(wanted), name="file at a link")
            self._running[wanted] = task
            task.add_done_callback(partial(self._ended, wanted))
        done, _ = await asyncio.wait([task], timeout=LINK_WAIT_S)
        return task.result() if done else None

    async def stop(self) -> None:
        """Give up what is under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, wanted: _Wanted, task: asyncio.Task[bytes | None]) -> None:
        del self._running[wanted]
        if task.cancelled() or task.exception() is not None:
            return  # who waits hears of it; perhaps nobody does any more
        token = task.result()
        if token is not None:
            self._fetched.pop(wanted, None)
            if len(self._fetched) >= LINK_REMEMBERED_COUNT_MAX:
                del self._fetched[next(iter(self._fetched))]
            self._fetched[wanted] = _Fetched(token, self._now_s() + LINK_REMEMBERED_S)

    def _rests(self, origin: str) -> bool:
        return self._now_s() < self._rests_until_s.get(origin, 0.0)

    def _rest(self, origin: str) -> None:
        now_s = self._now_s()
        if len(self._rests_until_s) >= LINK_REMEMBERED_COUNT_MAX:
            self._rests_until_s = {other: until_s for other, until_s in self._rests_until_s.items() if now_s < until_s}
        self._rests_until_s[origin] = now_s + LINK_REST_S

    async def _fetch(self, wanted: _Wanted) -> bytes | None:
        """Fetch a file and keep it, or say why not; errors as for `token_of`."""
        origin = origin_of(wanted.url)
        try:
            async with (
                asyncio.timeout(LINK_FETCH_S),
                self._client.read(wanted.url, redirect_count_max=LINK_REDIRECT_COUNT_MAX) as reading,
            ):
                if reading.status == _OK:
                    return await self._keep(wanted, reading)
        except (Unreachable, TimeoutError) as error:
            _LOG.info("a file at %s could not be fetched: %s", origin, str(error) or "it takes too long")
            self._rest(origin)
            return None
        except NoAnswer as error:
            _LOG.info("a file at %s could not be fetched: %s", origin, error)
            return None
        except GraphError as error:
            if error.code != Code.UNAVAILABLE:
                raise
            _LOG.info("a file at %s could not be kept: %s", origin, error)
            return None
        except RaftlineError as error:
            _LOG.info("a file at %s could not be kept: %s", origin, error)
            return None
        if reading.status in _GONE and reading.status not in _BUSY:
            raise GraphError(Code.MEDIA_UPLOAD, f"The address of the file answers with HTTP status {reading.status}.")
        return None

    async def _keep(self, wanted: _Wanted, reading: Reading) -> bytes | None:
        kind = wanted.kind
        name = name_at(wanted.url)
        content_type = reading.content_type
        if content_type.partition(";")[0].strip().lower() in _VAGUE_TYPES:
            content_type = guess_type(name)[0] or content_type or "application/octet-stream"
        label = self._filing.label(name, content_type)
        if not label.content_type.startswith(kind.beginning):
            details = f"What is at the address is of type {label.content_type}, which cannot be sent as {kind.name}."
            raise GraphError(Code.MEDIA_UPLOAD, details)
        if reading.size is not None:
            require_size(reading.size, kind.size_max)
        sink = FileSink(self._filing, kind.size_max)
        try:
            await sink.begin(reading.size)
            async for chunk in reading.chunks:
                await sink.write(chunk)
            if not sink.size:
                raise GraphError(Code.MEDIA_UPLOAD, "The file at the address is empty.")
            file = await sink.keep()
        finally:
            await sink.end()
        try:
            return await self._filing.own(wanted.localpart, file, label)
        except GraphError as error:
            _LOG.info("a file of %s could not be kept: %s", wanted.localpart, error)
            return None


def name_at(url: str) -> str:
    """Return what a file is called, by the end of its address; empty where that has none."""
    return PurePosixPath(unquote(urlsplit(url).path)).name[:FILE_NAME_LENGTH_MAX]
