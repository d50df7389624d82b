"""
Files that messages show: uploaded, told of, deleted.

    POST   /P/media  a form: file, messaging_product, type, ttl_minutes → {"id"}
    GET    /M        {"url", "mime_type", "sha256", "file_size", "id", "messaging_product"}
    DELETE /M        {"success": true}; of another business's file, or a person's, 100

A file may be read by whoever knows its id: that is as hard to guess as its address. What a file contains is not looked
at here, but afterwards in a process of its own (cluster/media/describing), so what it is said to be is believed; only
of a sticker it is seen whether it moves, as its limit depends on that.
"""

from __future__ import annotations

from typing import Final, cast

from starlette.responses import Response

from raftline.base.cloud_limits import (
    CLOUD_MEDIA_TTL_MINUTES_MAX,
    CLOUD_MEDIA_TTL_MINUTES_MIN,
)
from raftline.machine.business.commands import DeleteNumberFile
from raftline.machine.business.ids import GraphKind, media_id, parse_graph_id
from raftline.machine.business.queries import Businesses
from raftline.machine.business.tables import Number
from raftline.machine.business.values import BusinessView
from raftline.web.cloud.access import MESSAGING, find_number
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import Code, GraphError, graph_reply, missing, unknown_object, wrong
from raftline.web.cloud.filing import FileSink, Filing, minutes_ms, require_size, upload_failures
from raftline.web.cloud.forms import Part, read_form
from raftline.web.replies import require_done
from raftline.xmpp.xeps.xep_0363_http_upload import essence_of

SIZE_MAX_OF: Final[dict[str, int]] = {
    **dict.fromkeys(("image/jpeg", "image/png"), 5 << 20),
    **dict.fromkeys(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus"), 16 << 20),
    **dict.fromkeys(("video/mp4", "video/3gpp"), 16 << 20),
    "image/webp": 500_000,
}
"""Bytes of files by their type; of pictures, sound and film no other types are taken."""

DOCUMENT_SIZE_MAX: Final = 100 << 20
"""Bytes of any other file."""

STILL_STICKER_SIZE_MAX: Final = 100_000
"""Bytes of a sticker that does not move."""

_SHOWN: Final = ("image/", "audio/", "video/")
_HEAD_BYTES: Final = 21
_ANIMATION_FLAG: Final = 0x02


def size_max_of(content_type: str) -> int:
    """
    Return how many bytes a file of a type may have.

    Raises:
        GraphError: 100, such files are not taken.
    """
    essence = essence_of(content_type)
    size_max = SIZE_MAX_OF.get(essence)
    if size_max is not None:
        return size_max
    if not essence or essence.startswith(_SHOWN) or "/" not in essence:
        types = ", ".join(SIZE_MAX_OF)
        details = f"Files of type {essence[:100] or 'none'} are not taken; but {types} are, and documents."
        raise GraphError(Code.INVALID_PARAMETER, details)
    return DOCUMENT_SIZE_MAX


class _MediaSink(FileSink):
    """Writes the file of a form, and keeps its beginning in memory."""

    def __init__(self, filing: Filing, length: int | None) -> None:
        super().__init__(filing, DOCUMENT_SIZE_MAX)
        self._length = length
        self.part: Part | None = None
        self.head = b""

    async def open(self, part: Part) -> None:
        # What the part is said to be counts until the form says more; it may say nothing.
        self.part = part
        if part.content_type:
            self.size_max = size_max_of(part.content_type)
        await self.begin(self._length)

    async def write(self, data: bytes) -> None:
        if self.is_begun:  # else bytes before the first part, which belong to nothing (RFC 2046 section 5.1.1)
            self.head += data[: _HEAD_BYTES - len(self.head)]
            await super().write(data)


async def upload_media(call: Call) -> Response:
    """Take a file; see the head of this module."""
    filing, length = call.edge.required_filing, call.request.headers.get("content-length", "")
    sink = _MediaSink(filing, int(length[:18]) if length.isascii() and length.isdigit() else None)
    try:
        with upload_failures():
            values = await read_form(call.request, sink, "file")
        if values.get("messaging_product") != "whatsapp":
            raise (
                wrong("messaging_product", "must be whatsapp")
                if values.get("messaging_product")
                else missing("messaging_product")
            )
        if sink.part is None:
            raise missing("file")
        keep_ms = minutes_ms(_ttl_minutes(values.get("ttl_minutes")))
        content_type = values.get("type") or sink.part.content_type
        label = filing.label(sink.part.filename or "", content_type)
        _require_media(sink, label.content_type)
        file = await sink.keep()
        token = await filing.own(call.number.number.localpart, file, label, keep_ms=keep_ms)
    finally:
        await sink.end()
    return graph_reply({"id": media_id(token)})


def _require_media(sink: _MediaSink, content_type: str) -> None:
    require_size(sink.size, size_max_of(content_type))
    if not sink.size:
        raise GraphError(Code.MEDIA_UPLOAD, "The file is empty.")
    if essence_of(content_type) == "image/webp" and not is_animated(sink.head):
        require_size(sink.size, STILL_STICKER_SIZE_MAX)


def is_animated(head: bytes) -> bool:
    """Whether a WebP file moves, by its first bytes: the flag of its extended header (RFC 9649 section 2.7)."""
    return head[8:16] == b"WEBPVP8X" and len(head) >= _HEAD_BYTES and bool(head[20] & _ANIMATION_FLAG)


def _ttl_minutes(text: str | None) -> int:
    if text is None:
        return CLOUD_MEDIA_TTL_MINUTES_MAX
    least, greatest = CLOUD_MEDIA_TTL_MINUTES_MIN, CLOUD_MEDIA_TTL_MINUTES_MAX
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= greatest):
        raise wrong("ttl_minutes", f"must be a number from {least} to {greatest}")
    return int(text)


async def show_media(call: Call) -> Response:
    """Tell of a file, and where it is read."""
    assert isinstance(call.named, bytes), "a file is named by its token"
    await _check_number(call)
    filing = call.edge.required_filing
    upload = await filing.find(call.named, call.edge.wall_ms())
    if upload is None:
        raise unknown_object(call.parts[0])
    return graph_reply(
        {
            "url": filing.url_of(call.named, upload.name),
            "mime_type": upload.content_type,
            "sha256": upload.digest.hex(),
            "file_size": upload.size,
            "id": call.parts[0],
            "messaging_product": "whatsapp",
        }
    )


async def delete_media(call: Call) -> Response:
    """Delete a file that a number of the business has uploaded."""
    assert isinstance(call.named, bytes), "a file is named by its token"
    wanted = await _check_number(call)
    upload = await call.edge.required_filing.slot(call.named)
    owner = (
        None
        if upload is None
        else next((number for number in await _own_numbers(call) if number.account_id == upload.account_id), None)
    )
    if owner is None or wanted not in {None, owner.number_id}:
        raise unknown_object(call.parts[0])
    require_done(await call.node.execute(DeleteNumberFile(owner.localpart, call.named), key=call.edge.entropy(16)))
    return graph_reply({"success": True})


async def _check_number(call: Call) -> int | None:
    """Return the number that `phone_number_id` names, which must be the business's; None when it is not said."""
    text = call.query.get("phone_number_id")
    if text is None:
        return None
    parsed = parse_graph_id(text)
    if parsed is None or parsed[0] is not GraphKind.NUMBER:
        raise unknown_object(text)
    return (await find_number(call.node, call.token, parsed[1], text)).number.number_id


async def _own_numbers(call: Call) -> list[Number]:
    business_id = call.token.app.business_id
    found = cast("list[BusinessView]", await call.node.ask(Businesses(business_id - 1, 1)))
    return [] if not found or found[0].business.business_id != business_id else found[0].numbers


ENDPOINTS: Final = (
    Endpoint("POST", Subject.NUMBER, ("media",), upload_media, MESSAGING),
    Endpoint("GET", Subject.FILE, (), show_media, MESSAGING),
    Endpoint("DELETE", Subject.FILE, (), delete_media, MESSAGING),
)
"""What this file serves."""
