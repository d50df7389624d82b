"""
The file that a message shares, as a webhook tells of it.

A file is told by its id when it was uploaded here, so that the program can fetch it through this API. Whose upload it
is, the token in its address says: it is 16 bytes of chance, under whichever name of this service. What lies elsewhere
stays the text that it is, with its address.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from raftline.machine.business.ids import media_id
from raftline.xmpp.file_metadata import FILE_NAMESPACE, SHARING_NAMESPACE, URL_NAMESPACE
from raftline.xmpp.stanza import parse_stanza
from raftline.xmpp.upload_addresses import UPLOAD_PATH, token_of

if TYPE_CHECKING:
    from raftline.machine.media.values import UploadView
    from raftline.xmpp.element import Element

OOB_NAMESPACE: Final = "jabber:x:oob"
STICKER_NAMESPACE: Final = "urn:xmpp:stickers:0"
VOICE_NAMESPACE: Final = "urn:raftline:voice:0"

UNKNOWN_TYPE: Final = "application/octet-stream"

_ADDRESS: Final = re.compile(rf"https?://[^/\s?#]+[^\s?#]*{UPLOAD_PATH}([0-9a-f]+)/[^\s?#/]*")
_KINDS: Final = ("image", "video", "audio")

Uploads = Mapping[bytes, "UploadView"]
"""What is known of files, by the token of the upload."""


class SharedFile(NamedTuple):
    """
    A file as a message speaks of it.

    Attributes:
        url: Where it is; empty when the message does not say.
        media_type, name: As the sender says; empty when not.
        caption: What the sender says of it.
        is_voice: It has the outline of a voice note.
    """

    url: str
    media_type: str = ""
    name: str = ""
    caption: str = ""
    is_voice: bool = False

    @property
    def token(self) -> bytes | None:
        """Token of the upload that the address names; None for an address of elsewhere."""
        match = _ADDRESS.fullmatch(self.url)
        return None if match is None else token_of(match[1])


def shared_files(message: Element) -> list[SharedFile]:
    """Return the files that a message shares (XEP-0447, XEP-0066), the first one first, each once."""
    found = [_described(child) for child in message.elements() if _is(child, "file-sharing", SHARING_NAMESPACE)]
    known = {file.url for file in found}
    for child in message.elements():
        if _is(child, "x", OOB_NAMESPACE):
            url = _text(child, "url", OOB_NAMESPACE)
            if url and url not in known:
                found.append(SharedFile(url, caption=_text(child, "desc", OOB_NAMESPACE)))
                known.add(url)
    return [file for file in found if file.url]


def tokens_of(stanza: bytes | None) -> list[bytes]:
    """Return the tokens of uploads that a message may be told with; the state says which of them there are."""
    if stanza is None or UPLOAD_PATH.encode() not in stanza:
        return []
    return list(_tokens_in(parse_stanza(stanza).element))


def _tokens_in(message: Element) -> Iterator[bytes]:
    body = message.child("body", message.namespace)
    text = "" if body is None else body.text.strip()
    for file in (*shared_files(message), SharedFile(text)):
        token = file.token
        if token is not None:
            yield token


def media_content(file: SharedFile, token: bytes, upload: UploadView, *, is_sticker: bool) -> dict[str, Any]:
    """Write what a webhook says of an uploaded file, under its type."""
    media_type = upload.content_type
    if media_type in {"", UNKNOWN_TYPE} and file.media_type:
        media_type = file.media_type
    media_type = media_type or UNKNOWN_TYPE
    media: dict[str, Any] = {
        "id": media_id(token),
        "mime_type": media_type,
        "sha256": b64encode(upload.digest).decode(),
    }
    kind = media_type.partition("/")[0]
    if is_sticker:
        return {"type": "sticker", "sticker": {**media, "animated": False}}
    if kind not in _KINDS:
        kind = "document"
        media["filename"] = file.name or upload.name
    if kind == "audio":
        media["voice"] = file.is_voice
    elif file.caption:
        media["caption"] = file.caption
    return {"type": kind, kind: media}


def _described(sharing: Element) -> SharedFile:
    described = sharing.child("file", FILE_NAMESPACE)
    sources = sharing.child("sources", SHARING_NAMESPACE)
    data = None if sources is None else sources.child("url-data", URL_NAMESPACE)
    url = "" if data is None else (data.get("target") or "")
    if described is None:
        return SharedFile(url)
    return SharedFile(
        url,
        _text(described, "media-type", FILE_NAMESPACE),
        _text(described, "name", FILE_NAMESPACE),
        _text(described, "desc", FILE_NAMESPACE),
        is_voice=described.child("waveform", VOICE_NAMESPACE) is not None,
    )


def _is(child: Element, name: str, namespace: str) -> bool:
    return child.name == name and child.namespace == namespace


def _text(parent: Element, name: str, namespace: str) -> str:
    child = parent.child(name, namespace)
    return "" if child is None else child.text.strip()
