"""
Drafts of messages with a file: one of ours by its id, or one of anybody's by its address.

Of our own files all is told that is known (docs/media.md), and what is at an address becomes one where that can be
(links.py); else the address is told, and what the request says of the file. The body is the address, behind the caption
if there is one, as clients find it that know no file sharing (XEP-0066, XEP-0447).
"""

from __future__ import annotations

import re
from base64 import b64encode
from mimetypes import guess_type
from typing import Final, cast
from urllib.parse import urlsplit

from raftline.base.cloud_limits import (
    AUDIO_BYTES_MAX,
    CAPTION_LENGTH_MAX,
    DOCUMENT_BYTES_MAX,
    FILE_NAME_LENGTH_MAX,
    IMAGE_BYTES_MAX,
    LINK_LENGTH_MAX,
    STICKER_BYTES_MAX,
    VIDEO_BYTES_MAX,
)
from raftline.machine.business.ids import parse_media_id
from raftline.machine.media.queries import DescriptionOf, UploadOf
from raftline.machine.media.tables import FileDescription
from raftline.machine.media.values import UploadView
from raftline.web.cloud.access import ask_freshly
from raftline.web.cloud.call import Call
from raftline.web.cloud.errors import Code, GraphError, missing, wrong
from raftline.web.cloud.sending.drafts import Draft, bounded, element, fallback, leaf
from raftline.web.cloud.sending.links import Kind, name_at
from raftline.web.cloud.sending.requests import File
from raftline.xmpp.element import Element
from raftline.xmpp.file_metadata import FILE_NAMESPACE, SHARING_NAMESPACE, URL_NAMESPACE, metadata_element, metadata_of
from raftline.xmpp.upload_addresses import upload_path

VOICE_NAMESPACE: Final = "urn:raftline:voice:0"

_OOB: Final = "jabber:x:oob"
_STICKERS: Final = "urn:xmpp:stickers:0"
_LINK: Final = re.compile(r"https?://[^\s<>\"'\\^`{|}\x00-\x1f\x7f]+", re.IGNORECASE)
_WHOLE: Final = bytes([100])
"""Outline of a recording as one part: its loudest sample is the loudest of all (docs/voice-notes.md)."""

_KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("image", "image/", IMAGE_BYTES_MAX),
        Kind("video", "video/", VIDEO_BYTES_MAX),
        Kind("audio", "audio/", AUDIO_BYTES_MAX),
        Kind("document", "", DOCUMENT_BYTES_MAX),
        Kind("sticker", "image/", STICKER_BYTES_MAX),
    )
}

_CAPTIONED: Final = frozenset({"image", "video", "document"})


async def draft_file(call: Call, kind: str, file: File, where: str = "") -> Draft:
    """
    Write a message with a file.

    Args:
        kind: Type of the message: `image`, `video`, `audio`, `document` or `sticker`.
        where: Path of the file in the request; the kind, when it is not said.

    Raises:
        GraphError: 131008 without a file, 131009 for an address that cannot be one, 131053 for a file that is not
            there, or not of the kind, or too large.
    """
    where = where or kind
    caption = bounded(file.caption, f"{where}.caption", CAPTION_LENGTH_MAX) if kind in _CAPTIONED else ""
    url, sharing = await shared_file(call, kind, file, where)
    body = f"{caption}\n{url}" if caption else url
    payload = element("x", _OOB, leaf("url", url)) + sharing
    if kind == "sticker":
        payload += element("sticker", _STICKERS)
    start = len(body) - len(url)
    payload += fallback(SHARING_NAMESPACE, start, len(body)) if caption else fallback(SHARING_NAMESPACE)
    return Draft(body, payload, may_quote=False)


async def shared_file(call: Call, kind: str, file: File, where: str) -> tuple[str, str]:
    """Return the address of a file, and the element that shares it (XEP-0447); errors as for `draft_file`."""
    if (file.id is None) == (file.link is None):
        if file.id is None:
            raise missing(f"{where}.id")
        raise wrong(where, "has both an id and a link")
    name = bounded(file.filename, f"{where}.filename", FILE_NAME_LENGTH_MAX)
    if file.link is None:
        return await _by_token(call, _KINDS[kind], file, name, parse_media_id(str(file.id)), where)
    url = checked_link(file.link, f"{where}.link")
    links, localpart = call.edge.links, call.number.number.localpart
    token = None if links is None else await links.token_of(localpart, url, _KINDS[kind])
    if token is None:
        return _by_link(kind, file, name, url)
    return await _by_token(call, _KINDS[kind], file, name, token, where)


def checked_link(link: str, where: str) -> str:
    """
    Return an address of a file or a page that people can open.

    Raises:
        GraphError: 131009.
    """
    bounded(link, where, LINK_LENGTH_MAX)
    try:
        parts = urlsplit(link)
        is_good = bool(_LINK.fullmatch(link) and parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # an IPv6 address or a port that is none
        is_good = False
    if not is_good:
        raise wrong(where, "is no address that begins with http:// or https://")
    return link


def _by_link(kind: str, file: File, name: str, url: str) -> tuple[str, str]:
    name = name or name_at(url)
    told = leaf("media-type", _guessed_type(kind, name)) + leaf("name", name) + _outline(kind, file, b"")
    described = element("file", FILE_NAMESPACE, told)
    sources = element("sources", "", element("url-data", URL_NAMESPACE, target=url))
    return url, element("file-sharing", SHARING_NAMESPACE, described + sources, disposition=_disposition(kind))


async def _by_token(call: Call, kind: Kind, file: File, name: str, token: bytes | None, where: str) -> tuple[str, str]:
    upload = None
    if token is not None:
        upload = cast("UploadView | None", await ask_freshly(call.node, UploadOf(token)))
    if token is None or upload is None or not upload.digest or upload.is_over:
        raise GraphError(Code.MEDIA_UPLOAD, f"{where}.id names no file; it may have expired, or was deleted.")
    if not upload.content_type.startswith(kind.beginning):
        raise GraphError(Code.MEDIA_UPLOAD, f"A file of type {upload.content_type} cannot be sent as {kind.name}.")
    if upload.size > kind.size_max:
        details = f"The file is larger than the {kind.size_max} bytes that {kind.name} may have."
        raise GraphError(Code.MEDIA_UPLOAD, details)
    description = cast("FileDescription | None", await call.node.ask(DescriptionOf(upload.digest)))
    url = f"{call.edge.files_url()}{upload_path(token, upload.name)}"
    metadata = metadata_of(upload._replace(name=name or upload.name), description, url)
    sharing = metadata_element(metadata).children[0]
    assert isinstance(sharing, Element)
    sharing.attributes["disposition"] = _disposition(kind.name)
    waveform = bytes(metadata.waveform)
    written = sharing.serialize().replace("</file>", f"{_outline(kind.name, file, waveform)}</file>", 1)
    return url, written


def _outline(kind: str, file: File, waveform: bytes) -> str:
    """Write what makes a sound a voice note: its outline, of one part while nobody has listened to it."""
    if kind != "audio" or not file.voice:
        return ""
    return element("waveform", VOICE_NAMESPACE, b64encode(waveform or _WHOLE).decode())


def _guessed_type(kind: str, name: str) -> str:
    """Guess the type of a file's content by the end of its name; empty when that is of another kind of message."""
    guessed = guess_type(name)[0] or ""
    return guessed if guessed.startswith(_KINDS[kind].beginning) else ""


def _disposition(kind: str) -> str:
    return "attachment" if kind == "document" else "inline"
