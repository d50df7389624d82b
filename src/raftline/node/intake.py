"""
Files that an edge takes in: onto this node's disk chunk by chunk, durable on a majority, then known to the state.

    draft = await intake.begin(size)
    try:
        with failures():
            async for chunk in gathered(chunks):
                await draft.write(chunk)
            digest = await draft.keep()
    finally:
        await intake.end(draft)
    await intake.store(StoreUpload(token, digest, size, content_type))

Whatever the system fails at comes out as a `Refusal`, which each edge puts into its own words on the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final

import structlog

from raftline.base.errors import OutcomeUnknown, StorageError, StorageFull, Unavailable
from raftline.machine.media.commands import StoreUpload
from raftline.machine.outcomes import Done, Rejected

if TYPE_CHECKING:
    from raftline.node.door import FileDraft, Node

UPLOAD_COUNT_MAX: Final = 64
"""Files that one edge of a node takes in at once; beyond it 503."""

CHUNK_BYTES: Final = 256 << 10
"""Written at once; all of a file that is ever in memory, but for what an HTTP server hands over at a time."""

IDLE_SECONDS: Final = 30.0
"""A client that sends nothing for so long has gone."""

_STATUS_OF: Final = {"item-not-found": 404, "gone": 410, "conflict": 409}

_log = structlog.get_logger(__name__)


class Refusal(Exception):
    """
    A request about a file that gets an error.

    Attributes:
        status: HTTP status.
        condition: Of XMPP (RFC 6120 section 8.3.3), as the JSON interfaces have it (web/replies.py).
    """

    def __init__(self, status: int, condition: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.condition = condition
        self.text = text


class Intake:
    """
    What one edge takes in.

    Attributes:
        count: Files under way.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.count = 0

    async def begin(self, size: int) -> FileDraft:
        """
        Begin a file of so many bytes, or of at most so many; it is under way until `end`.

        Raises:
            Refusal: There is no room for it, or too much is under way.
        """
        if self.count >= UPLOAD_COUNT_MAX:
            raise Refusal(503, "resource-constraint", "Too many uploads at once; try again.")
        self.count += 1
        try:
            with failures():
                return await self._node.files.begin(size)
        except BaseException:
            self.count -= 1
            raise

    async def end(self, draft: FileDraft) -> None:
        """Be done with a file that was begun; it is gone unless it was kept."""
        self.count -= 1
        await asyncio.shield(draft.discard())

    async def store(self, action: StoreUpload) -> None:
        """
        Let the state know of a file that was kept, and have it looked into.

        Raises:
            Refusal: It was not taken, or nobody knows.
        """
        try:
            outcome = await self._node.execute(action)
        except OutcomeUnknown as error:
            raise Refusal(503, "remote-server-timeout", "It is not known whether the file was kept; repeat.") from error
        except Unavailable as error:
            raise Refusal(503, "service-unavailable", f"The file was not kept ({error}); try again.") from error
        if isinstance(outcome, Rejected):
            raise Refusal(_STATUS_OF.get(outcome.condition, 400), outcome.condition, outcome.text)
        assert isinstance(outcome, Done), "a command that is idempotent by nature has no other outcome"
        self._node.files.describe(action.digest, action.size)


async def gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what comes in chunks of CHUNK_BYTES and more, the last one less."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Tell whoever puts a file what the system failed at, as a `Refusal`."""
    try:
        yield
    except StorageFull as error:
        raise Refusal(507, "resource-constraint", "There is no space left for the file.") from error
    except StorageError as error:
        _log.error("a file could not be written", reason=str(error))
        raise Refusal(503, "internal-server-error", "The disk of this node failed; try another one.") from error
    except Unavailable as error:
        raise Refusal(503, "service-unavailable", f"The file was not kept ({error}); try again.") from error
