"""
What is known of an uploaded file, for clients that share it: docs/media.md, `urn:raftline:media:0`.

The `<file-sharing/>` (XEP-0447) is ready to be sent on: metadata (XEP-0446) with a thumbnail (XEP-0264), and the
address as source. What no XEP has a place for, the waveform of a sound, stands beside it. Over HTTP the same is given
as XML and as JSON (gateway/uploads).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from raftline.base.errors import Refused
from raftline.machine.media.queries import DescriptionOf, UploadOf
from raftline.machine.media.tables import FileDescription
from raftline.machine.media.values import UploadView
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element
from raftline.xmpp.upload_addresses import THUMBNAIL_QUERY, UPLOAD_PATH, percent_encoded, token_of

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Host, StreamContext
    from raftline.xmpp.stanza import Stanza

MEDIA_NAMESPACE: Final = "urn:raftline:media:0"
SHARING_NAMESPACE: Final = "urn:xmpp:sfs:0"
FILE_NAMESPACE: Final = "urn:xmpp:file:metadata:0"
THUMBNAIL_NAMESPACE: Final = "urn:xmpp:thumbs:1"
HASH_NAMESPACE: Final = "urn:xmpp:hashes:2"
URL_NAMESPACE: Final = "http://jabber.org/protocol/url-data"

DESCRIBED: Final = "described"
PENDING: Final = "pending"
NONE: Final = "none"


class Thumbnail(msgspec.Struct, frozen=True):
    """A small picture of a file."""

    url: str
    media_type: str
    width: int
    height: int


class FileMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What is known of a file; it is written to JSON as it stands here.

    Attributes:
        state: `described`; `pending` while somebody looks into the file; `none` where nothing was found out.
        reason: Of `none`: one of machine.media.descriptions.LACKS.
        sha256: In hexadecimal digits.
        width, height: Pixels.
        length_ms: Of sound and film.
        waveform: Of sound: how loud its parts are, from 0 to 100.
    """

    state: str
    url: str
    name: str
    size: int
    media_type: str
    sha256: str
    reason: str = ""
    width: int = 0
    height: int = 0
    length_ms: int = 0
    waveform: tuple[int, ...] = ()
    thumbnail: Thumbnail | None = None


def metadata_of(upload: UploadView, description: FileDescription | None, url: str) -> FileMetadata:
    """Join what is known of an upload and of its content."""
    known = description or FileDescription(upload.digest)
    state = PENDING if description is None else NONE if known.lack else DESCRIBED
    thumbnail = None
    if known.thumbnail:
        address = f"{url}?{THUMBNAIL_QUERY}"
        thumbnail = Thumbnail(address, known.thumbnail_type, known.thumbnail_width, known.thumbnail_height)
    return FileMetadata(
        state,
        url,
        upload.name,
        upload.size,
        upload.content_type,
        upload.digest.hex(),
        reason=known.lack,
        width=known.width,
        height=known.height,
        length_ms=known.duration_ms,
        waveform=tuple(known.waveform),
        thumbnail=thumbnail,
    )


def metadata_element(metadata: FileMetadata) -> Element:
    """Write metadata as XML."""
    source = Element("url-data", URL_NAMESPACE, {"target": metadata.url})
    sharing = Element(
        "file-sharing",
        SHARING_NAMESPACE,
        None,
        [_file_element(metadata), Element("sources", SHARING_NAMESPACE, None, [source])],
    )
    children: list[Element | str] = [sharing]
    if metadata.waveform:
        children.append(Element("waveform", MEDIA_NAMESPACE, None, [" ".join(map(str, metadata.waveform))]))
    attributes = {"url": metadata.url, "state": metadata.state}
    if metadata.reason:
        attributes["reason"] = metadata.reason
    return Element("metadata", MEDIA_NAMESPACE, attributes, children)


def _file_element(metadata: FileMetadata) -> Element:
    told = {
        "media-type": metadata.media_type,
        "name": metadata.name,
        "size": str(metadata.size),
        "width": str(metadata.width or ""),
        "height": str(metadata.height or ""),
        "length": str(metadata.length_ms or ""),
    }
    children: list[Element | str] = [Element(name, FILE_NAMESPACE, None, [text]) for name, text in told.items() if text]
    digest = binascii.b2a_base64(bytes.fromhex(metadata.sha256), newline=False).decode()
    children.append(Element("hash", HASH_NAMESPACE, {"algo": "sha-256"}, [digest]))
    if metadata.thumbnail is not None:
        attributes = {
            "uri": metadata.thumbnail.url,
            "media-type": metadata.thumbnail.media_type,
            "width": str(metadata.thumbnail.width),
            "height": str(metadata.thumbnail.height),
        }
        children.append(Element("thumbnail", THUMBNAIL_NAMESPACE, attributes))
    return Element("file", FILE_NAMESPACE, None, children)


def offer(host: Host, base_url: Callable[[], str]) -> None:
    """Let the host of uploads tell what is known of a file to whoever knows its address."""

    def handle_metadata(_context: StreamContext, stanza: Stanza) -> Steps:
        """
        Tell what is known of the file at an address.

        Raises:
            Refused: `bad-request` for what is no address of a file here, `item-not-found` for one without a file.
        """
        request = stanza.element.child("metadata", MEDIA_NAMESPACE)
        assert request is not None, "dispatch found the payload by this name"
        path = (request.get("url") or "").partition(UPLOAD_PATH)[2]
        digits, _, name = path.partition("/")
        token = token_of(digits)
        if token is None:
            raise Refused("bad-request", "modify", "This is no address of an uploaded file.")
        upload: UploadView | None = yield from ask(UploadOf(token), UploadView)
        if upload is None or not upload.digest or upload.is_over or percent_encoded(upload.name) != name:
            raise Refused("item-not-found", "cancel", "There is no such file.")
        description: FileDescription | None = yield from ask(DescriptionOf(upload.digest), FileDescription)
        url = f"{base_url()}{UPLOAD_PATH}{path}"
        return metadata_element(metadata_of(upload, description, url))

    host.on_iq("host", "get", MEDIA_NAMESPACE, "metadata", handle_metadata)
