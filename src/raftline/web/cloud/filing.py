"""
Files of numbers: taken in, owned by the number's account as any upload is by its own, and found again by their ids.

A file comes first and is announced afterwards: its size is not known before. So a slot is asked for when the file is
durable on a majority already, and filled at once. The id of a file is its upload's token, which nobody guesses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.errors import Refused
from raftline.base.limits import UPLOAD_TOKEN_SIZE
from raftline.machine.commands import ActForNumber
from raftline.machine.media.commands import RequestUploadSlot, StoreUpload
from raftline.machine.media.queries import UploadOf
from raftline.machine.media.values import UploadView
from raftline.node.intake import CHUNK_BYTES, Intake, Refusal
from raftline.web.cloud.errors import Code, GraphError, unavailable
from raftline.web.replies import require_done
from raftline.xmpp.upload_addresses import upload_path
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService, clean_name, is_refused_type, media_type_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from raftline.node.door import FileDraft, Node

_KEY_BYTES: Final = 16
_MINUTE_MS: Final = 60_000


class StoredFile(NamedTuple):
    """Bytes that a majority of the nodes has."""

    digest: bytes
    size: int


class FileLabel(NamedTuple):
    """What a file is called, and what it is said to be."""

    name: str
    content_type: str


class Filing:
    """
    The files of all numbers, at this edge.

    Args:
        service: What the operator lets accounts upload; the same counts for numbers.

    Attributes:
        intake: Counts what is under way.
    """

    def __init__(self, node: Node, service: UploadService, entropy: Callable[[int], bytes]) -> None:
        self._node = node
        self._service = service
        self._entropy = entropy
        self.intake = Intake(node)

    def label(self, name: str, content_type: str) -> FileLabel:
        """
        Check and clean what a file is called and said to be.

        Raises:
            GraphError: 100, neither can be, or files of this type are not taken.
        """
        try:
            label = FileLabel(clean_name(name or "file"), media_type_of(content_type))
        except ValueError as error:
            raise GraphError(Code.INVALID_PARAMETER, f"The file cannot be named like this: {error}.") from error
        if is_refused_type(label.content_type, self._service.refused_types):
            raise GraphError(Code.INVALID_PARAMETER, f"Files of type {label.content_type} are not taken here.")
        return label

    async def begin(self, size_max: int) -> FileDraft:
        """
        Begin a file of at most so many bytes; `end` must follow.

        Raises:
            GraphError: There is no room, or too much is under way.
        """
        with upload_failures():
            return await self.intake.begin(size_max)

    async def end(self, draft: FileDraft) -> None:
        """Be done with a file, kept or not."""
        await self.intake.end(draft)

    async def own(
        self, localpart: str, file: StoredFile, label: FileLabel, *, keep_ms: int = 0, token: bytes = b""
    ) -> bytes:
        """
        Let a number own a file that is durable; return its token.

        Args:
            keep_ms: For at most so long; 0 for as long as this installation keeps files.
            token: Chance that is known already; it is drawn when empty.

        Raises:
            GraphError: 131053 over a quota of the number, 100 for a file that is larger than any may be.
            Unavailable, OutcomeUnknown: As `Node.execute`.
        """
        service = self._service
        if file.size > service.size_max:
            raise GraphError(Code.MEDIA_UPLOAD, f"Files have at most {service.size_max} bytes here.")
        token = token or self._entropy(UPLOAD_TOKEN_SIZE)
        limits = [one for one in (keep_ms, service.keep_ms) if one]
        slot = RequestUploadSlot(
            token,
            label.name,
            file.size,
            label.content_type,
            expire_before_ms=0,
            keep_ms=min(limits, default=0),
            bytes_max=service.bytes_max,
            file_count_max=service.file_count_max,
        )
        try:
            require_done(await self._node.execute(ActForNumber(localpart, slot), key=self._entropy(_KEY_BYTES)))
        except Refused as refused:
            if refused.condition != "resource-constraint":
                raise
            raise GraphError(Code.MEDIA_UPLOAD, refused.text or "The number has uploaded as much as it may.") from None
        await self.fill(token, file, label)
        return token

    async def fill(self, token: bytes, file: StoredFile, label: FileLabel) -> None:
        """Put a file into a slot that is open; errors as for `own`."""
        with upload_failures():
            await self.intake.store(StoreUpload(token, file.digest, file.size, label.content_type))

    async def slot(self, token: bytes) -> UploadView | None:
        """Return a slot or a file that is not over, as all that was acknowledged anywhere has it; None for none."""
        await self._node.barrier()
        found = await self._node.ask(UploadOf(token))
        assert found is None or isinstance(found, UploadView)
        return None if found is None or found.is_over else found

    async def find(self, token: bytes, wall_ms: int) -> UploadView | None:
        """Return a file that can be read now; None for none. Only one that is not known here costs a barrier."""
        found = await self._node.ask(UploadOf(token))
        if not isinstance(found, UploadView) or not found.digest:
            found = await self.slot(token)
        if found is None or not found.digest or found.is_over or 0 < found.until_ms <= wall_ms:
            return None
        return found

    def url_of(self, token: bytes, name: str) -> str:
        """Return the address under which anybody who knows it reads a file."""
        return self._service.base_url() + upload_path(token, name)


class FileSink:
    """
    A file whose size is not known before, on its way to the disk as far as it is not too large.

    `begin`, `write` again and again, `keep`; and `end`, whatever happened.

    Attributes:
        size: Bytes that came.
        size_max: Of them there may be so many.
    """

    def __init__(self, filing: Filing, size_max: int) -> None:
        self._filing = filing
        self._waiting = bytearray()
        self._draft: FileDraft | None = None
        self.size = 0
        self.size_max = size_max

    @property
    def is_begun(self) -> bool:
        """Whether it was begun."""
        return self._draft is not None

    async def begin(self, length: int | None) -> None:
        """
        Make room for what is announced, or for the greatest file.

        Raises:
            GraphError: There is no room, or too much is under way.
        """
        announced = self.size_max if length is None else min(length, self.size_max)
        self._draft = await self._filing.begin(announced)

    async def write(self, data: bytes) -> None:
        """
        Take what follows.

        Raises:
            GraphError: 131053, it is too much; 131016, the disk failed.
        """
        self.size += len(data)
        require_size(self.size, self.size_max)
        self._waiting += data
        if len(self._waiting) >= CHUNK_BYTES:
            await self._flush()

    async def keep(self) -> StoredFile:
        """Make it durable on a majority."""
        assert self._draft is not None, "not begun"
        await self._flush()
        with upload_failures():
            return StoredFile(await self._draft.keep(), self.size)

    async def end(self) -> None:
        """Be done with it, kept or not."""
        if self._draft is not None:
            await self._filing.end(self._draft)

    async def _flush(self) -> None:
        assert self._draft is not None, "not begun"
        with upload_failures():
            await self._draft.write(bytes(self._waiting))
        self._waiting.clear()


def require_size(size: int, size_max: int) -> None:
    """
    Check that a file is not too large.

    Raises:
        GraphError: 131053.
    """
    if size > size_max:
        raise GraphError(Code.MEDIA_UPLOAD, f"The file is too large: files of this type have at most {size_max} bytes.")


@contextlib.contextmanager
def upload_failures() -> Iterator[None]:
    """Turn what an upload failed at into the refusal for it: 131016 for what may be tried again, else 131053."""
    try:
        yield
    except Refusal as refusal:
        if refusal.status in {503, 507}:
            raise unavailable(refusal.text) from refusal
        raise GraphError(Code.MEDIA_UPLOAD, refusal.text, status=refusal.status) from refusal


def minutes_ms(minutes: int) -> int:
    """Return minutes in milliseconds."""
    return minutes * _MINUTE_MS
