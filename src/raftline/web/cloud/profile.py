"""
What a business says of itself at a number, and the card that people see of it (XEP-0054).

    GET  /P/whatsapp_business_profile?fields=…   {"data": [{"vertical", …, "messaging_product"}]}
    POST /P/whatsapp_business_profile            any of about, address, description, email, vertical, websites,
                                                 profile_picture_handle → {"success": true}

An empty text takes a field away, and what is not named stays. The number's account gets a card that says the same, with
the verified name; so devices of people see the picture and all else as of anybody, without knowing what a business is.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from typing import Annotated, Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from raftline.base.cloud_limits import CLOUD_PROFILE_PICTURE_BYTES_MAX, CLOUD_PROFILE_PICTURE_WAIT_S
from raftline.machine.business.commands import ChangeNumber, DeleteNumberFile
from raftline.machine.business.tables import Number
from raftline.machine.commands import ActForNumber, SetVcard
from raftline.machine.media.queries import DescriptionOf
from raftline.machine.media.tables import FileDescription
from raftline.machine.media.values import UploadView
from raftline.web.cloud.access import MANAGEMENT
from raftline.web.cloud.bodies import chosen, has_forbidden, require_product
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.cards import NO_VERTICAL, card_of, holder, profile_of, text_element
from raftline.web.cloud.errors import Code, GraphError, graph_reply, unavailable, wrong
from raftline.web.cloud.filing import FileLabel, StoredFile
from raftline.web.cloud.numbers import fresh_number
from raftline.web.cloud.uploads import parse_handle
from raftline.web.replies import require_done
from raftline.xmpp.avatars import take_photo
from raftline.xmpp.element import Element
from raftline.xmpp.xeps.xep_0363_http_upload import essence_of

LENGTHS: Final[dict[str, int]] = {"about": 139, "address": 256, "description": 512, "email": 128}
"""Greatest number of characters of each text."""

WEBSITE_COUNT_MAX: Final = 2
WEBSITE_LENGTH_MAX: Final = 256

VERTICALS: Final = frozenset(
    {
        "UNDEFINED",
        "OTHER",
        "AUTO",
        "BEAUTY",
        "APPAREL",
        "EDU",
        "ENTERTAIN",
        "EVENT_PLAN",
        "FINANCE",
        "GROCERY",
        "GOVT",
        "HOTEL",
        "HEALTH",
        "NONPROFIT",
        "PROF_SERVICES",
        "RETAIL",
        "TRAVEL",
        "RESTAURANT",
        "NOT_A_BIZ",
    }
)
"""What a business can be in."""

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_WEBSITE: Final = re.compile(r"https?://[^\s]+", re.IGNORECASE)
_PICTURE_TYPES: Final = ("image/jpeg", "image/png")
_CARD_PICTURE_BYTES_MAX: Final = 65_536
_LOOK_S: Final = 0.02


_Text = str | None | UnsetType


class ProfileBody(msgspec.Struct, frozen=True):
    """What is to change; null is as good as an empty text."""

    messaging_product: str | None = None
    about: _Text = UNSET
    address: _Text = UNSET
    description: _Text = UNSET
    email: _Text = UNSET
    vertical: _Text = UNSET
    websites: Annotated[list[str], msgspec.Meta(max_length=100)] | str | UnsetType | None = UNSET
    profile_picture_handle: _Text = UNSET


async def show_profile(call: Call) -> Response:
    """Tell of a profile."""
    profile = profile_of(await fresh_number(call))
    shown: dict[str, object] = {name: getattr(profile, name) for name in LENGTHS if getattr(profile, name)}
    if profile.websites:
        shown["websites"] = profile.websites
    if profile.picture:
        token, name = profile.picture
        shown["profile_picture_url"] = call.edge.required_filing.url_of(bytes.fromhex(token), name)
    fields = call.query.get("fields")
    # Clients rely on these two, whether they asked for them or not.
    certain = {"vertical": profile.vertical, "messaging_product": "whatsapp"}
    return graph_reply({"data": [{**chosen(shown, fields), **certain}]})


async def change_profile(call: Call) -> Response:
    """Change what is named of a profile, and the card that goes with it."""
    body = await call.json(ProfileBody)
    require_product(body.messaging_product)
    changes = _checked(body)
    number = await fresh_number(call)
    before = profile_of(number)
    photo: Element | None = None
    if not isinstance(body.profile_picture_handle, UnsetType):
        changes["picture"], photo = await _picture(call, number, body.profile_picture_handle or "")
    profile = msgspec.structs.replace(before, **changes)
    action = ChangeNumber(number.number_id, call.actor, profile=msgspec.json.encode(profile))
    require_done(await call.node.execute(action, key=call.edge.entropy(16)))
    card = card_of(number, profile)
    if photo is not None:
        card.children.append(photo)
    vcard = ActForNumber(number.localpart, SetVcard(card.to_bytes(""), take_photo(card)))
    require_done(await call.node.execute(vcard, key=call.edge.entropy(16)))
    if before.picture and before.picture != profile.picture:
        # It may be gone already, with its time or by another request: nothing is to be done then.
        old = DeleteNumberFile(number.localpart, bytes.fromhex(before.picture[0]))
        await call.node.execute(old, key=call.edge.entropy(16))
    return graph_reply({"success": True})


def _checked(body: ProfileBody) -> dict[str, Any]:
    """Return what is to be replaced in the profile, but for the picture."""
    changes: dict[str, Any] = {}
    for name, length_max in LENGTHS.items():
        text = getattr(body, name)
        if isinstance(text, UnsetType):
            continue
        if text and len(text) > length_max:
            raise wrong(name, f"has more than {length_max} characters")
        if text and has_forbidden(text):
            raise wrong(name, "has characters that no card may have")
        changes[name] = text or ""
    if changes.get("email") and not _EMAIL.fullmatch(changes["email"]):
        raise wrong("email", "is no address")
    if not isinstance(body.vertical, UnsetType):
        vertical = (body.vertical or NO_VERTICAL).upper()
        if vertical not in VERTICALS:
            raise wrong("vertical", f"must be one of {', '.join(sorted(VERTICALS))}")
        changes["vertical"] = vertical
    if not isinstance(body.websites, UnsetType):
        changes["websites"] = _websites([body.websites] if isinstance(body.websites, str) else body.websites or [])
    return changes


def _websites(addresses: list[str]) -> tuple[str, ...]:
    said = tuple(address for address in addresses if address)
    if len(said) > WEBSITE_COUNT_MAX:
        raise wrong("websites", f"has more than {WEBSITE_COUNT_MAX} addresses")
    if any(len(address) > WEBSITE_LENGTH_MAX for address in said):
        raise wrong("websites", f"has an address of more than {WEBSITE_LENGTH_MAX} characters")
    if any(_WEBSITE.fullmatch(address) is None or has_forbidden(address) for address in said):
        raise wrong("websites", "has an address that does not begin with http:// or https://")
    return said


async def _picture(call: Call, number: Number, handle: str) -> tuple[tuple[str, ...], Element]:
    """Return a picture as the profile keeps it, and the part of the card that shows it; an empty handle is for none."""
    if not handle:
        return (), holder("PHOTO", text_element("BINVAL"))
    token, filing = parse_handle(handle), call.edge.required_filing
    found = None if token is None else await filing.find(token, call.edge.wall_ms())
    if found is None:
        raise wrong("profile_picture_handle", "is no handle of a file that is here")
    if essence_of(found.content_type) not in _PICTURE_TYPES:
        raise GraphError(Code.MEDIA_UPLOAD, f"The picture must be of type {' or '.join(_PICTURE_TYPES)}.")
    if found.size > CLOUD_PROFILE_PICTURE_BYTES_MAX:
        raise GraphError(Code.MEDIA_UPLOAD, f"The picture has more than {CLOUD_PROFILE_PICTURE_BYTES_MAX} bytes.")
    photo = await _photo(call, found)
    # The handle ends some day, and the profile does not: it has a file of its own with the same bytes.
    label = FileLabel(found.name, found.content_type)
    kept = await filing.own(number.localpart, StoredFile(found.digest, found.size), label)
    return (kept.hex(), found.name), photo


async def _photo(call: Call, found: UploadView) -> Element:
    digest, size, kind = found.digest, found.size, essence_of(found.content_type)
    if size > _CARD_PICTURE_BYTES_MAX:
        small = await _made_small(call, digest)
        digest, size, kind = small.thumbnail, small.thumbnail_size, essence_of(small.thumbnail_type)
    await call.files.ensure(digest, size)
    data = await call.files.read(digest, 0, size)
    return holder("PHOTO", text_element("TYPE", kind), text_element("BINVAL", b64encode(data).decode()))


async def _made_small(call: Call, digest: bytes) -> FileDescription:
    """Wait until the picture was looked into, which was begun when it was uploaded; return what came of it."""
    try:
        async with asyncio.timeout(CLOUD_PROFILE_PICTURE_WAIT_S):
            # A description becomes state on whichever node makes it, and the state calls nobody back.
            while (found := await call.node.ask(DescriptionOf(digest))) is None:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise unavailable("The picture has not been made small yet; try again.") from None
    description = cast("FileDescription", found)
    if not description.thumbnail or description.thumbnail_size > _CARD_PICTURE_BYTES_MAX:
        details = f"The file is no picture that can be shown in {_CARD_PICTURE_BYTES_MAX} bytes."
        raise GraphError(Code.MEDIA_UPLOAD, details)
    return description


ENDPOINTS: Final = (
    Endpoint("GET", Subject.NUMBER, ("whatsapp_business_profile",), show_profile, MANAGEMENT),
    Endpoint("POST", Subject.NUMBER, ("whatsapp_business_profile",), change_profile, MANAGEMENT),
)
"""What this file serves."""
