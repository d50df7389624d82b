"""PUT of a file into its slot: checked against what was announced, written chunk by chunk, kept by a majority."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final

from raftline.base.limits import UPLOAD_RATE_MIN, UPLOAD_SLOT_LIFETIME_MS
from raftline.gateway.uploads.lookup import Address, Disconnected, look_up, pass_barrier
from raftline.machine.media.commands import StoreUpload
from raftline.node.intake import IDLE_SECONDS, Intake, Refusal, failures, gathered
from raftline.xmpp.xeps.xep_0363_http_upload import essence_of, is_refused_type, media_type_of

if TYPE_CHECKING:
    from raftline.gateway.websocket import Receive
    from raftline.machine.media.values import UploadView
    from raftline.node.door import FileDraft, Node

DRAIN_BYTES_MAX: Final = 256 << 10
"""Of a body that is refused so much is read, so that a client which sends first and listens then hears why."""

_LENGTH_DIGITS_MAX: Final = 18


class Putting:
    """
    Takes files.

    Args:
        refused_types: As in UploadService; asked again here, since a slot need not name a type.
        idle_seconds: As IDLE_SECONDS.
    """

    def __init__(self, node: Node, refused_types: tuple[str, ...], idle_seconds: float) -> None:
        self._node = node
        self._refused_types = refused_types
        self._idle_seconds = idle_seconds
        self._intake = Intake(node)

    async def put(self, address: Address, headers: Mapping[str, str], receive: Receive) -> None:
        """
        Return once the file is the cluster's.

        Args:
            headers: By name in small letters.

        Raises:
            Refusal: It is not.
            Disconnected: The client went meanwhile.
        """
        try:
            upload = await self._slot(address)
            content_type = self._check_announced(upload, headers)
            draft = None if upload.digest else await self._intake.begin(upload.size)
        except Refusal:
            await _drain(headers, receive)
            raise
        if draft is None:
            await self._compare(upload, receive)
            return
        try:
            with failures():
                digest = await self._store(draft, upload.size, receive)
        finally:
            await self._intake.end(draft)
        await self._intake.store(StoreUpload(address.token, digest, upload.size, content_type))

    def _check_announced(self, upload: UploadView, headers: Mapping[str, str]) -> str:
        """Return the type that the client names; refuse what is not as announced, or not taken here."""
        content_type = _check_announced(upload, headers)
        if is_refused_type(content_type, self._refused_types):
            raise Refusal(415, "not-acceptable", f"Files of type {content_type} are not taken here.")
        return content_type

    async def _slot(self, address: Address) -> UploadView:
        await pass_barrier(self._node)
        upload = await look_up(self._node, address)
        if upload is None:
            raise Refusal(404, "item-not-found", "There is no such slot, or its time is long over.")
        if upload.is_over:
            raise Refusal(410, "gone", "The time of this slot is over; ask for another one.")
        return upload

    async def _store(self, draft: FileDraft, size: int, receive: Receive) -> bytes:
        """Write what comes and make it durable on a majority."""
        received_bytes = 0
        try:
            async with asyncio.timeout(UPLOAD_SLOT_LIFETIME_MS / 1000 + size / UPLOAD_RATE_MIN):
                async for chunk in gathered(self._body(receive, size)):
                    received_bytes += len(chunk)
                    await draft.write(chunk)
        except TimeoutError:
            raise Refusal(408, "remote-server-timeout", "The file came too slowly.") from None
        if received_bytes != size:
            raise Refusal(400, "bad-request", f"{received_bytes} bytes came, {size} were announced.")
        return await draft.keep()

    async def _compare(self, upload: UploadView, receive: Receive) -> None:
        """Return if the slot's file comes again, as from somebody who did not hear that it was kept."""
        digest = hashlib.sha256()
        async for chunk in gathered(self._body(receive, upload.size)):
            digest.update(chunk)
        if digest.digest() != upload.digest:
            raise Refusal(409, "conflict", "Another file was put into this slot.")

    async def _body(self, receive: Receive, size: int) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        received_bytes = 0
        more = True
        while more:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    message = await receive()
            except TimeoutError:
                raise Refusal(408, "remote-server-timeout", "Nothing came for a while.") from None
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk = message.get("body", b"")
            more = message.get("more_body", False)
            received_bytes += len(chunk)
            if received_bytes > size:
                raise Refusal(413, "policy-violation", f"More bytes came than the {size} that were announced.")
            yield chunk


def _check_announced(upload: UploadView, headers: Mapping[str, str]) -> str:
    """
    Return the type that the client names, if length and type are what was announced (XEP-0363 section 7).

    A client that names no type is taken to mean the one that was announced.
    """
    length = _length_of(headers)
    if length is None:
        raise Refusal(411, "bad-request", "The length of the file must be told (Content-Length).")
    if length != upload.size:
        status, condition = (413, "policy-violation") if length > upload.size else (400, "bad-request")
        raise Refusal(status, condition, f"{length} bytes are to come, {upload.size} were announced.")
    try:
        content_type = media_type_of(headers.get("content-type", ""))
    except ValueError:
        raise Refusal(400, "bad-request", "The Content-Type is none.") from None
    if content_type and upload.content_type and essence_of(content_type) != essence_of(upload.content_type):
        raise Refusal(415, "not-acceptable", f"{upload.content_type} was announced, not {content_type}.")
    return content_type


def _length_of(headers: Mapping[str, str]) -> int | None:
    """Return the length that a request tells; None for none. One of more digits than any file has is a large one."""
    length = headers.get("content-length", "")
    return int(length[:_LENGTH_DIGITS_MAX]) if length.isascii() and length.isdigit() else None


async def _drain(headers: Mapping[str, str], receive: Receive) -> None:
    """Read a small body that nobody wants; a client that waits to be asked for it is not asked."""
    length = _length_of(headers)
    if "expect" in headers or length is None or length > DRAIN_BYTES_MAX:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(IDLE_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
