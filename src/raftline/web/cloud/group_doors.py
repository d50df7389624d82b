"""
Who comes into groups and who goes: links, participants, requests to join.

    GET    /G/invite_link    {"messaging_product", "invite_link"}
    POST   /G/invite_link    the same, with another link; the old one is good for nothing
    DELETE /G/participants   {"participants": [{"user"} or {"user_id"}…]} → {"request_id", "failed_participants"?}
    GET    /G/join_requests  {"data": [{"join_request_id", "wa_id"?, "user_id", "creation_timestamp"}], "paging"}
    POST   /G/join_requests  {"join_requests": [id…]}: let them in → {"request_id", "approved_join_requests",
                             "failed_join_requests"?}
    DELETE /G/join_requests  the same: do not let them in; `rejected_join_requests`

A link is a page of this installation that shows the invitation and opens it in a chat app (docs/rooms.md); whoever has
it becomes a member, or where people have to be let in has asked for that.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, cast

import msgspec
from starlette.responses import Response

from raftline.base.cloud_limits import GROUP_LINK_RENEWED_MS
from raftline.base.errors import Refused
from raftline.base.limits import ROOM_CHANGE_COUNT_MAX, ROOM_INVITE_USE_COUNT_MAX, ROOM_JOIN_REQUEST_COUNT_MAX
from raftline.machine.business.group_commands import DecideInGroup, RemoveFromGroup, ShareGroup
from raftline.machine.business.group_queries import GroupLinkOf, GroupRequestsOf
from raftline.machine.business.group_values import GroupLinkView, GroupRequest, GroupView
from raftline.machine.context import ROOMS_LABEL
from raftline.machine.rooms.queries import AffiliatedTo
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.views import AffiliationView
from raftline.web.accounts import KEY_BYTES
from raftline.web.cloud.access import MESSAGING
from raftline.web.cloud.addressing import find_identity
from raftline.web.cloud.bodies import PRODUCT, require_product
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import Code, GraphError, graph_error, graph_reply, missing, wrong
from raftline.web.cloud.group_views import (
    carry_out,
    find_led_group,
    join_request_id,
    key_of,
    request_id_of,
    shown_person,
    who_asks,
)
from raftline.web.cloud.paging import listed, page_of
from raftline.web.replies import require_done
from raftline.xmpp.invites import TOKEN_BYTES, digest_of, landing_page, room_link


class Participant(msgspec.Struct, frozen=True):
    """Somebody by number or by BSUID."""

    user: str | None = None
    user_id: str | None = None


class Participants(msgspec.Struct, frozen=True):
    """Body that names people in a group."""

    messaging_product: str | None = None
    participants: list[Participant] | None = None


class JoinRequests(msgspec.Struct, frozen=True):
    """Body that names requests to join."""

    messaging_product: str | None = None
    join_requests: list[str] | None = None


async def show_link(call: Call) -> Response:
    """Show the group's link, which stays the same as long as nobody resets it."""
    return await _link_reply(call, resets=False)


async def reset_link(call: Call) -> Response:
    """Give the group another link."""
    return await _link_reply(call, resets=True)


async def remove_participants(call: Call) -> Response:
    """Take people out of a group."""
    body = await call.json(Participants)
    require_product(body.messaging_product)
    if not body.participants:
        raise missing("participants")
    if len(body.participants) > ROOM_CHANGE_COUNT_MAX:
        details = f"One request removes {ROOM_CHANGE_COUNT_MAX} people at most."
        raise GraphError(Code.GROUP_TOO_MANY_PARTICIPANTS, details)
    view = await find_led_group(call)
    listed_jids = await _members(call, view)
    jids: list[str] = []
    failed: list[dict[str, Any]] = []
    for place, participant in enumerate(body.participants):
        written = participant.user or participant.user_id
        if not written:
            raise missing(f"participants[{place}].user")
        identity = await find_identity(call.node, written)
        jid = "" if identity is None else f"{identity.localpart}@{call.node.domain}"
        if jid in jids:
            raise GraphError(Code.GROUP_DUPLICATE_PARTICIPANT, f"{written[:100]!r} is named more than once.")
        if jid in listed_jids:
            jids.append(jid)
        else:
            refusal = GraphError(Code.GROUP_NOT_A_PARTICIPANT, f"{written[:100]!r} is not in the group.")
            failed.append({"input": written, "errors": [refusal.as_json()]})
    if not jids:
        raise GraphError(Code.GROUP_NOT_A_PARTICIPANT, "None of those who are named is in the group.")
    key = key_of(call)
    action = RemoveFromGroup(view.number.localpart, view.room, tuple(jids), request_id_of(key))
    reply = await carry_out(call, action, key)
    return graph_reply(reply | ({"failed_participants": failed} if failed else {}))


async def list_requests(call: Call) -> Response:
    """Show who asks to be let in, a page at a time, the longest first."""
    view = await find_led_group(call)
    waiting = cast("list[GroupRequest]", await call.node.ask(GroupRequestsOf(view.room)))
    shown, paging = page_of(call, sorted(waiting, key=_order), _order)
    data = [
        {
            "join_request_id": join_request_id(one.localpart),
            **shown_person(one.localpart, one.account_id),
            "creation_timestamp": str(one.asked_ms // 1000),
        }
        for one in shown
    ]
    return graph_reply(listed(data, paging))


async def approve_requests(call: Call) -> Response:
    """Let people in."""
    return await _decide(call, allows=True)


async def reject_requests(call: Call) -> Response:
    """Do not let people in."""
    return await _decide(call, allows=False)


async def _link_reply(call: Call, *, resets: bool) -> Response:
    body = await call.json_or_none(JoinRequests) if resets else None
    if body is not None:
        require_product(body.messaging_product)
    view = await find_led_group(call)
    token = await _token(call, view, resets=resets)
    link = room_link(f"{ROOMS_LABEL}.{call.node.domain}", view.room, token, registers=False)
    url = call.request.url
    page = landing_page(call.edge.page_url or f"{url.scheme}://{url.netloc}", link)
    return graph_reply({"messaging_product": PRODUCT, "invite_link": page})


async def _token(call: Call, view: GroupView, *, resets: bool) -> str:
    """Return the token of the group's link, which has most of its time and uses before it."""
    found = None if resets else cast("GroupLinkView | None", await call.node.ask(GroupLinkOf(view.room)))
    if found is None or _is_worn(call, found):
        key = key_of(call) if resets else call.edge.entropy(KEY_BYTES)
        # Made of the key, so that a repeat tells the same link.
        drawn = blake2b(key + view.room.encode(), digest_size=TOKEN_BYTES, person=b"raftline-link").hexdigest()
        action = ShareGroup(view.number.localpart, view.room, drawn, digest_of(drawn), resets)
        require_done(await call.node.execute(action, key=key))
        found = cast("GroupLinkView | None", await call.node.ask(GroupLinkOf(view.room)))
    if found is None:
        raise GraphError(Code.UNKNOWN, "The link of the group is gone already.")
    return found.token


def _is_worn(call: Call, link: GroupLinkView) -> bool:
    return 2 * link.uses < ROOM_INVITE_USE_COUNT_MAX or link.expires_ms - call.edge.wall_ms() < GROUP_LINK_RENEWED_MS


async def _members(call: Call, view: GroupView) -> frozenset[str]:
    found: set[str] = set()
    for affiliation in (Affiliation.MEMBER, Affiliation.ADMIN, Affiliation.OWNER):
        rows = cast("list[AffiliationView]", await call.node.ask(AffiliatedTo(view.room, int(affiliation))))
        found.update(row.jid for row in rows)
    return frozenset(found - {f"{view.number.localpart}@{call.node.domain}"})


def _order(request: GroupRequest) -> str:
    return f"{request.asked_ms:020d} {request.localpart}"


async def _decide(call: Call, *, allows: bool) -> Response:
    body = await call.json(JoinRequests)
    require_product(body.messaging_product)
    if not body.join_requests:
        raise missing("join_requests")
    if len(body.join_requests) > ROOM_JOIN_REQUEST_COUNT_MAX:
        raise wrong("join_requests", f"has more than {ROOM_JOIN_REQUEST_COUNT_MAX} entries")
    view = await find_led_group(call)
    key = key_of(call)
    decided: list[str] = []
    failed: list[dict[str, Any]] = []
    for place, request in enumerate(dict.fromkeys(body.join_requests)):
        try:
            await _decide_one(call, view, request, key=_key_for(key, place), allows=allows)
        except (GraphError, Refused) as error:
            failed.append({"join_request_id": request, "errors": [graph_error(error).as_json()]})
        else:
            decided.append(request)
    if not decided:
        raise GraphError(Code.GROUP_NO_JOIN_REQUEST, "None of these requests waits for an answer.")
    name = "approved_join_requests" if allows else "rejected_join_requests"
    reply = {"messaging_product": PRODUCT, "request_id": request_id_of(key), name: decided}
    return graph_reply(reply | ({"failed_join_requests": failed} if failed else {}))


async def _decide_one(call: Call, view: GroupView, request: str, *, key: bytes, allows: bool) -> None:
    localpart = who_asks(request)
    unknown = GraphError(Code.GROUP_NO_JOIN_REQUEST, f"{request[:100]!r} waits for no answer.")
    if localpart is None:
        raise unknown
    action = DecideInGroup(view.number.localpart, view.room, f"{localpart}@{call.node.domain}", allows)
    try:
        require_done(await call.node.execute(action, key=key))
    except Refused as error:
        match error.condition:
            case "item-not-found":
                raise unknown from error
            case "resource-constraint":
                raise GraphError(Code.GROUP_TOO_MANY_PARTICIPANTS, str(error)) from error
            case _:
                raise


def _key_for(key: bytes, place: int) -> bytes:
    return blake2b(key + bytes([place]), digest_size=KEY_BYTES).digest()


ENDPOINTS: Final = (
    Endpoint("GET", Subject.GROUP, ("invite_link",), show_link, MESSAGING),
    Endpoint("POST", Subject.GROUP, ("invite_link",), reset_link, MESSAGING),
    Endpoint("DELETE", Subject.GROUP, ("participants",), remove_participants, MESSAGING),
    Endpoint("GET", Subject.GROUP, ("join_requests",), list_requests, MESSAGING),
    Endpoint("POST", Subject.GROUP, ("join_requests",), approve_requests, MESSAGING),
    Endpoint("DELETE", Subject.GROUP, ("join_requests",), reject_requests, MESSAGING),
)
