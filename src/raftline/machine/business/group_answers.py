"""Answers to questions about groups that numbers are in (group_queries.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.base.business_limits import GROUP_COUNT_MAX, GROUP_SHOWN_MEMBER_COUNT_MAX
from raftline.machine.business.group_queries import GroupLinkOf, GroupOf, GroupRequestsOf, GroupsNamed, GroupsOf
from raftline.machine.business.group_values import GroupLinkView, GroupPerson, GroupRequest, GroupView
from raftline.machine.business.sending import number_named
from raftline.machine.business.tables import Number
from raftline.machine.context import Context
from raftline.machine.invites.issuing import leads_into_room
from raftline.machine.queries import Answer, Query
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.entering import affiliation_of
from raftline.machine.rooms.join_requests import join_requests_for
from raftline.machine.rooms.queries import JoinRequestsFor
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Room

_MEMBERS: Final = (
    "FROM room_affiliation CROSS JOIN account ON account.localpart = substr(jid, 1, length(jid) - ?2)"
    " WHERE room_id = ?1 AND affiliation >= ?3 AND substr(jid, -?2) = ?4 AND account_id <> ?5"
)


def _group_of(context: Context, query: GroupOf) -> GroupView | None:
    room = context.rooms.get(query.room)
    if room is None or room.locked:
        return None
    numbers = [number for number in context.business.numbers_of(query.business_id) if _rank(context, room, number) > 0]
    best = max(numbers, key=lambda number: (_rank(context, room, number), -number.number_id), default=None)
    return None if best is None else _view(context, room, best)


def _groups_of(context: Context, query: GroupsOf) -> list[str]:
    sql = (
        "SELECT name FROM room_affiliation CROSS JOIN room USING (room_id)"
        " WHERE jid = ? AND affiliation >= ? AND locked = 0 ORDER BY name LIMIT ?"
    )
    bindings = (context.bare_jid(query.localpart), int(Affiliation.MEMBER), GROUP_COUNT_MAX)
    found = context.rows.select((context.room_affiliations, context.rooms), sql, bindings)
    return [name for (name,) in found]


def _groups_named(context: Context, query: GroupsNamed) -> list[GroupView]:
    number = number_named(context, query.localpart)
    rooms = [context.rooms.get(name) for name in query.rooms]
    return [
        _view(context, room, number)
        for room in rooms
        if room is not None and number is not None and not room.locked and _rank(context, room, number)
    ]


def _group_link_of(context: Context, query: GroupLinkOf) -> GroupLinkView | None:
    room = context.rooms.get(query.room)
    link = None if room is None else context.business.group_links.get(room.room_id)
    invite = None if link is None else context.invites.get(link.digest)
    if link is None or invite is None or context.time_ms > invite.expires_ms or not leads_into_room(context, invite):
        return None
    return GroupLinkView(link.token, invite.uses, invite.expires_ms)


def _group_requests_of(context: Context, query: GroupRequestsOf) -> list[GroupRequest]:
    found = []
    for waiting in join_requests_for(context, JoinRequestsFor(query.room)):
        localpart = context.account_named(waiting.jid)
        account = None if localpart is None else context.accounts.get(localpart)
        if account is not None:
            found.append(GroupRequest(account.localpart, account.account_id, waiting.asked_ms))
    return found


def _rank(context: Context, room: Room, number: Number) -> int:
    """Return the affiliation of a number that is a member or above; 0 for any other."""
    affiliation = affiliation_of(context, room, context.bare_jid(number.localpart))
    return affiliation if affiliation >= Affiliation.MEMBER else 0


def _view(context: Context, room: Room, number: Number) -> GroupView:
    settings = room_settings.decode(room.settings)
    domain = f"@{context.domain}"
    tables = (context.room_affiliations, context.accounts)
    bindings = (room.room_id, len(domain), int(Affiliation.MEMBER), domain, number.account_id)
    ((count,),) = context.rows.select(tables, f"SELECT count(*) {_MEMBERS}", bindings)
    sql = f"SELECT localpart, account_id {_MEMBERS} ORDER BY jid LIMIT ?6"
    members = context.rows.select(tables, sql, (*bindings, GROUP_SHOWN_MEMBER_COUNT_MAX))
    return GroupView(
        room.name,
        number,
        _rank(context, room, number),
        settings.title,
        settings.description,
        room.created_ms,
        settings.join_requests,
        count,
        [GroupPerson(*row) for row in members],
    )


GROUP_ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {
        GroupOf: _group_of,
        GroupsOf: _groups_of,
        GroupsNamed: _groups_named,
        GroupLinkOf: _group_link_of,
        GroupRequestsOf: _group_requests_of,
    }
)
