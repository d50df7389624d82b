"""
XEP-0363 HTTP File Upload: a client asks for a slot, puts its file there over HTTP, and sends the link to others.

The slot is a command, with chance in its address that was drawn before (machine/media/uploads.py); so any node takes
the file and any node serves it. What HTTP does is in gateway/uploads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.errors import Refused
from raftline.base.limits import UPLOAD_CONTENT_TYPE_SIZE_MAX, UPLOAD_NAME_SIZE_MAX
from raftline.machine.media.commands import RequestUploadSlot
from raftline.machine.media.uploads import UPLOAD_NAMESPACE
from raftline.xmpp.capabilities import INFO_NAMESPACE, ITEMS_NAMESPACE
from raftline.xmpp.data_forms import make_form
from raftline.xmpp.element import Element
from raftline.xmpp.file_metadata import MEDIA_NAMESPACE, offer
from raftline.xmpp.module import Declaration, Host
from raftline.xmpp.payloads import form_field, parse_timestamp, propose_or_refuse
from raftline.xmpp.upload_addresses import upload_path

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

LABEL: Final = "upload"
PURPOSE_NAMESPACE: Final = "urn:xmpp:http:upload:purpose:0"
PING_NAMESPACE: Final = "urn:xmpp:ping"

_SIZE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:[ \t]*;[\x20-\x7e\t]*)?")
_REORDERING: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that let the end of a name be shown elsewhere than it is."""

_SUFFIX_SIZE_MAX: Final = 32


class UploadService(NamedTuple):
    """
    What an operator offers.

    Attributes:
        base_url: Returns where files are put and read, without a path: `https://one.example.org`.
        draw_token: Draws UPLOAD_TOKEN_SIZE bytes of chance.
        size_max: Bytes of one file.
        bytes_max, file_count_max: Quotas of an account.
        keep_ms: Files are kept for so long; 0 for ever.
        refused_types: Media types that nobody may upload, as `text/html` or `application/*`, in small letters.
    """

    base_url: Callable[[], str]
    draw_token: Callable[[], bytes]
    size_max: int
    bytes_max: int
    file_count_max: int
    keep_ms: int = 0
    refused_types: tuple[str, ...] = ()


class _Wish(NamedTuple):
    """What a client asks a slot for."""

    name: str
    size: int
    content_type: str
    expire_before_ms: int


def register(modules: Modules, service: UploadService) -> None:
    """Add the host of uploads."""
    size_max = min(service.size_max, service.bytes_max)
    purposes = ["message", "ephemeral", *(["permanent"] if not service.keep_ms else [])]
    announced = (f"{PURPOSE_NAMESPACE}#{purpose}" for purpose in purposes)
    features = (INFO_NAMESPACE, ITEMS_NAMESPACE, PING_NAMESPACE, UPLOAD_NAMESPACE, MEDIA_NAMESPACE, *announced)

    def handle_info(_context: StreamContext, stanza: Stanza) -> Steps:
        """
        Describe the host, with the greatest size (section 3).

        Raises:
            Refused: `item-not-found` for a node.
        """
        yield from _require_no_node(stanza, INFO_NAMESPACE)
        identity = {"category": "store", "type": "file", "name": "HTTP File Upload"}
        return Element(
            "query",
            INFO_NAMESPACE,
            None,
            [
                Element("identity", INFO_NAMESPACE, identity),
                *(Element("feature", INFO_NAMESPACE, {"var": feature}) for feature in features),
                make_form("result", UPLOAD_NAMESPACE, [form_field("max-file-size", "text-single", str(size_max))]),
            ],
        )

    def handle_request(context: StreamContext, stanza: Stanza) -> Steps:
        """
        Open a slot (section 4).

        Raises:
            Refused: `forbidden` for anybody but the accounts of this service; `bad-request` for a wish that cannot be
                read; `not-acceptable` for a file that is too large or of a type that is refused; from apply:
                `resource-constraint` over a quota (section 6).
        """
        if context.jid.domain != context.domain:
            raise Refused("forbidden", "auth", "Only accounts of this service may upload files.")
        request = stanza.element.child("request", UPLOAD_NAMESPACE)
        assert request is not None, "dispatch found the payload by this name"
        wish = _read_wish(request)
        if wish.size > size_max:
            detail = f"{{{UPLOAD_NAMESPACE}}}file-too-large/max-file-size={size_max}"
            raise Refused("not-acceptable", "modify", f"File too large: at most {size_max} bytes.", detail)
        if is_refused_type(wish.content_type, service.refused_types):
            raise Refused("not-acceptable", "modify", f"Files of type {wish.content_type} are not taken here.")
        token = service.draw_token()
        yield from propose_or_refuse(
            RequestUploadSlot(
                token,
                *wish,
                keep_ms=service.keep_ms,
                bytes_max=service.bytes_max,
                file_count_max=service.file_count_max,
            )
        )
        url = service.base_url() + upload_path(token, wish.name)
        links: list[Element | str] = [Element(name, UPLOAD_NAMESPACE, {"url": url}) for name in ("put", "get")]
        return Element("slot", UPLOAD_NAMESPACE, None, links)

    modules.declare(Declaration(number=363, title="HTTP File Upload", version="1.2.0"))
    host = Host(LABEL, "HTTP File Upload")
    host.on_iq("host", "get", INFO_NAMESPACE, "query", handle_info)
    host.on_iq("host", "get", ITEMS_NAMESPACE, "query", _handle_items)
    host.on_iq("host", "get", PING_NAMESPACE, "ping", _handle_ping)
    host.on_iq("host", "get", UPLOAD_NAMESPACE, "request", handle_request)
    offer(host, service.base_url)
    modules.add_host(host)


def clean_name(text: str) -> str:
    """
    Return a file's name without directories, control characters and tricks, shortened before its ending if need be.

    Raises:
        ValueError: Nothing is left of it.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", text))[-1]
    name = "".join(character for character in last if _is_plain(character)).strip()
    if not name.strip("."):
        raise ValueError("no name for a file")
    if len(name.encode()) <= UPLOAD_NAME_SIZE_MAX:
        return name
    stem, dot, ending = name.rpartition(".")
    suffix = dot + ending if stem and len(ending.encode()) < _SUFFIX_SIZE_MAX else ""
    whole = name.removesuffix(suffix).encode()[: UPLOAD_NAME_SIZE_MAX - len(suffix.encode())]
    return whole.decode(errors="ignore") + suffix


def media_type_of(text: str) -> str:
    """
    Return a media type as it was written, without white space around it; empty for none (RFC 9110 section 8.3.1).

    Raises:
        ValueError: It is none.
    """
    text = text.strip()
    if text and (len(text) > UPLOAD_CONTENT_TYPE_SIZE_MAX or not _MEDIA_TYPE.fullmatch(text)):
        raise ValueError("no media type")
    return text


def essence_of(media_type: str) -> str:
    """Return type and subtype in small letters, without parameters."""
    return media_type.partition(";")[0].strip().lower()


def is_refused_type(media_type: str, refused: tuple[str, ...]) -> bool:
    """Whether a media type is on an operator's list."""
    essence = essence_of(media_type)
    return essence in refused or f"{essence.partition('/')[0]}/*" in refused


def _is_plain(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"} and character not in _REORDERING


def _read_wish(request: Element) -> _Wish:
    size = request.get("size") or ""
    if not _SIZE.fullmatch(size) or not int(size):
        raise Refused("bad-request", "modify", "The size is not a number of bytes.")
    try:
        name = clean_name(request.get("filename") or "")
    except ValueError:
        raise Refused("bad-request", "modify", "The file has no name.") from None
    try:
        content_type = media_type_of(request.get("content-type") or "")
    except ValueError:
        raise Refused("bad-request", "modify", "The content type is none.") from None
    ephemeral = request.child("ephemeral", PURPOSE_NAMESPACE)
    if ephemeral is None:
        return _Wish(name, int(size), content_type, 0)
    try:
        # One that is not after 1970 is not after now.
        expire_before_ms = max(parse_timestamp(ephemeral.get("expire-before") or ""), 1)
    except ValueError:
        raise Refused("bad-request", "modify", "It is not said when the file expires.") from None
    return _Wish(name, int(size), content_type, expire_before_ms)


def _handle_items(_context: StreamContext, stanza: Stanza) -> Steps:
    yield from _require_no_node(stanza, ITEMS_NAMESPACE)
    return Element("query", ITEMS_NAMESPACE)


def _handle_ping(_context: StreamContext, _stanza: Stanza) -> Steps:
    yield from ()  # a handler that asks for nothing
    return None


def _require_no_node(stanza: Stanza, namespace: str) -> Steps:
    query = stanza.element.child("query", namespace)
    assert query is not None, "dispatch found the payload by this name"
    if query.get("node"):
        raise Refused("item-not-found", "cancel", "There is no such node.")
    yield from ()
