"""Answers to questions about rooms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.base.ids import NodeId
from raftline.base.limits import ROOM_PAGE_ROW_COUNT_MAX
from raftline.machine import archive
from raftline.machine.context import Context
from raftline.machine.queries import Answer, ArchiveRow, Page, Query, SessionRow
from raftline.machine.rooms import markup, moderation, showing
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.blocks import block_between
from raftline.machine.rooms.entering import affiliation_of
from raftline.machine.rooms.join_requests import join_requests_for
from raftline.machine.rooms.queries import (
    AffiliatedTo,
    BlockInRoom,
    JoinRequestsFor,
    OccupantVcardOf,
    PeopleIn,
    PublicRooms,
    RoomArchiveEnds,
    RoomArchivePage,
    RoomOf,
    RoomVcardOf,
    SessionsUnder,
)
from raftline.machine.rooms.ranks import Role
from raftline.machine.rooms.views import AffiliationView, OccupantView, RoomBlock, RoomName, RoomNames, RoomView


def _room_of(context: Context, query: RoomOf) -> RoomView | None:
    room = context.rooms.get(query.room)
    session = context.sessions.get(query.session_id)
    if room is None or session is None:
        return None
    jid = context.bare_jid(session.localpart)
    occupant = context.occupants.get(room.room_id, query.session_id)
    row = context.room_affiliations.get((room.room_id, jid))
    card = context.room_vcards.get(room.room_id)
    return RoomView(
        room_settings.decode(room.settings),
        bool(room.locked),
        context.occupants.nick_count(room.room_id),
        room.subject,
        "" if card is None else card.picture_hash,
        affiliation_of(context, room, jid),
        "" if occupant is None else occupant.nick,
        int(Role.NONE) if occupant is None else occupant.role,
        "" if row is None else row.nick,
        bool(context.occupants.of_account(room.room_id, jid)),
        markup.occupant_id(room.secret, jid),
        context.doors.requests.get((room.room_id, jid)) is not None,
    )


def _public_rooms(context: Context, query: PublicRooms) -> RoomNames:
    """Read one page; what comes before it and after it is counted in an index."""
    tables = (context.rooms,)
    bounds = "listed = 1 AND name > ?1 AND (?2 IS NULL OR name < ?2)"
    sql = (
        f"SELECT name, settings FROM room WHERE {bounds}"  # noqa: S608 - own text alone
        f" ORDER BY name {'DESC' if query.backward else 'ASC'} LIMIT ?3"
    )
    limit = min(max(query.limit, 0), ROOM_PAGE_ROW_COUNT_MAX)
    found = context.rows.select(tables, sql, (query.after, query.before, limit))
    page = sorted(RoomName(name, room_settings.decode(data).title) for name, data in found)
    first = page[0].name if page else ""
    sql = "SELECT count(*), coalesce(sum(name < ?), 0) FROM room WHERE listed = 1"
    ((total, offset),) = context.rows.select(tables, sql, (first,))
    return RoomNames(page, total, offset)


def _people_in(context: Context, query: PeopleIn) -> list[OccupantView]:
    room = context.rooms.get(query.room)
    if room is None:
        return []
    return [
        OccupantView(person.nick, f"{person.jid}/{person.resource}", person.affiliation, person.role)
        for person in showing.people(context, room)
    ]


def _affiliated_to(context: Context, query: AffiliatedTo) -> list[AffiliationView]:
    room = context.rooms.get(query.room)
    if room is None:
        return []
    sql = (
        "SELECT jid, affiliation, nick, reason FROM room_affiliation WHERE room_id = ? AND affiliation = ? ORDER BY jid"
    )
    found = context.rows.select((context.room_affiliations,), sql, (room.room_id, query.affiliation))
    return [AffiliationView._make(row) for row in found]


def _sessions_under(context: Context, query: SessionsUnder) -> list[SessionRow]:
    room = context.rooms.get(query.room)
    if room is None:
        return []
    if query.nick is not None:
        occupants = context.occupants.named(room.room_id, query.nick)
    else:
        occupants = list(context.occupants.of(room.room_id).values())
    rows: list[SessionRow] = []
    for occupant in occupants:
        session = context.sessions.get(occupant.session_id)
        resumption = context.resumptions.get(occupant.session_id)
        if session is None or occupant.session_id == query.besides:
            continue
        is_waiting = resumption is not None and resumption.due_ms > 0
        node_id = NodeId(0) if is_waiting else session.node_id
        rows.append(SessionRow(session.session_id, node_id, session.resource, None, None))
    return rows[: query.limit]


def _room_vcard_of(context: Context, query: RoomVcardOf) -> bytes | None:
    room = context.rooms.get(query.room)
    card = None if room is None else context.room_vcards.get(room.room_id)
    return None if card is None else card.data


def _occupant_vcard_of(context: Context, query: OccupantVcardOf) -> bytes | None:
    room = context.rooms.get(query.room)
    holders = [] if room is None else context.occupants.named(room.room_id, query.nick)
    block = _block_in_room(context, BlockInRoom(query.room, query.nick, query.session_id))
    is_shown = holders and block in {RoomBlock.NOBODY, RoomBlock.SENDER}
    card = context.vcards.get(holders[0].account_id) if is_shown else None
    return None if card is None else card.data


def _block_in_room(context: Context, query: BlockInRoom) -> RoomBlock:
    room = context.rooms.get(query.room)
    asking = None if room is None else context.occupants.get(room.room_id, query.session_id)
    if room is None or asking is None:
        return RoomBlock.NOBODY
    holders = context.occupants.named(room.room_id, query.nick)
    return block_between(context, room, asking, holders[-1]) if holders else RoomBlock.NOBODY


def _room_archive_page(context: Context, query: RoomArchivePage) -> Page:
    room = context.rooms.get(query.room)
    if room is None:
        return archive.EMPTY
    source, conditions = "archive", "archive.owner_id = ?"
    values: list[Any] = [room.room_id]
    if query.author is not None:
        address = context.addresses.get(query.author)
        if address is None:
            return archive.EMPTY
        conditions += " AND archive.contact_id = ?"
        values.append(address.address_id)
    if query.nick is not None:
        source += " JOIN message USING (position)"
        conditions += " AND from_resource = ?"
        values.append(query.nick)
    wanted = archive.filter_of(context, source, conditions, tuple(values), query)
    page = archive.page_of(context, wanted, query)
    if not query.shows_authors:
        return page
    return page._replace(rows=[_with_author(context, room.room_id, row) for row in page.rows])


def _with_author(context: Context, room_id: int, row: ArchiveRow) -> ArchiveRow:
    entry = context.archive.get((room_id, row.position))
    author = None if entry is None else moderation.address_at(context, entry.contact_id)
    if author is None:
        return row
    return row._replace(stanza=markup.with_child(row.stanza, markup.real_address(author)))


def _room_archive_ends(context: Context, query: RoomArchiveEnds) -> tuple[ArchiveRow, ArchiveRow] | None:
    room = context.rooms.get(query.room)
    return None if room is None else archive.ends_of(context, room.room_id)


ROOM_ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {
        RoomOf: _room_of,
        PublicRooms: _public_rooms,
        PeopleIn: _people_in,
        AffiliatedTo: _affiliated_to,
        JoinRequestsFor: join_requests_for,
        SessionsUnder: _sessions_under,
        RoomVcardOf: _room_vcard_of,
        OccupantVcardOf: _occupant_vcard_of,
        BlockInRoom: _block_in_room,
        RoomArchivePage: _room_archive_page,
        RoomArchiveEnds: _room_archive_ends,
    }
)
