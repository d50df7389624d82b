"""What HTTP says of uploads: headers that are safe whatever a file contains, and refusals with their reason."""

from __future__ import annotations

from typing import Final

import msgspec

from raftline.gateway.websocket import Send
from raftline.machine.media.values import UploadView
from raftline.node.intake import Refusal
from raftline.xmpp.upload_addresses import percent_encoded
from raftline.xmpp.xeps.xep_0363_http_upload import essence_of

Headers = list[tuple[bytes, bytes]]

CORS: Final[Headers] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Content-Length, Content-Range, Content-Disposition, ETag, Accept-Ranges"),
]
"""Any web page may read and write: the address alone gives rights here, no cookie does (XEP-0363 section 8)."""

PREFLIGHT: Final[Headers] = [
    *CORS,
    (b"access-control-allow-methods", b"OPTIONS, HEAD, GET, PUT"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Range, If-Range, If-None-Match"),
    (b"access-control-max-age", b"86400"),
]

ISOLATION: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        b"default-src 'none'; img-src 'self'; media-src 'self'; frame-ancestors 'none'; sandbox",
    ),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
"""What somebody uploaded runs nothing, loads nothing and is taken for nothing else than it is said to be (9.1)."""

_PASSIVE_IMAGES: Final = frozenset(
    f"image/{name}" for name in ("apng", "avif", "bmp", "gif", "heic", "heif", "jpeg", "jxl", "png", "tiff", "webp")
)
_MAX_AGE_S: Final = 31_536_000
RETRY_AFTER: Final = (b"retry-after", b"1")


def is_passive(media_type: str) -> bool:
    """Whether browsers may show it in place: pictures that are no documents, sound and film."""
    essence = essence_of(media_type)
    return essence in _PASSIVE_IMAGES or essence.startswith(("audio/", "video/"))


def etag_of(upload: UploadView) -> str:
    """Return the strong validator of a file: its hash."""
    return f'"{upload.digest.hex()}"'


def file_headers(upload: UploadView, now_ms: int) -> Headers:
    """
    Return the headers of every answer that is about a file: it never changes, and may be kept while it may be read.

    Args:
        now_ms: Milliseconds since 1970.
    """
    kind = "inline" if is_passive(upload.content_type) else "attachment"
    plain = "".join(one if one.isascii() and (one.isalnum() or one in " -_.") else "_" for one in upload.name)
    # In this order: what reads no more than `filename=` up to the end gets the plain name (RFC 6266 section 4.3).
    disposition = f"{kind}; filename*=UTF-8''{percent_encoded(upload.name)}; filename=\"{plain}\""
    return [
        (b"content-type", upload.content_type.encode()),
        (b"content-disposition", disposition.encode()),
        (b"etag", etag_of(upload).encode()),
        (b"accept-ranges", b"bytes"),
        cache_control(upload, now_ms),
        *ISOLATION,
        *CORS,
    ]


def cache_control(upload: UploadView, now_ms: int) -> tuple[bytes, bytes]:
    """Let what never changes be kept, for as long as it may be read."""
    left_s = max((upload.until_ms - now_ms) // 1000, 0) if upload.until_ms else _MAX_AGE_S
    return (b"cache-control", f"private, max-age={min(left_s, _MAX_AGE_S)}, immutable".encode())


async def reply(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    """Send a whole answer."""
    length = [] if status in {204, 304} else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refusal: Refusal, *, with_body: bool = True) -> None:
    """Send an error: `{"error": {"condition", "text"}}`, never cached."""
    content = msgspec.json.encode({"error": {"condition": refusal.condition, "text": refusal.text}})
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *ISOLATION, *CORS]
    if refusal.status == 503:
        headers.append(RETRY_AFTER)
    if refusal.status == 405:
        headers.append((b"allow", b"OPTIONS, HEAD, GET, PUT"))
    await reply(send, refusal.status, headers, content if with_body else b"")
