"""
Who is shown what of an occupant: presence as the room passes it on (XEP-0045 sections 7.1, 7.2, 15).

Three kinds of recipients: the occupant's own sessions, which learn that it is them (status 110); those who see real
addresses, which are moderators, or everyone in a non-anonymous room; and all others. What each kind gets is one event
for each node.

An occupant whose role the room does not broadcast is shown to its own sessions alone (`settings.broadcast_roles`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import SessionId
from raftline.machine.context import Context
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.events import OccupantShown
from raftline.machine.rooms.markup import occupant_id
from raftline.machine.rooms.ranks import Role
from raftline.machine.rooms.tables import Occupant, Room, RoomDeparture

STATUS_NON_ANONYMOUS: Final = 100
STATUS_SELF: Final = 110
STATUS_LOGGED: Final = 170
STATUS_CREATED: Final = 201
STATUS_BANNED: Final = 301
STATUS_NICK_CHANGED: Final = 303
STATUS_KICKED: Final = 307
STATUS_AFFILIATION_LOST: Final = 321
STATUS_MEMBERS_ONLY: Final = 322


class News(NamedTuple):
    """
    What presence says beside who the occupant is; fields as in events.OccupantShown.

    Attributes:
        statuses: Codes that all see.
        own_statuses: Codes for the occupant itself, beside 110.
        own_until: Version of the room's lists, for the occupant itself.
    """

    statuses: tuple[int, ...] = ()
    own_statuses: tuple[int, ...] = ()
    new_nick: str = ""
    actor: str = ""
    reason: str = ""
    alternate: str | None = None
    password: str = ""
    list_since: str = ""
    list_until: str = ""
    own_until: str = ""


NO_NEWS: Final = News()


def address_of(context: Context, name: str) -> str:
    """Return the bare JID of a room."""
    return f"{name}@{context.rooms_domain}"


def standing_statuses(room: Room) -> tuple[int, ...]:
    """Codes that tell who enters what kind of room it is (section 7.2.3, 7.2.12)."""
    settings = room_settings.decode(room.settings)
    codes = (STATUS_NON_ANONYMOUS,) if settings.non_anonymous else ()
    return (*codes, STATUS_LOGGED) if settings.archived else codes


def broadcast(context: Context, room: Room, occupant: Occupant, news: News = NO_NEWS) -> None:
    """Show an occupant, as it is now, to all who are to see it, itself included."""
    _tell(context, room, occupant, _audience(context, room, occupant), news, is_available=True)


def broadcast_farewell(context: Context, room: Room, occupant: Occupant, news: News = NO_NEWS) -> None:
    """Show an occupant, who is still in the index, leave the nickname or the room."""
    _tell(context, room, occupant, _audience(context, room, occupant), news, is_available=False)


def show_farewell(
    context: Context, room: Room, occupant: Occupant, recipients: list[Occupant], news: News = NO_NEWS
) -> None:
    """Show some recipients alone that an occupant leaves."""
    _tell(context, room, occupant, recipients, news, is_available=False)


def show(context: Context, room: Room, occupant: Occupant, recipients: list[Occupant], news: News = NO_NEWS) -> None:
    """Show an occupant to some recipients alone."""
    _tell(context, room, occupant, recipients, news, is_available=True)


def show_others(context: Context, room: Room, newcomer: Occupant) -> None:
    """Show a newcomer everyone else who is there and broadcast, each nickname once (section 7.2.2)."""
    settings = room_settings.decode(room.settings)
    for other in people(context, room):
        if other.nick != newcomer.nick and settings.is_broadcast(other.role):
            _tell(context, room, other, [newcomer], NO_NEWS, is_available=True)


def people(context: Context, room: Room) -> list[Occupant]:
    """Return one occupant for each nickname, the session that came last, in the order of their first sessions."""
    latest: dict[str, Occupant] = {}
    for occupant in context.occupants.of(room.room_id).values():
        latest[occupant.nick] = occupant
    return list(latest.values())


def note_departure(context: Context, room: Room, occupant: Occupant) -> None:
    """Remember that a nickname left, for sessions that are resumed within the hour."""
    row = RoomDeparture(
        room.room_id, occupant.nick, occupant_id(room.secret, occupant.jid), context.position, context.time_ms
    )
    context.room_departures.put((room.room_id, occupant.nick), row)


def _audience(context: Context, room: Room, occupant: Occupant) -> list[Occupant]:
    if room_settings.decode(room.settings).is_broadcast(occupant.role):
        return list(context.occupants.of(room.room_id).values())
    return context.occupants.named(room.room_id, occupant.nick)


def _tell(
    context: Context, room: Room, occupant: Occupant, recipients: list[Occupant], news: News, *, is_available: bool
) -> None:
    """Sort recipients by what they may see, and tell each kind."""
    all_see = room_settings.decode(room.settings).non_anonymous
    nick = occupant.nick
    kinds: dict[tuple[bool, bool], list[SessionId]] = {}
    for recipient in recipients:
        is_own = recipient.nick == nick
        sees_address = is_own or all_see or recipient.role == Role.MODERATOR
        kinds.setdefault((is_own, sees_address), []).append(recipient.session_id)
    for (is_own, sees_address), session_ids in kinds.items():
        codes = (*news.statuses, *news.own_statuses, STATUS_SELF) if is_own else news.statuses
        for node_id, local in context.occupants.grouped(session_ids):
            context.events.append(
                OccupantShown(
                    node_id,
                    local,
                    address_of(context, room.name),
                    nick,
                    is_available,
                    occupant.presence,
                    occupant.affiliation,
                    int(occupant.role if is_available or news.new_nick else Role.NONE),
                    f"{occupant.jid}/{occupant.resource}" if sees_address else "",
                    occupant_id(room.secret, occupant.jid),
                    codes,
                    news.new_nick,
                    news.actor,
                    news.reason,
                    news.alternate,
                    news.password,
                    news.list_since,
                    news.list_until or (news.own_until if is_own else ""),
                )
            )
