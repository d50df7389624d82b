"""
Uploads in two steps, for pictures of profiles and examples of templates; what comes of one is a handle.

    POST /A/uploads?file_length=N&file_type=T&file_name=F   {"id": "upload:…"}
    POST /upload:…   the bytes; header file_offset          {"h": "4:…"}
    GET  /upload:…                                          {"id", "file_offset"}

No node keeps a session: its id says what is to come and is signed with the application's secret, so it goes on at any
node. A file is taken whole. Of one that broke off nothing is kept, the offset is 0 again, and that is where clients
which ask for it begin. Who did not hear the handle sends the same again and gets the same one.

The file belongs to the business's first number, for 30 days.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b, sha256
from typing import Final, NamedTuple, cast

import msgspec
from starlette.responses import Response

from raftline.base.cloud_limits import CLOUD_MEDIA_TTL_MINUTES_MAX, CLOUD_UPLOAD_SESSION_AGE_MAX_MS
from raftline.base.limits import UPLOAD_TOKEN_SIZE
from raftline.machine.business.ids import media_id, parse_media_id
from raftline.machine.business.queries import AppNamed
from raftline.machine.business.tables import App
from raftline.machine.business.values import AppView
from raftline.node.intake import gathered
from raftline.web.cloud.access import MANAGEMENT, ask_freshly, require_own
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import Code, GraphError, graph_reply, missing, unknown_object, wrong
from raftline.web.cloud.filing import FileLabel, StoredFile, minutes_ms, require_size, upload_failures
from raftline.web.cloud.forms import drain, paced
from raftline.web.cloud.media import DOCUMENT_SIZE_MAX
from raftline.web.cloud.numbers import fresh_business

_MAC_SIZE: Final = 16
_NONCE_SIZE: Final = 8
_SIZE_DIGITS_MAX: Final = 12
_HANDLE: Final = "4:"
_PERSON: Final = b"raftline-upload"


class Announced(msgspec.Struct, frozen=True, array_like=True):
    """What the id of a session says."""

    app_id: int
    size: int
    content_type: str
    name: str
    due_ms: int
    nonce: bytes


class _Session(NamedTuple):
    announced: Announced
    app: App
    token: bytes


async def begin_upload(call: Call) -> Response:
    """Begin a session."""
    query = call.query
    for name in ("file_length", "file_type"):
        if not query.get(name):
            raise missing(name)
    length = query["file_length"]
    if not (length.isascii() and length.isdigit() and len(length) <= _SIZE_DIGITS_MAX and int(length)):
        raise wrong("file_length", "must be a number of bytes from 1 on")
    require_size(int(length), DOCUMENT_SIZE_MAX)
    label = call.edge.required_filing.label(query.get("file_name", ""), query["file_type"])
    assert isinstance(call.named, int), "an application is named by its number"
    announced = Announced(
        call.named,
        int(length),
        label.content_type,
        label.name,
        call.edge.wall_ms() + CLOUD_UPLOAD_SESSION_AGE_MAX_MS,
        call.edge.entropy(_NONCE_SIZE),
    )
    app = await _app_of(call, announced.app_id)
    content = msgspec.msgpack.encode(announced)
    text = urlsafe_b64encode(_sign(app, content) + content).decode().rstrip("=")
    return graph_reply({"id": f"upload:{text}"})


async def continue_upload(call: Call) -> Response:
    """Take the bytes of a session."""
    session = await _session_of(call)
    filing, announced, chunks = call.edge.required_filing, session.announced, paced(call.request.stream())
    offset = call.request.headers.get("file_offset", "0")
    known = await filing.slot(session.token)
    if known is not None and known.digest:
        await drain(chunks)
        return graph_reply({"h": handle_of(session.token)})
    if offset != "0":
        raise wrong("file_offset", "must be what GET says: 0, as nothing is kept of a file that broke off")
    owner = await _owner_of(call)
    label = FileLabel(announced.name, announced.content_type)
    draft = await filing.begin(announced.size)
    try:
        size = 0
        with upload_failures():
            async for chunk in gathered(chunks):
                size += len(chunk)
                require_size(size, announced.size)
                await draft.write(chunk)
        if size != announced.size:
            details = f"{size} bytes came, {announced.size} were announced. Nothing is kept; begin at 0."
            raise GraphError(Code.MEDIA_UPLOAD, details)
        with upload_failures():
            file = StoredFile(await draft.keep(), size)
        if known is None:
            keep_ms = minutes_ms(CLOUD_MEDIA_TTL_MINUTES_MAX)
            await filing.own(owner, file, label, keep_ms=keep_ms, token=session.token)
        else:
            await filing.fill(session.token, file, label)
    finally:
        await filing.end(draft)
    return graph_reply({"h": handle_of(session.token)})


async def show_upload(call: Call) -> Response:
    """Tell how far a session has come: all or nothing."""
    session = await _session_of(call)
    known = await call.edge.required_filing.slot(session.token)
    offset = known.size if known is not None and known.digest else 0
    return graph_reply({"id": call.parts[0], "file_offset": offset})


def handle_of(token: bytes) -> str:
    """Write the handle of a file."""
    return _HANDLE + media_id(token)


def parse_handle(text: str) -> bytes | None:
    """Return the token of the file that a handle, or the id of a file, stands for; None for anything else."""
    return parse_media_id(text.removeprefix(_HANDLE))


async def _session_of(call: Call) -> _Session:
    """
    Read the id of a session.

    Raises:
        GraphError: 100 with subcode 33, it is none of ours or too old; 10, it is of another business.
    """
    assert isinstance(call.named, str), "a session is named by a text"
    text = call.named
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        announced = msgspec.msgpack.decode(raw[_MAC_SIZE:], type=Announced)
    except (ValueError, msgspec.DecodeError):
        raise unknown_object(call.parts[0]) from None
    app = await _app_of(call, announced.app_id)
    if not hmac.compare_digest(_sign(app, raw[_MAC_SIZE:]), raw[:_MAC_SIZE]):
        raise unknown_object(call.parts[0])
    require_own(call.token, app.business_id, call.parts[0])
    if announced.due_ms <= call.edge.wall_ms():
        raise unknown_object(call.parts[0])
    token = blake2b(raw, key=app.secret, digest_size=UPLOAD_TOKEN_SIZE, person=_PERSON).digest()
    return _Session(announced, app, token)


async def _app_of(call: Call, app_id: int) -> App:
    found = cast("AppView | None", await ask_freshly(call.node, AppNamed(app_id)))
    if found is None:
        raise unknown_object(call.parts[0])
    return found.app


async def _owner_of(call: Call) -> str:
    numbers = (await fresh_business(call)).numbers
    if not numbers:
        raise GraphError(Code.MEDIA_UPLOAD, "The business has no number that could own the file.")
    return min(numbers, key=lambda number: number.number_id).localpart


def _sign(app: App, content: bytes) -> bytes:
    return hmac.new(app.secret, b"upload session" + content, sha256).digest()[:_MAC_SIZE]


ENDPOINTS: Final = (
    Endpoint("POST", Subject.APP, ("uploads",), begin_upload, MANAGEMENT),
    Endpoint("POST", Subject.UPLOAD, (), continue_upload, MANAGEMENT),
    Endpoint("GET", Subject.UPLOAD, (), show_upload, MANAGEMENT),
)
"""What this file serves."""
