"""
Which rooms have numbers among their members: derived, and kept in memory, so that other rooms pay for a look-up alone.

Like the rest of what is derived it can be dropped at any time. Whoever writes who belongs to a room says so (`touch`),
and whoever makes a number drops all: rooms list addresses that nobody has yet. A number is one as long as its account
is there, and an account that goes leaves all lists, so nothing else changes what is told here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.ids import AccountId
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rows import CACHE_ROW_COUNT_MAX

if TYPE_CHECKING:
    from raftline.machine.context import Context
    from raftline.machine.rooms.tables import Room

_SQL: Final = (
    "SELECT business_number.account_id FROM business_number CROSS JOIN room_affiliation"
    " ON room_affiliation.room_id = ?1 AND jid = localpart || '@' || ?2"
    " WHERE affiliation >= ?3 ORDER BY business_number.account_id"
)


class RoomNumbers:
    """Numbers by room."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rooms: dict[AccountId, tuple[AccountId, ...]] = {}

    def of(self, room: Room) -> tuple[AccountId, ...]:
        """Accounts of numbers that are members of a room or above, sorted; almost always none."""
        found = self._rooms.get(room.room_id)
        if found is None:
            context = self._context
            tables = (context.business.numbers, context.room_affiliations)
            rows = context.rows.select(tables, _SQL, (room.room_id, context.domain, int(Affiliation.MEMBER)))
            found = self._rooms[room.room_id] = tuple(account_id for (account_id,) in rows)
        return found

    def touch(self, room_id: AccountId) -> None:
        """Who belongs to the room has changed, or the room is gone."""
        self._rooms.pop(room_id, None)

    def drop(self) -> None:
        """Forget everything."""
        self._rooms.clear()

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if len(self._rooms) > CACHE_ROW_COUNT_MAX:
            self.drop()
