"""
Versions of a room's lists of affiliations (XEP-0463), so that who enters again is told what changed since.

A version is the number of changes the room has seen, counted from its creation. The last changes are kept under their
numbers, each with the affiliation before and after; an older one is unknown from then on, and whoever has that gets
whole lists. As text a version carries a digest by the room's secret: nobody has one who was not told it, and one of
another room, or of an earlier room of the name, is unknown.

Who may read is decided as for requests for lists (ranks.may_read_list). To those who may not read who is banned, an
outcast is one without affiliation. Nobody is told of changes since a time when they had no access themselves.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple

from raftline.base.ids import AccountId
from raftline.base.limits import ROOM_CHANGE_MEMORY_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.rooms import ranks
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.events import AffiliationsListed, AffiliationsRefused
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Occupant, Room, RoomListChange

FIRST: Final = 1
"""Version of a room that was just made: its owner is the only one on its lists."""

_PERSON: Final = b"raftline-mav"


class Versions(NamedTuple):
    """As text: before a change and after it."""

    since: str
    until: str


def note_change(context: Context, room: Room, jid: str, before: int, after: int) -> Versions:
    """Count a change of somebody's affiliation, and remember it."""
    current = context.rooms.get(room.name)
    assert current is not None, room.name
    version = current.list_version + 1
    context.rooms.put(room.name, current._replace(list_version=version))
    row = RoomListChange(room.room_id, version, jid, int(before), int(after))
    context.room_list_changes.insert((room.room_id, version), row)
    forgotten = version - ROOM_CHANGE_MEMORY_COUNT_MAX
    if forgotten > FIRST:
        context.room_list_changes.delete((room.room_id, forgotten))
    return Versions(_text(room, version - 1), _text(room, version))


def current_version(context: Context, room: Room) -> str:
    """Return the version of a room's lists as they are now."""
    current = context.rooms.get(room.name)
    assert current is not None, room.name
    return _text(room, current.list_version)


def tell_newcomer(context: Context, room: Room, occupant: Occupant, since: str, address: str) -> None:
    """
    Tell somebody who enters what is on the lists, or what changed since a version.

    Args:
        since: The version that it has; empty, or one that nobody knows, for none.
        address: Bare JID of the room.
    """
    settings = room_settings.decode(room.settings)
    session = context.sessions.get(occupant.session_id)
    assert session is not None, occupant

    def may_read(wanted: Affiliation) -> bool:
        return ranks.may_read_list(
            wanted,
            occupant.affiliation,
            occupant.role,
            sees_addresses=settings.non_anonymous,
            list_roles=settings.list_roles,
        )

    recipient = (session.node_id, (session.session_id,))
    known = _number(room, since)
    if not may_read(Affiliation.MEMBER):
        context.events.append(AffiliationsRefused(*recipient, address))
    elif known is None:
        items = _all_items(context, room, Affiliation.OUTCAST if may_read(Affiliation.OUTCAST) else Affiliation.MEMBER)
        context.events.append(AffiliationsListed(*recipient, address, "", _text(room, room.list_version), items))
    elif known != room.list_version:
        changes = _changes_since(context, room, known)
        if _had_no_access(changes, occupant, is_closed=settings.members_only):
            context.events.append(AffiliationsRefused(*recipient, address))
            return
        floor = Affiliation.OUTCAST if may_read(Affiliation.OUTCAST) else Affiliation.NONE
        latest = {change.jid: max(change.after, int(floor)) for change in changes}
        context.events.append(
            AffiliationsListed(*recipient, address, since, _text(room, room.list_version), tuple(latest.items()))
        )


def forget_changes(context: Context, room_id: AccountId, budget: int) -> int:
    """Delete some changes of a room that is gone; return how many."""
    sql = "SELECT version FROM room_list_change WHERE room_id = ? ORDER BY version LIMIT ?"
    found = context.rows.select((context.room_list_changes,), sql, (room_id, max(budget, 0)))
    for (version,) in found:
        context.room_list_changes.delete((room_id, version))
    return len(found)


def _all_items(context: Context, room: Room, floor: Affiliation) -> tuple[tuple[str, int], ...]:
    sql = "SELECT jid, affiliation FROM room_affiliation WHERE room_id = ? AND affiliation >= ? ORDER BY jid"
    return tuple(context.rows.select((context.room_affiliations,), sql, (room.room_id, int(floor))))


def _changes_since(context: Context, room: Room, version: int) -> list[RoomListChange]:
    sql = "SELECT * FROM room_list_change WHERE room_id = ? AND version > ? ORDER BY version"
    rows = context.rows.select((context.room_list_changes,), sql, (room.room_id, version))
    return [RoomListChange._make(row) for row in rows]


def _had_no_access(changes: list[RoomListChange], occupant: Occupant, *, is_closed: bool) -> bool:
    """Whether somebody could not have been in the room before these changes."""
    former = next((change.before for change in changes if change.jid == occupant.jid), occupant.affiliation)
    return former < (Affiliation.MEMBER if is_closed else Affiliation.NONE)


def _text(room: Room, version: int) -> str:
    digest = blake2b(f"{room.room_id}.{version}".encode(), digest_size=8, key=room.secret, person=_PERSON)
    return f"{version}-{digest.hexdigest()}"


def _number(room: Room, text: str) -> int | None:
    """Read a version back; None for one that this room never told, or has forgotten."""
    digits = text.partition("-")[0]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(room.list_version)):
        return None
    version = int(digits)
    oldest = max(FIRST, room.list_version - ROOM_CHANGE_MEMORY_COUNT_MAX)
    return version if oldest <= version <= room.list_version and _text(room, version) == text else None
