"""
Groups that numbers lead: made, shown, changed, deleted.

    POST   /P/groups  {"messaging_product", "subject", "description"?, "join_approval_mode"?} → {"request_id", "id"}
    GET    /P/groups  {"data": [group…], "paging"}
    GET    /G         {"id", "subject", "description"?, "creation_timestamp", "suspended", "total_participant_count",
                      "participants": [{"wa_id"?, "user_id"}], "join_approval_mode"}
    POST   /G         {"subject"?, "description"?}, or a form that may have the file `profile_picture_file` as well
                      → {"request_id"}
    DELETE /G         {"request_id"}

All of it is done when it is answered; `request_id` stands in the event that tells of it as well. A group is a room
(docs/groups.md), the business its owner; people come by its link (group_doors.py). It is seen by a business as long as
one of its numbers is a member, also if people made it and it is theirs.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final, cast

import msgspec
from starlette.responses import Response

from raftline.base.business_limits import GROUP_DESCRIPTION_LENGTH_MAX, GROUP_SUBJECT_LENGTH_MAX
from raftline.base.cloud_limits import GROUP_PAGE_COUNT_MAX, GROUP_PICTURE_BYTES_MAX, GROUP_PICTURE_SIDE_MIN
from raftline.base.errors import Refused
from raftline.machine.business.group_commands import ChangeGroup, CreateGroup, DeleteGroup
from raftline.machine.business.group_queries import GroupsNamed, GroupsOf
from raftline.machine.business.group_values import GroupView
from raftline.machine.business.ids import group_id
from raftline.web.cloud.access import MESSAGING
from raftline.web.cloud.bodies import chosen, require_product
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import Code, GraphError, graph_reply, missing, wrong
from raftline.web.cloud.forms import Part, read_form
from raftline.web.cloud.group_views import (
    APPROVAL_REQUIRED,
    AUTO_APPROVE,
    carry_out,
    find_group,
    key_of,
    request_id_of,
    room_of,
    shown_group,
)
from raftline.web.cloud.paging import listed, page_of
from raftline.web.cloud.pictures import side_lengths

_SECRET_BYTES: Final = 16
_PICTURE: Final = "profile_picture_file"


class NewGroup(msgspec.Struct, frozen=True):
    """Body of a group that is to be made."""

    messaging_product: str | None = None
    subject: str | None = None
    description: str | None = None
    join_approval_mode: str | None = None


class GroupChange(msgspec.Struct, frozen=True):
    """What is to be different; null for what stays."""

    messaging_product: str | None = None
    subject: str | None = None
    description: str | None = None


class _Picture:
    """Takes the picture of a form."""

    def __init__(self) -> None:
        self.data: bytes | None = None

    async def open(self, _part: Part) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        assert self.data is not None
        self.data += data
        if len(self.data) > GROUP_PICTURE_BYTES_MAX:
            raise wrong(_PICTURE, f"has more than {GROUP_PICTURE_BYTES_MAX} bytes")


async def create_group(call: Call) -> Response:
    """Make a group."""
    body = await call.json(NewGroup)
    require_product(body.messaging_product)
    subject = _subject(body.subject)
    if subject is None:
        raise missing("subject")
    mode = AUTO_APPROVE if body.join_approval_mode is None else body.join_approval_mode
    if mode not in {AUTO_APPROVE, APPROVAL_REQUIRED}:
        raise wrong("join_approval_mode", f"is neither {AUTO_APPROVE} nor {APPROVAL_REQUIRED}")
    key = key_of(call)
    action = CreateGroup(
        call.number.number.localpart,
        room_of(key),
        call.edge.entropy(_SECRET_BYTES),
        subject,
        request_id_of(key),
        _description(body.description) or "",
        mode == APPROVAL_REQUIRED,
    )
    try:
        reply = await carry_out(call, action, key)
    except Refused as error:
        if error.condition == "resource-constraint":
            raise GraphError(Code.GROUP_CREATION_LIMIT, str(error)) from error
        raise
    return graph_reply(reply | {"id": group_id(action.room)})


async def list_groups(call: Call) -> Response:
    """Show the groups of a number, a page at a time."""
    node, localpart = call.node, call.number.number.localpart
    await node.barrier()
    rooms = cast("list[str]", await node.ask(GroupsOf(localpart)))
    try:
        names, paging = page_of(call, rooms, lambda name: name, GROUP_PAGE_COUNT_MAX)
    except GraphError as error:
        if error.code == Code.INVALID_PARAMETER:
            raise GraphError(Code.GROUP_CURSOR, error.details) from error
        raise
    views = cast("list[GroupView]", await node.ask(GroupsNamed(localpart, tuple(names))))
    fields = call.query.get("fields")
    return graph_reply(listed([chosen(shown_group(view), fields) for view in views], paging))


async def show_group(call: Call) -> Response:
    """Show a group."""
    return graph_reply(chosen(shown_group(await find_group(call)), call.query.get("fields")))


async def change_group(call: Call) -> Response:
    """Give a group another name, description, picture."""
    body, picture = await _read_change(call)
    if body.messaging_product is not None:
        require_product(body.messaging_product)
    subject, description = _subject(body.subject), _description(body.description)
    card = None if picture is None else _card(picture)
    if subject is None and description is None and card is None:
        raise missing("subject")
    view = await find_group(call)
    key = key_of(call)
    digest = "" if picture is None else hashlib.sha1(picture, usedforsecurity=False).hexdigest()
    action = ChangeGroup(view.number.localpart, view.room, request_id_of(key), subject, description, card, digest)
    return graph_reply(await carry_out(call, action, key))


async def delete_group(call: Call) -> Response:
    """Delete a group."""
    view = await find_group(call)
    key = key_of(call)
    return graph_reply(await carry_out(call, DeleteGroup(view.number.localpart, view.room, request_id_of(key)), key))


async def _read_change(call: Call) -> tuple[GroupChange, bytes | None]:
    """Read a body, be it JSON or a form."""
    if not call.request.headers.get("content-type", "").lower().startswith("multipart/"):
        return await call.json(GroupChange), None
    picture = _Picture()
    values = await read_form(call.request, picture, _PICTURE)
    known = {name: value for name, value in values.items() if name in GroupChange.__struct_fields__}
    return GroupChange(**known), picture.data


def _subject(text: str | None) -> str | None:
    """Return the name of a group without white space around it; None for none."""
    if text is None:
        return None
    text = text.strip()
    if not text:
        raise wrong("subject", "is empty")
    if len(text) > GROUP_SUBJECT_LENGTH_MAX:
        raise wrong("subject", f"has more than {GROUP_SUBJECT_LENGTH_MAX} characters")
    return text


def _description(text: str | None) -> str | None:
    if text is not None and len(text) > GROUP_DESCRIPTION_LENGTH_MAX:
        raise wrong("description", f"has more than {GROUP_DESCRIPTION_LENGTH_MAX} characters")
    return text


def _card(picture: bytes) -> bytes:
    """
    Write the card of a room with a picture (XEP-0054, XEP-0486).

    Raises:
        GraphError: 131009 for what is no JPEG, 131209 and 131210 for one that is not square, or too small.
    """
    sides = side_lengths(picture)
    if sides is None:
        raise wrong(_PICTURE, "is no JPEG")
    width, height = sides
    if width != height:
        raise GraphError(Code.GROUP_PICTURE_NOT_SQUARE, f"The picture is {width} pixels wide and {height} high.")
    if width < GROUP_PICTURE_SIDE_MIN:
        details = f"The picture has {width} pixels on a side; it needs {GROUP_PICTURE_SIDE_MIN}."
        raise GraphError(Code.GROUP_PICTURE_TOO_SMALL, details)
    data = base64.b64encode(picture)
    return b"<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/jpeg</TYPE><BINVAL>%b</BINVAL></PHOTO></vCard>" % data


ENDPOINTS: Final = (
    Endpoint("POST", Subject.NUMBER, ("groups",), create_group, MESSAGING),
    Endpoint("GET", Subject.NUMBER, ("groups",), list_groups, MESSAGING),
    Endpoint("GET", Subject.GROUP, (), show_group, MESSAGING),
    Endpoint("POST", Subject.GROUP, (), change_group, MESSAGING),
    Endpoint("DELETE", Subject.GROUP, (), delete_group, MESSAGING),
)
