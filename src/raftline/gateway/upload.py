"""
Uploaded files over HTTP (XEP-0363), as an ASGI application: `/upload/TOKEN/NAME` on every node.

    PUT ── slot known? as announced? ──▶ draft, chunk by chunk ──▶ durable on a majority ──▶ StoreUpload ──▶ 201
    GET ── file known? ──▶ here, or fetched from a node that has it ──▶ 200 or 206, chunk by chunk

| status | when |
| --- | --- |
| 201 | the file is on a majority of the nodes, and each node knows of it; also when the same bytes come again |
| 400, 411, 413 | fewer bytes than announced to the slot, no length, more |
| 404, 410, 409 | no such slot, its time is over, it has another file |
| 415 | another type than announced |
| 408 | the client sent nothing for a while |
| 503, 507 | no majority, or too much at once: again, or at another node; no space |

Whoever gets no answer, or 503, sends the same again: a slot takes one file, however often it comes. A slot is looked up
behind a read barrier, since another node may have opened it a moment ago; a file is looked up at once, and behind a
barrier only if this node does not know it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from raftline.base.errors import OutcomeUnknown, StorageError, StorageFull, Unavailable
from raftline.base.limits import UPLOAD_RATE_MIN, UPLOAD_SLOT_LIFETIME_MS, UPLOAD_TOKEN_SIZE
from raftline.gateway.bosh import wait_for_disconnect
from raftline.gateway.http_ranges import ByteRange, Unsatisfiable, is_unchanged, wanted_range
from raftline.gateway.upload_replies import (
    CORS,
    ISOLATION,
    PREFLIGHT,
    Refusal,
    etag_of,
    file_headers,
    refuse,
    reply,
)
from raftline.gateway.websocket import Receive, Scope, Send
from raftline.machine.media.commands import StoreUpload
from raftline.machine.media.queries import UploadOf
from raftline.machine.media.values import UploadView
from raftline.machine.outcomes import Done, Rejected
from raftline.xmpp.xeps.xep_0363_http_upload import UPLOAD_PATH, essence_of, media_type_of

if TYPE_CHECKING:
    from raftline.node.door import FileDraft, Node

UPLOAD_COUNT_MAX: Final = 64
"""Files that are put into one node at once; beyond it 503."""

CHUNK_BYTES: Final = 256 << 10
"""Written and read at once; all of a file that is ever in memory."""

IDLE_SECONDS: Final = 30.0
"""A client that sends nothing for so long has gone."""

DRAIN_BYTES_MAX: Final = 256 << 10
"""Of a body that is refused so much is read, so that a client which sends first and listens then hears why."""

_STATUS_OF: Final = {"item-not-found": 404, "gone": 410, "conflict": 409}

_log = structlog.get_logger(__name__)


class _Address(NamedTuple):
    token: bytes
    name: str


class UploadEndpoint:
    """
    An ASGI application for scopes of type `http`.

    Args:
        wall_ms: Milliseconds since 1970: a file whose time is over is not served, even if the log stands still.
        idle_seconds: As IDLE_SECONDS.
    """

    def __init__(self, node: Node, *, wall_ms: Callable[[], int], idle_seconds: float = IDLE_SECONDS) -> None:
        self._node = node
        self._wall_ms = wall_ms
        self._idle_seconds = idle_seconds
        self._upload_count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        assert scope["type"] == "http", "the router sends nothing else"
        method = scope["method"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        try:
            if method == "OPTIONS":
                await reply(send, 204, PREFLIGHT)
            elif method == "PUT":
                await self._put(_address_of(scope), headers, receive)
                await reply(send, 201, [(b"cache-control", b"no-store"), *ISOLATION, *CORS])
            elif method in {"GET", "HEAD"}:
                await self._get(_address_of(scope), headers, receive, send, is_head=method == "HEAD")
            else:
                await refuse(send, Refusal(405, "not-allowed", "Files are put and read here."))
        except _Disconnected:
            return
        except Refusal as refusal:
            await refuse(send, refusal, with_body=method != "HEAD")

    # Putting

    async def _put(self, address: _Address, headers: Mapping[str, str], receive: Receive) -> None:
        """Return once the file is the cluster's."""
        try:
            upload = await self._slot(address)
            content_type = _check_announced(upload, headers)
        except Refusal:
            await _drain(headers, receive)
            raise
        if upload.digest:
            await self._compare(upload, receive)
            return
        if self._upload_count >= UPLOAD_COUNT_MAX:
            raise Refusal(503, "resource-constraint", "Too many uploads at once; try again.")
        self._upload_count += 1
        try:
            digest = await self._store(upload.size, receive)
        except StorageFull as error:
            raise Refusal(507, "resource-constraint", "There is no space left for the file.") from error
        except StorageError as error:
            _log.error("a file could not be written", reason=str(error))
            raise Refusal(503, "internal-server-error", "The disk of this node failed; try another one.") from error
        except Unavailable as error:
            raise Refusal(503, "service-unavailable", f"The file was not kept ({error}); try again.") from error
        finally:
            self._upload_count -= 1
        await self._tell(StoreUpload(address.token, digest, upload.size, content_type))

    async def _slot(self, address: _Address) -> UploadView:
        await self._barrier()
        upload = await self._ask(address)
        if upload is None:
            raise Refusal(404, "item-not-found", "There is no such slot, or its time is long over.")
        if upload.is_over:
            raise Refusal(410, "gone", "The time of this slot is over; ask for another one.")
        return upload

    async def _store(self, size: int, receive: Receive) -> bytes:
        """Write what comes and make it durable on a majority; nothing is left of what breaks off."""
        draft: FileDraft = await self._node.files.begin(size)
        try:
            received_bytes = 0
            try:
                async with asyncio.timeout(UPLOAD_SLOT_LIFETIME_MS / 1000 + size / UPLOAD_RATE_MIN):
                    async for chunk in self._body(receive, size):
                        received_bytes += len(chunk)
                        await draft.write(chunk)
            except TimeoutError:
                raise Refusal(408, "remote-server-timeout", "The file came too slowly.") from None
            if received_bytes != size:
                raise Refusal(400, "bad-request", f"{received_bytes} bytes came, {size} were announced.")
            return await draft.keep()
        finally:
            await asyncio.shield(draft.discard())

    async def _compare(self, upload: UploadView, receive: Receive) -> None:
        """Return if the slot's file comes again, as from somebody who did not hear that it was kept."""
        digest = hashlib.sha256()
        async for chunk in self._body(receive, upload.size):
            digest.update(chunk)
        if digest.digest() != upload.digest:
            raise Refusal(409, "conflict", "Another file was put into this slot.")

    async def _body(self, receive: Receive, size: int) -> AsyncIterator[bytes]:
        """Yield the body in chunks of CHUNK_BYTES and more, the last one less."""
        waiting = bytearray()
        received_bytes = 0
        more = True
        while more:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    message = await receive()
            except TimeoutError:
                raise Refusal(408, "remote-server-timeout", "Nothing came for a while.") from None
            if message["type"] == "http.disconnect":
                raise _Disconnected
            waiting += message.get("body", b"")
            more = message.get("more_body", False)
            received_bytes += len(message.get("body", b""))
            if received_bytes > size:
                raise Refusal(413, "policy-violation", f"More bytes came than the {size} that were announced.")
            if len(waiting) >= CHUNK_BYTES or (waiting and not more):
                yield bytes(waiting)
                waiting.clear()

    async def _tell(self, action: StoreUpload) -> None:
        try:
            outcome = await self._node.execute(action)
        except OutcomeUnknown as error:
            raise Refusal(503, "remote-server-timeout", "It is not known whether the file was kept; repeat.") from error
        except Unavailable as error:
            raise Refusal(503, "service-unavailable", f"The file was not kept ({error}); try again.") from error
        if isinstance(outcome, Rejected):
            raise Refusal(_STATUS_OF.get(outcome.condition, 400), outcome.condition, outcome.text)
        assert isinstance(outcome, Done), "a command that is idempotent by nature has no other outcome"

    # Reading

    async def _get(
        self, address: _Address, headers: Mapping[str, str], receive: Receive, send: Send, *, is_head: bool
    ) -> None:
        upload = await self._file(address)
        about = file_headers(upload, self._wall_ms())
        if is_unchanged(headers, etag_of(upload)):
            await reply(send, 304, about)
            return
        whole = ByteRange(0, upload.size)
        if is_head:
            await _start(send, 200, about, whole)
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            part = wanted_range(headers, upload.size, etag_of(upload))
        except Unsatisfiable:
            length = (b"content-range", f"bytes */{upload.size}".encode())
            await reply(send, 416, [length, *ISOLATION, *CORS])
            return
        try:
            await self._node.files.ensure(upload.digest, upload.size)
        except StorageFull as error:
            raise Refusal(503, "resource-constraint", "This node has no space for the file; try another.") from error
        except (Unavailable, StorageError) as error:
            _log.warning("a file cannot be served", digest=upload.digest.hex(), reason=str(error))
            raise Refusal(503, "service-unavailable", "The file cannot be read now; try again.") from error
        if part is not None:
            about.append((b"content-range", f"bytes {part.start}-{part.end - 1}/{upload.size}".encode()))
        await _start(send, 200 if part is None else 206, about, part or whole)
        await self._send_part(upload, part or whole, receive, send)

    async def _file(self, address: _Address) -> UploadView:
        upload = await self._ask(address)
        if upload is None or not upload.digest:
            await self._barrier()
            upload = await self._ask(address)
        if upload is None or not upload.digest:
            raise Refusal(404, "item-not-found", "There is no such file.")
        if upload.is_over or 0 < upload.until_ms <= self._wall_ms():
            raise Refusal(410, "gone", "The time of this file is over.")
        return upload

    async def _send_part(self, upload: UploadView, part: ByteRange, receive: Receive, send: Send) -> None:
        """Send bytes as fast as the client takes them; what cannot be read ends the connection."""
        gone = asyncio.get_running_loop().create_task(wait_for_disconnect(receive))
        try:
            offset = part.start
            while offset < part.end and not gone.done():
                data = await self._node.files.read(upload.digest, offset, min(CHUNK_BYTES, part.end - offset))
                if not data:
                    raise StorageError(f"the file {upload.digest.hex()} ends at {offset}")
                offset += len(data)
                await send({"type": "http.response.body", "body": data, "more_body": offset < part.end})
        finally:
            gone.cancel()

    # The system

    async def _ask(self, address: _Address) -> UploadView | None:
        answer = await self._node.ask(UploadOf(address.token))
        assert answer is None or isinstance(answer, UploadView)
        return answer if answer is not None and answer.name == address.name else None

    async def _barrier(self) -> None:
        try:
            await self._node.barrier()
        except Unavailable as error:
            raise Refusal(503, "service-unavailable", f"The cluster cannot tell now ({error}); try again.") from error


class _Disconnected(Exception):
    """The client is gone: there is nobody to answer."""


def _address_of(scope: Scope) -> _Address:
    """Read the path, which is percent-decoded already."""
    token, _, name = scope["path"].removeprefix(UPLOAD_PATH).partition("/")
    try:
        decoded = bytes.fromhex(token)
    except ValueError:
        decoded = b""
    if len(decoded) != UPLOAD_TOKEN_SIZE or decoded.hex() != token or not name:
        raise Refusal(404, "item-not-found", "There is no such file.")
    return _Address(decoded, name)


def _check_announced(upload: UploadView, headers: Mapping[str, str]) -> str:
    """
    Return the type that the client names, if length and type are what was announced (XEP-0363 section 7).

    A client that names no type is taken to mean the one that was announced.
    """
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise Refusal(411, "bad-request", "The length of the file must be told (Content-Length).")
    if int(length) != upload.size:
        status, condition = (413, "policy-violation") if int(length) > upload.size else (400, "bad-request")
        raise Refusal(status, condition, f"{length} bytes are to come, {upload.size} were announced.")
    try:
        content_type = media_type_of(headers.get("content-type", ""))
    except ValueError:
        raise Refusal(400, "bad-request", "The Content-Type is none.") from None
    if content_type and upload.content_type and essence_of(content_type) != essence_of(upload.content_type):
        raise Refusal(415, "not-acceptable", f"{upload.content_type} was announced, not {content_type}.")
    return content_type


async def _drain(headers: Mapping[str, str], receive: Receive) -> None:
    """Read a small body that nobody wants; a client that waits to be asked for it is not asked."""
    length = headers.get("content-length", "")
    if "expect" in headers or not (length.isascii() and length.isdigit()) or int(length) > DRAIN_BYTES_MAX:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(IDLE_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass


async def _start(send: Send, status: int, headers: list[tuple[bytes, bytes]], part: ByteRange) -> None:
    length = (b"content-length", str(part.end - part.start).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
