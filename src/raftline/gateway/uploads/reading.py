"""GET and HEAD of an uploaded file: from this node's disk, onto which it is fetched if need be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
import structlog

from raftline.base.errors import StorageError, StorageFull, Unavailable
from raftline.gateway.bosh import wait_for_disconnect
from raftline.gateway.uploads.lookup import Address, look_up, pass_barrier
from raftline.gateway.uploads.ranges import ByteRange, Unsatisfiable, is_unchanged, wanted_range
from raftline.gateway.uploads.replies import (
    CORS,
    ISOLATION,
    RETRY_AFTER,
    Headers,
    cache_control,
    etag_of,
    file_headers,
    reply,
)
from raftline.machine.media.queries import DescriptionOf
from raftline.machine.media.tables import FileDescription
from raftline.node.intake import Refusal
from raftline.xmpp.file_metadata import PENDING, metadata_element, metadata_of
from raftline.xmpp.upload_addresses import upload_path
from raftline.xmpp.xeps.xep_0363_http_upload import essence_of

if TYPE_CHECKING:
    from raftline.gateway.websocket import Receive, Send
    from raftline.machine.media.values import UploadView
    from raftline.node.door import Node

_log = structlog.get_logger(__name__)


class Reading:
    """
    Serves files.

    Args:
        wall_ms: Milliseconds since 1970: a file whose time is over is not served, even if the log stands still.
        base_url: Returns what addresses of files begin with.
    """

    def __init__(self, node: Node, wall_ms: Callable[[], int], base_url: Callable[[], str]) -> None:
        self._node = node
        self._base_url = base_url
        self._wall_ms = wall_ms

    async def get(
        self,
        address: Address,
        headers: Mapping[str, str],
        receive: Receive,
        send: Send,
        *,
        is_head: bool,
        is_thumbnail: bool = False,
    ) -> None:
        """
        Send a file, a part of it, or what is to be said of it.

        Args:
            headers: By name in small letters.
            is_thumbnail: The small picture of the file is meant.

        Raises:
            Refusal: There is none, its time is over, or it cannot be had now.
        """
        upload = await self._file(address)
        if is_thumbnail:
            upload = await self._thumbnail(upload)
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

    async def get_metadata(self, address: Address, send: Send, *, is_json: bool, is_head: bool) -> None:
        """
        Tell what is known of a file, as XML or JSON; nothing changes any more once it is not `pending`.

        Raises:
            Refusal: There is no file.
        """
        upload = await self._file(address)
        url = self._base_url() + upload_path(address.token, address.name)
        metadata = metadata_of(upload, await self._description(upload), url)
        content = msgspec.json.encode(metadata) if is_json else metadata_element(metadata).to_bytes("")
        kind = b"application/json" if is_json else b"application/xml"
        is_pending = metadata.state == PENDING
        freshness = (
            [(b"cache-control", b"no-store"), RETRY_AFTER] if is_pending else [cache_control(upload, self._wall_ms())]
        )
        headers: Headers = [(b"content-type", kind), *freshness, *ISOLATION, *CORS]
        await reply(send, 200, headers, b"" if is_head else content)

    async def _description(self, upload: UploadView) -> FileDescription | None:
        description = await self._node.ask(DescriptionOf(upload.digest))
        assert description is None or isinstance(description, FileDescription)
        return description

    async def _thumbnail(self, upload: UploadView) -> UploadView:
        """Return the small picture of a file, which can be read for as long as that."""
        description = await self._description(upload)
        if description is None:
            raise Refusal(503, "resource-constraint", "The file has not been looked into yet; try again.")
        if not description.thumbnail:
            raise Refusal(404, "item-not-found", "The file has no thumbnail.")
        return upload._replace(
            name=f"thumbnail.{essence_of(description.thumbnail_type).rpartition('/')[2]}",
            size=description.thumbnail_size,
            content_type=description.thumbnail_type,
            digest=description.thumbnail,
        )

    async def _file(self, address: Address) -> UploadView:
        upload = await look_up(self._node, address)
        if upload is None or not upload.digest:
            await pass_barrier(self._node)
            upload = await look_up(self._node, address)
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
            stream = self._node.files.stream(upload.digest, upload.size, part.start, part.end)
            async for data in stream:
                if gone.done():
                    return
                offset += len(data)
                await send({"type": "http.response.body", "body": data, "more_body": offset < part.end})
        finally:
            gone.cancel()


async def _start(send: Send, status: int, headers: Headers, part: ByteRange) -> None:
    length = (b"content-length", str(part.end - part.start).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
